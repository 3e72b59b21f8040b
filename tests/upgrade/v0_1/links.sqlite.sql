-- The shared database of version 0.1 on SQLite: a link, a caller's id, a dead letter.
CREATE TABLE schema_steps (number integer PRIMARY KEY, what text);
CREATE TABLE sightings (
    site text NOT NULL, cookie text NOT NULL, at bigint NOT NULL, event_id text NOT NULL,
    owner text NOT NULL,
    PRIMARY KEY (site, cookie, at, event_id, owner)) WITHOUT ROWID;
CREATE INDEX sightings_by_owner ON sightings (site, owner, cookie);
CREATE TABLE contact_keys (
    site text NOT NULL, contact text NOT NULL,
    owner text NOT NULL, at bigint NOT NULL, event_id text NOT NULL,
    PRIMARY KEY (site, contact)) WITHOUT ROWID;
CREATE INDEX contact_keys_by_owner ON contact_keys (site, owner, contact, at, event_id);
CREATE TABLE caller_ids (
    site text NOT NULL, event_id text NOT NULL,
    position text NOT NULL, accepted_at bigint NOT NULL,
    PRIMARY KEY (site, event_id)) WITHOUT ROWID;
CREATE INDEX caller_ids_by_age ON caller_ids (accepted_at);
CREATE TABLE dead_letters (
    id integer PRIMARY KEY AUTOINCREMENT, event_id text NOT NULL UNIQUE, site text NOT NULL, type text NOT NULL,
    reason text NOT NULL, status integer, answer text, record blob NOT NULL,
    first_at bigint NOT NULL, last_at bigint NOT NULL);
CREATE INDEX dead_letters_by_site ON dead_letters (site, last_at);
INSERT INTO schema_steps VALUES (1, 'sightings of owners on cookies, and contact keys with the customer first seen with each');
INSERT INTO schema_steps VALUES (2, 'ids that callers chose, and the position of the record that holds each');
INSERT INTO schema_steps VALUES (3, 'dead letters');
INSERT INTO sightings VALUES ('shop', 'c-1', 1795631541414, '01a213fa-eca9-7357-8395-76dbfa2d30c3', 'customer/42');
INSERT INTO contact_keys VALUES ('shop', 'email/olena@example.com', 'customer/42', 1795631541414, '01a213fa-eca9-7357-8395-76dbfa2d30c3');
INSERT INTO caller_ids VALUES ('shop', '4d811c82-29e1-56eb-8a29-60be744bf05f', '0:1', 1795631541422);
INSERT INTO dead_letters VALUES (1, '01a213fa-ec00-7357-8395-76dbfa2d30aa', 'shop', 'SearchRequest', 'bad_request', 400, 'no', CAST('{"v":1,"id":"01a213fa-ec00-7357-8395-76dbfa2d30aa","site":"shop","type":"SearchRequest","lane":"shop/cookie/c-2","cookie":"c-2","customer":null,"email":null,"phone":null,"occurred_at":1795631541000,"accepted_at":1795631541000,"caller_id":false,"decision":"anonymous:no_link"}
{"GeneralInfo":{"eventName":"SearchRequest","siteId":"shop","datetime":1795631541000,"cookies":{"sc":"c-2"}},"SearchRequest":{"search":"kettle"}}' AS BLOB), 1795631541300, 1795631541300);
