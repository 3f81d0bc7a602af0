-- Recordings that came with messages, and what was heard in them. While one of a message's recordings is to be heard
-- first, its inbox row is in state 'wait' and holds its conversation back.

CREATE TABLE recording (
    inbox INTEGER NOT NULL,
    place INTEGER NOT NULL,                 -- among the message's attachments, from 0
    conv INTEGER NOT NULL,
    digest TEXT NOT NULL,                   -- empty until the file is fetched
    state TEXT NOT NULL DEFAULT 'waiting',  -- waiting, heard, failed
    tries INTEGER NOT NULL DEFAULT 0,
    error TEXT NOT NULL DEFAULT '',
    body BLOB NOT NULL DEFAULT x'',         -- the transcript
    PRIMARY KEY (inbox, place)
) WITHOUT ROWID;
CREATE INDEX recording_waiting ON recording (inbox) WHERE state = 'waiting';
CREATE INDEX recording_heard ON recording (digest) WHERE state = 'heard';
CREATE INDEX recording_conv ON recording (conv);
CREATE INDEX inbox_wait ON inbox (conv, id) WHERE state = 'wait';
