-- Dead letters that were sent again: a second request must not send one twice by mistake. The place of a record may come back when a
-- topic is made anew, so the fingerprint of what the letter says counts too. Rows go when retention has taken their letters.
CREATE TABLE letter_retry (
    topic       TEXT    NOT NULL,
    partition   INTEGER NOT NULL CHECK (partition >= 0),
    position    INTEGER NOT NULL CHECK (position >= 0), -- offset
    fingerprint INTEGER NOT NULL,
    state       TEXT    NOT NULL CHECK (state IN ('unknown', 'sent')), -- unknown: begun; whether it was written is not known
    at_ms       INTEGER NOT NULL,
    PRIMARY KEY (topic, partition, position)
) STRICT, WITHOUT ROWID;
