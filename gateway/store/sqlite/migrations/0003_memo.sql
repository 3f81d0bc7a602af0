-- What channels remember. `about` is account/thread where the value says something of a person.

CREATE TABLE memo (
    channel TEXT NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    about TEXT NOT NULL,
    PRIMARY KEY (channel, key)
) WITHOUT ROWID;
CREATE INDEX memo_about ON memo (about) WHERE about <> '';
