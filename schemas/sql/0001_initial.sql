-- The rule store. Times are milliseconds since 1970 (UTC); ids sort bytewise (the default BINARY collation).

-- One row: the number of the rule set's state. Every accepted change adds exactly 1.
CREATE TABLE rule_set (
    singleton INTEGER PRIMARY KEY CHECK (singleton = 1),
    revision  INTEGER NOT NULL CHECK (revision >= 0)
) STRICT;
INSERT INTO rule_set (singleton, revision) VALUES (1, 0);

CREATE TABLE subscriber (
    id            TEXT    NOT NULL PRIMARY KEY,
    topic         TEXT    NOT NULL UNIQUE,
    partitions    INTEGER NOT NULL CHECK (partitions BETWEEN 1 AND 10000),
    state         TEXT    NOT NULL CHECK (state IN ('active', 'paused')),
    description   TEXT,
    labels        TEXT,             -- JSON object of strings, keys sorted; NULL when there are none
    topic_created INTEGER NOT NULL CHECK (topic_created IN (0, 1)), -- the router made the topic
    revision      INTEGER NOT NULL, -- that last changed it
    created_ms    INTEGER NOT NULL,
    updated_ms    INTEGER NOT NULL
) STRICT;

CREATE TABLE subscription (
    id         TEXT    NOT NULL PRIMARY KEY,
    subscriber TEXT    NOT NULL REFERENCES subscriber (id),
    document   TEXT    NOT NULL,    -- canonical JSON: the same rule is the same text
    enabled    INTEGER NOT NULL CHECK (enabled IN (0, 1)),
    revision   INTEGER NOT NULL,
    created_ms INTEGER NOT NULL,
    updated_ms INTEGER NOT NULL
) STRICT;
CREATE INDEX subscription_by_subscriber ON subscription (subscriber, id);

-- Who changed what and when: one row per changed document. The state before a change is the row before it with the same kind and id.
CREATE TABLE audit (
    seq      INTEGER PRIMARY KEY,
    revision INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    uid      INTEGER NOT NULL,      -- of the peer of the admin socket; -1 unknown
    what     TEXT    NOT NULL,      -- the request, for example "PUT /v1/subscriptions/x"
    op       TEXT    NOT NULL CHECK (op IN ('create', 'update', 'delete')),
    kind     TEXT    NOT NULL CHECK (kind IN ('subscription', 'subscriber')),
    id       TEXT    NOT NULL,
    document TEXT                   -- after the change; NULL for a delete
) STRICT;
