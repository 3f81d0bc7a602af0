-- The embedded store's first schema.
--
-- Times are INTEGER microseconds since 1970 (UTC). Bodies are JSON as BLOB. `conv` is conversation.n.
-- inbox and conversation are written for every accepted message: every index on them is paid there, so a
-- listing's order lives in columns that only the flow and the desk change.

CREATE TABLE conversation (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    thread TEXT NOT NULL,
    sender TEXT NOT NULL,
    sender_name TEXT NOT NULL,
    sender_email TEXT NOT NULL,
    sender_phone TEXT NOT NULL,
    owner TEXT NOT NULL DEFAULT 'bot',
    fence INTEGER NOT NULL DEFAULT 0,
    lease_until INTEGER,
    status TEXT NOT NULL DEFAULT 'new',
    number TEXT NOT NULL DEFAULT '',        -- of the open record
    record INTEGER,                         -- record.n of the latest one, open or closed
    last_seq INTEGER NOT NULL,
    opened_at INTEGER NOT NULL,
    last_at INTEGER NOT NULL,
    window_closes_at INTEGER,
    last_text TEXT NOT NULL DEFAULT '',
    unanswered INTEGER NOT NULL DEFAULT 0,
    waiting_since INTEGER,
    active_at INTEGER NOT NULL,             -- order of the lists; moved by the flow and the desk, not by intake
    rank INTEGER NOT NULL DEFAULT 1,        -- 0 urgent, 1 normal, 2 low
    due_at INTEGER NOT NULL DEFAULT 9223372036854775807,
    erased_at INTEGER,
    state BLOB NOT NULL DEFAULT x''         -- the bot's
);
CREATE INDEX conversation_active ON conversation (active_at);
CREATE INDEX conversation_waiting ON conversation (rank, due_at)
    WHERE owner = '' AND status NOT IN ('resolved', 'closed', 'withdrawn');
CREATE INDEX conversation_owned ON conversation (owner, rank, due_at) WHERE owner NOT IN ('', 'bot');
CREATE INDEX conversation_lease ON conversation (lease_until) WHERE lease_until IS NOT NULL;

CREATE TABLE inbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    conv INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'open',     -- open, done, held: one length, so a change overwrites in place
    state_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    visible INTEGER NOT NULL,
    refers_to INTEGER NOT NULL,
    version INTEGER NOT NULL,
    provider_at INTEGER NOT NULL,
    received_at INTEGER NOT NULL,
    body BLOB NOT NULL,
    raw BLOB NOT NULL
);
CREATE UNIQUE INDEX inbox_line ON inbox (conv, seq);
CREATE INDEX inbox_open ON inbox (id, conv, seq) WHERE state = 'open';
CREATE INDEX inbox_held ON inbox (id) WHERE state = 'held';

-- What was said or done, but for the inbound lines: those are the inbox rows themselves.
CREATE TABLE timeline (
    conv INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    visible INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (conv, seq)
) WITHOUT ROWID;

CREATE TABLE record (
    n INTEGER PRIMARY KEY,
    number TEXT NOT NULL UNIQUE,
    conv INTEGER NOT NULL,
    revision INTEGER NOT NULL,
    status TEXT NOT NULL,
    kind TEXT NOT NULL,
    category TEXT NOT NULL,
    urgency TEXT NOT NULL,
    language TEXT NOT NULL,
    summary TEXT NOT NULL,
    handoff_reason TEXT NOT NULL,
    contacts TEXT NOT NULL,
    due_at INTEGER,
    opened_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
);
CREATE INDEX record_conversation ON record (conv);
CREATE INDEX record_opened ON record (opened_at);
CREATE INDEX record_status ON record (status, opened_at);

CREATE TABLE record_revision (
    number TEXT NOT NULL,
    revision INTEGER NOT NULL,
    body BLOB NOT NULL,
    PRIMARY KEY (number, revision)
) WITHOUT ROWID;

-- next_at is set on the head of a lane alone; the rows behind it wait with NULL until they are the head.
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    destination TEXT NOT NULL,
    lane TEXT NOT NULL,
    conv INTEGER,
    number TEXT NOT NULL,
    kind TEXT NOT NULL,
    fence INTEGER,
    body BLOB NOT NULL,
    state TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    interrupted INTEGER NOT NULL DEFAULT 0,
    created_at INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    next_at INTEGER,
    sent_at INTEGER,
    error TEXT NOT NULL DEFAULT '',
    external_ids TEXT NOT NULL DEFAULT '[]'
);
CREATE INDEX outbox_conversation ON outbox (conv);
CREATE INDEX outbox_lane ON outbox (lane, id) WHERE state IN ('waiting', 'sending');
CREATE INDEX outbox_due ON outbox (next_at) WHERE state = 'waiting' AND next_at IS NOT NULL;
CREATE INDEX outbox_unsettled ON outbox (state) WHERE state <> 'sent';

CREATE TABLE journal (
    number TEXT NOT NULL,
    n INTEGER NOT NULL,
    what TEXT NOT NULL,
    at TEXT NOT NULL,
    by TEXT NOT NULL,
    body BLOB NOT NULL,
    prev TEXT NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (number, n)
) WITHOUT ROWID;

CREATE TABLE trace (
    id INTEGER PRIMARY KEY,
    conv INTEGER NOT NULL,
    at INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE INDEX trace_conversation ON trace (conv);

CREATE TABLE quarantine (
    id INTEGER PRIMARY KEY,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    at INTEGER NOT NULL,
    reason TEXT NOT NULL,
    raw BLOB NOT NULL,
    headers BLOB NOT NULL,
    tail TEXT NOT NULL,
    state TEXT NOT NULL DEFAULT 'open'
);
CREATE INDEX quarantine_state ON quarantine (state);

CREATE TABLE cursor (
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (channel, account)
) WITHOUT ROWID;

CREATE TABLE blob_use (
    digest TEXT NOT NULL,
    conv INTEGER NOT NULL,
    PRIMARY KEY (digest, conv)
) WITHOUT ROWID;
CREATE INDEX blob_use_conversation ON blob_use (conv);

CREATE TABLE agent (
    id TEXT PRIMARY KEY,
    login TEXT NOT NULL UNIQUE,
    name TEXT NOT NULL,
    role TEXT NOT NULL,
    skills TEXT NOT NULL,
    password TEXT NOT NULL,
    active INTEGER NOT NULL
) WITHOUT ROWID;

CREATE TABLE desk_session (
    token_hash TEXT PRIMARY KEY,
    agent TEXT NOT NULL,
    csrf TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE INDEX desk_session_expiry ON desk_session (expires_at);

CREATE TABLE once (
    scope TEXT NOT NULL,
    key TEXT NOT NULL,
    value BLOB NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (scope, key)
) WITHOUT ROWID;
CREATE INDEX once_expiry ON once (expires_at);

CREATE TABLE pulse (one INTEGER PRIMARY KEY CHECK (one = 1), beats INTEGER NOT NULL) WITHOUT ROWID;
INSERT INTO pulse (one, beats) VALUES (1, 0);

-- The audit's figures by day of arrival (inbound) or of queueing (outbound). `day` counts from 1970-01-01 UTC.
-- recorded, duplicates and quarantined are added by intake; the triggers follow the rows' states, whoever moves them.
CREATE TABLE tally (
    day INTEGER NOT NULL,
    channel TEXT NOT NULL,
    account TEXT NOT NULL,
    recorded INTEGER NOT NULL DEFAULT 0,
    duplicates INTEGER NOT NULL DEFAULT 0,
    processed INTEGER NOT NULL DEFAULT 0,
    held INTEGER NOT NULL DEFAULT 0,
    quarantined INTEGER NOT NULL DEFAULT 0,
    replies INTEGER NOT NULL DEFAULT 0,
    delivered INTEGER NOT NULL DEFAULT 0,
    waiting INTEGER NOT NULL DEFAULT 0,
    dead INTEGER NOT NULL DEFAULT 0,
    unknown INTEGER NOT NULL DEFAULT 0,
    superseded INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (day, channel, account)
) WITHOUT ROWID;

CREATE TRIGGER inbox_counted AFTER UPDATE OF state ON inbox WHEN old.state <> new.state
BEGIN
    UPDATE tally SET
        processed = processed + (new.state = 'done') - (old.state = 'done'),
        held = held + (new.state = 'held') - (old.state = 'held')
    WHERE day = new.received_at / 86400000000
        AND (channel, account) = (SELECT channel, account FROM conversation WHERE n = new.conv);
END;

CREATE TRIGGER outbox_queued AFTER INSERT ON outbox WHEN new.destination LIKE 'channel:%' AND new.conv IS NOT NULL
BEGIN
    INSERT INTO tally (day, channel, account, replies, waiting)
        SELECT new.created_at / 86400000000, channel, account, 1, 1 FROM conversation WHERE n = new.conv
        ON CONFLICT DO UPDATE SET replies = replies + 1, waiting = waiting + 1;
END;

CREATE TRIGGER outbox_counted AFTER UPDATE OF state ON outbox
    WHEN old.state <> new.state
    AND new.destination LIKE 'channel:%'
    AND (old.state NOT IN ('waiting', 'sending') OR new.state NOT IN ('waiting', 'sending'))
BEGIN
    UPDATE tally SET
        delivered = delivered + (new.state = 'sent') - (old.state = 'sent'),
        waiting = waiting + (new.state IN ('waiting', 'sending')) - (old.state IN ('waiting', 'sending')),
        dead = dead + (new.state = 'dead') - (old.state = 'dead'),
        unknown = unknown + (new.state = 'unknown') - (old.state = 'unknown'),
        superseded = superseded + (new.state = 'superseded') - (old.state = 'superseded')
    WHERE day = new.created_at / 86400000000
        AND (channel, account) = (SELECT channel, account FROM conversation WHERE n = new.conv);
END;
