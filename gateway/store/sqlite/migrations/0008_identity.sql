-- Who is who. A contact is what hangs together by proofs that are not undone; it has no row of its own.
--
-- An identity is `channel/account/sender`, or the conversation's own id where the sender is a mere claim (a mail whose
-- sender nobody verified). An address is `email:anna@example.org` or `phone:+4930901820`.

CREATE TABLE identity (
    conv INTEGER PRIMARY KEY,
    identity TEXT NOT NULL
);
CREATE INDEX identity_conversations ON identity (identity);

CREATE TABLE proof (
    n INTEGER PRIMARY KEY,
    one TEXT NOT NULL,                      -- an identity
    other TEXT NOT NULL,                    -- an address, or another identity
    how TEXT NOT NULL,                      -- signed, verified, code
    at INTEGER NOT NULL,
    by TEXT NOT NULL,                       -- the channel account that told, or who had the code sent
    undone_at INTEGER,
    undone_by TEXT NOT NULL DEFAULT ''
);
CREATE UNIQUE INDEX proof_standing ON proof (one, other) WHERE undone_at IS NULL;
CREATE INDEX proof_one ON proof (one);
CREATE INDEX proof_other ON proof (other);

-- One-time codes. The code itself stands nowhere: it derives from the id with a key that is not in this file.
CREATE TABLE code (
    n INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    conv INTEGER NOT NULL,                  -- where it is to be typed
    identity TEXT NOT NULL,                 -- who types it
    address TEXT NOT NULL,                  -- what is proven by it; '': it was never sent, and nothing is right
    about TEXT NOT NULL,                    -- the case that was asked for
    language TEXT NOT NULL,
    by TEXT NOT NULL,
    at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    state TEXT NOT NULL DEFAULT 'open'      -- open, right, over
);
CREATE INDEX code_open ON code (conv) WHERE state = 'open';
CREATE INDEX code_identity ON code (identity, at);
CREATE INDEX code_address ON code (address, at);
