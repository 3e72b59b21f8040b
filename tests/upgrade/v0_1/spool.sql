-- The spool of version 0.1, of two partitions: an entry is the length of its lane in four bytes, the lane, the record.
CREATE TABLE topics (
    id   INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE
);
CREATE TABLE entries (
    topic  INTEGER NOT NULL,
    offset INTEGER NOT NULL,
    at     INTEGER NOT NULL,
    value  BLOB NOT NULL,
    PRIMARY KEY (topic, offset)
) WITHOUT ROWID;
CREATE TABLE marks (
    topic  INTEGER NOT NULL,
    reader TEXT NOT NULL,
    low    INTEGER NOT NULL,
    done   TEXT NOT NULL,
    PRIMARY KEY (topic, reader)
) WITHOUT ROWID;
PRAGMA user_version = 1;
INSERT INTO topics VALUES (1, 'events.0'), (2, 'events.1');
INSERT INTO marks VALUES (1, 'drain', 1, '');
INSERT INTO entries VALUES (1, 0, 1795631541417, CAST(X'00000004' || 'in-0' || 'drained' AS BLOB));
INSERT INTO entries VALUES (1, 1, 1795631541418, CAST(X'00000004' || 'in-0' || 'first' AS BLOB));
INSERT INTO entries VALUES (1, 2, 1795631541419, CAST(X'00000004' || 'in-0' || 'second' AS BLOB));
INSERT INTO entries VALUES (2, 0, 1795631541419, CAST(X'00000004' || 'in-1' || 'other' AS BLOB));
