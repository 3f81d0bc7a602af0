-- Conversations whose customer has closed this way to them, by what their platform told.
CREATE TABLE blocked (
    conv INTEGER PRIMARY KEY,
    at INTEGER NOT NULL
);
