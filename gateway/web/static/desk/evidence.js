// Where a value was said. Offsets count characters (code points); strings here count UTF-16 units.

export function unitOffsets(text) {
  const at = [0];
  for (const character of text) at.push(at[at.length - 1] + character.length);
  return at;
}

// The piece of `text` that an evidence names, as UTF-16 [start, end), or null when it is not there.
export function spanOf(text, evidence, offsets = unitOffsets(text)) {
  const start = offsets[evidence.start ?? 0];
  const end = offsets[evidence.end ?? 0];
  if (start === undefined || end === undefined || end <= start) return null;
  // A text that was cut or edited since must not light up the wrong words.
  if (!evidence.quote || text.slice(start, end) === evidence.quote) return [start, end];
  const found = text.indexOf(evidence.quote);
  return found < 0 ? null : [found, found + evidence.quote.length];
}

// Cuts a text into pieces [{text, fields}] at every border of its spans [{start, end, field}].
export function pieces(text, spans) {
  const borders = new Set([0, text.length]);
  for (const { start, end } of spans) borders.add(start).add(end);
  const cuts = [...borders].sort((a, b) => a - b);
  return cuts.slice(0, -1).map((from, i) => ({
    text: text.slice(from, cuts[i + 1]),
    fields: [...new Set(spans.filter((s) => s.start <= from && s.end >= cuts[i + 1]).map((s) => s.field))],
  }));
}

export function light(field, on) {
  document.querySelectorAll(`[data-fields~="${CSS.escape(field)}"]`).forEach((el) => el.classList.toggle("lit", on));
  document.querySelectorAll(`[data-field="${CSS.escape(field)}"]`).forEach((el) => el.classList.toggle("lit", on));
}

export function show(field) {
  const first = document.querySelector(`[data-fields~="${CSS.escape(field)}"]`);
  first?.scrollIntoView({ block: "center", behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  return Boolean(first);
}
