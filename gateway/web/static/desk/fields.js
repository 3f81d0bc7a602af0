// The record as a list of fields: sections, each with [name, found values].

const one = (found) => (found ? [found] : []);
const plain = (value) => (value === "" || value === null || value === undefined ? [] : [{ value, evidence: [] }]);

export const CORRECTABLE = ["kind", "category", "urgency", "difficulty", "sentiment"];

export function sections(record) {
  const { who, what, gravity, arrival, standing } = record;
  return [
    ["sec_what", [
      ["kind", one(what.kind)],
      ["category", one(what.category)],
      ["demands", what.demands],
      ["products", what.products],
      ["order_numbers", what.order_numbers],
      ["tracking_numbers", what.tracking_numbers],
      ["amounts", what.amounts],
      ["dates", what.dates],
      ["places", what.places],
      ["people", what.people],
      ["urls", what.urls],
      ["doubts", what.doubts],
    ]],
    ["sec_gravity", [
      ["urgency", one(gravity.urgency)],
      ["sentiment", one(gravity.sentiment)],
      ["emotion", one(gravity.emotion)],
      ["difficulty", one(gravity.difficulty)],
      ["risks", gravity.risks],
    ]],
    ["sec_who", [
      ["names", who.names],
      ["phones", who.phones],
      ["emails", who.emails],
      ["customer_class", plain(who.customer_class)],
      ["on_behalf_of", one(who.on_behalf_of)],
    ]],
    ["sec_standing", [
      ["status", plain(standing.status)],
      ["handoff_reason", plain(standing.handoff_reason)],
      ["skills", standing.skills.map((value) => ({ value, evidence: [] }))],
      ["disposition", plain(standing.disposition)],
      ["outcome", plain(standing.outcome)],
      ["satisfaction", plain(standing.satisfaction)],
      ["repeat_of", plain(standing.repeat_of)],
      ["repeats", plain(standing.repeats || "")],
      ["chasers", plain(standing.chasers || "")],
      ["incident", plain(standing.incident)],
      ["ticket", plain(standing.ticket)],
    ]],
    ["sec_arrival", [
      ["channel", plain(arrival.channel)],
      ["origin", plain(arrival.origin)],
      ["language", one(arrival.language)],
      ["occurred_at", plain(arrival.occurred_at)],
      ["provider_at", plain(arrival.provider_at)],
      ["received_at", plain(arrival.received_at)],
    ]],
  ];
}

export const fieldId = (name, index) => `${name}-${index}`;

export const confidence = (found) => found.evidence.reduce((best, e) => Math.max(best, e.confidence ?? 1), 0);

// Every span of every value: [{message, evidence, field}].
export function allEvidence(record) {
  const found = [];
  for (const [, fields] of sections(record)) {
    for (const [name, values] of fields) {
      values.forEach((value, index) => {
        for (const evidence of value.evidence) found.push({ message: evidence.message, evidence, field: fieldId(name, index) });
      });
    }
  }
  return found;
}
