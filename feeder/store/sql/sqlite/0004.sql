-- Nodes that share a state (see feeder/shards.py). In a file there is one; what is asked of both databases is asked here too.

ALTER TABLE sources ADD COLUMN shard INTEGER NOT NULL DEFAULT 0;

CREATE TABLE leases (
    name   TEXT PRIMARY KEY,
    holder TEXT NOT NULL,                     -- another one each time it is taken
    node   TEXT NOT NULL,
    until  INTEGER NOT NULL                   -- 0: it was given back
) WITHOUT ROWID;

CREATE TABLE peers (
    node    TEXT PRIMARY KEY,
    started INTEGER NOT NULL,
    seen    INTEGER NOT NULL,
    facts   TEXT NOT NULL                     -- JSON
) WITHOUT ROWID;
