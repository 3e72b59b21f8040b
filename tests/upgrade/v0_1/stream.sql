-- The embedded stream as version 0.1 left it: one event delivered, one stitched, two only accepted.
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
INSERT INTO topics VALUES (1, 'stitched.shop'), (2, 'events');
INSERT INTO marks VALUES (1, 'deliver', 1, ''), (2, 'stitch', 2, '');
INSERT INTO entries VALUES (1, 0, 1795631541432, CAST('{"v":1,"id":"01a213fa-eca9-7357-8395-76dbfa2d30c3","site":"shop","type":"CustomerData","lane":"shop/cookie/c-1","cookie":"c-1","customer":"42","email":"olena@example.com","phone":null,"occurred_at":1795631541414,"accepted_at":1795631541417,"caller_id":false,"decision":"created:first_owner"}
{"GeneralInfo":{"eventName":"CustomerData","siteId":"shop","datetime":1795631541414,"cookies":{"sc":"c-1"},"externalCustomerId":"42","user_email":"olena@example.com"}}' AS BLOB));
INSERT INTO entries VALUES (1, 1, 1795631541442, CAST('{"v":1,"id":"4d811c82-29e1-56eb-8a29-60be744bf05f","site":"shop","type":"PageView","lane":"shop/cookie/c-1","cookie":"c-1","customer":"42","email":"olena@example.com","phone":null,"occurred_at":1795631541421,"accepted_at":1795631541422,"caller_id":true,"decision":"linked:inside_link"}
{"GeneralInfo":{"eventName":"PageView","siteId":"shop","datetime":1795631541421,"cookies":{"sc":"c-1"},"externalCustomerId":"42","user_email":"olena@example.com"},"PageView":{}}' AS BLOB));
INSERT INTO entries VALUES (2, 0, 1795631541417, CAST('{"v":1,"id":"01a213fa-eca9-7357-8395-76dbfa2d30c3","site":"shop","type":"CustomerData","lane":"shop/cookie/c-1","cookie":"c-1","customer":"42","email":"olena@example.com","phone":null,"occurred_at":1795631541414,"accepted_at":1795631541417,"caller_id":false,"decision":null}
{"GeneralInfo":{"eventName":"CustomerData","siteId":"shop","datetime":1795631541414,"cookies":{"sc":"c-1"},"externalCustomerId":"42","user_email":"olena@example.com"}}' AS BLOB));
INSERT INTO entries VALUES (2, 1, 1795631541423, CAST('{"v":1,"id":"4d811c82-29e1-56eb-8a29-60be744bf05f","site":"shop","type":"PageView","lane":"shop/cookie/c-1","cookie":"c-1","customer":null,"email":null,"phone":null,"occurred_at":1795631541421,"accepted_at":1795631541422,"caller_id":true,"decision":null}
{"GeneralInfo":{"eventName":"PageView","siteId":"shop","datetime":1795631541421,"cookies":{"sc":"c-1"}},"PageView":{}}' AS BLOB));
-- A caller's own id once more: the record at 0:1 holds it.
INSERT INTO entries VALUES (2, 2, 1795631541425, CAST('{"v":1,"id":"4d811c82-29e1-56eb-8a29-60be744bf05f","site":"shop","type":"PageView","lane":"shop/cookie/c-1","cookie":"c-1","customer":null,"email":null,"phone":null,"occurred_at":1795631541421,"accepted_at":1795631541424,"caller_id":true,"decision":null}
{"GeneralInfo":{"eventName":"PageView","siteId":"shop","datetime":1795631541421,"cookies":{"sc":"c-1"}},"PageView":{}}' AS BLOB));
INSERT INTO entries VALUES (2, 3, 1795631541427, CAST('{"v":1,"id":"01a213fa-ecb0-7357-8395-76dbfa2d30c4","site":"shop","type":"MainPage","lane":"shop/cookie/c-1","cookie":"c-1","customer":null,"email":null,"phone":null,"occurred_at":1795631541426,"accepted_at":1795631541426,"caller_id":false,"decision":null}
{"GeneralInfo":{"eventName":"MainPage","siteId":"shop","datetime":1795631541426,"cookies":{"sc":"c-1"}}}' AS BLOB));
