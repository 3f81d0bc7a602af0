-- Files of messages that lie behind links. A row is there from the message's own transaction until its file is kept and
-- known to the record, or is given up.

CREATE TABLE fetch (
    inbox INTEGER NOT NULL,
    place INTEGER NOT NULL,                 -- among the message's attachments, from 0
    conv INTEGER NOT NULL,
    state TEXT NOT NULL DEFAULT 'due',      -- due; here: kept, the record may not know it yet; gone: given up
    tries INTEGER NOT NULL DEFAULT 0,
    next_at INTEGER NOT NULL,
    error TEXT NOT NULL DEFAULT '',
    PRIMARY KEY (inbox, place)
) WITHOUT ROWID;
CREATE INDEX fetch_due ON fetch (next_at, inbox) WHERE state = 'due';
CREATE INDEX fetch_here ON fetch (inbox) WHERE state = 'here';
CREATE INDEX fetch_conv ON fetch (conv);

INSERT INTO fetch (inbox, place, conv, tries, next_at)
    SELECT inbox, place, conv, tries, 0 FROM recording WHERE state = 'waiting' AND digest = '';
