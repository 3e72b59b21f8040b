"""The tables of the shared database, as a numbered list of steps that is applied at start.

A step that has been released is never edited; a change is a new step at the end. `{key}`, `{bytes}`,
`{serial}` and `{clustered}` are told apart in `dialect`. Times are milliseconds since 1970, UTC.
"""

from dataclasses import dataclass

from gateway.errors import ConfigError
from gateway.store import Transaction
from gateway.store.dialect import Dialect, table


@dataclass(frozen=True)
class Step:
    """One change of the tables; its number is its place in the list, from 1."""

    what: str
    statements: tuple[str, ...]


STEPS = (
    Step(
        # identity: the facts that links are derived from. Rows are only ever added, so that workers and
        # orders of arrival cannot disagree; see gateway.identity.facts.
        "sightings of owners on cookies, and contact keys with the customer first seen with each",
        (
            """CREATE TABLE sightings (
                site {key} NOT NULL, cookie {key} NOT NULL, at bigint NOT NULL, event_id {key} NOT NULL,
                owner {key} NOT NULL,
                PRIMARY KEY (site, cookie, at, event_id, owner)) {clustered}""",
            "CREATE INDEX sightings_by_owner ON sightings (site, owner, cookie)",
            """CREATE TABLE contact_keys (
                site {key} NOT NULL, contact {key} NOT NULL,
                owner {key} NOT NULL, at bigint NOT NULL, event_id {key} NOT NULL,
                PRIMARY KEY (site, contact)) {clustered}""",
            # Covering: without statistics SQLite would rather read a whole site by its primary key.
            "CREATE INDEX contact_keys_by_owner ON contact_keys (site, owner, contact, at, event_id)",
        ),
    ),
    Step(
        # identity: which record holds a caller's own id, so that any other is known as its repeat.
        "ids that callers chose, and the position of the record that holds each",
        (
            """CREATE TABLE caller_ids (
                site {key} NOT NULL, event_id {key} NOT NULL,
                position text NOT NULL, accepted_at bigint NOT NULL,
                PRIMARY KEY (site, event_id)) {clustered}""",
            "CREATE INDEX caller_ids_by_age ON caller_ids (accepted_at)",
        ),
    ),
    Step(
        # delivery: what eSputnik refused for good. `answer` is short and masked, `record` as in the stream.
        "dead letters",
        (
            """CREATE TABLE dead_letters (
                id {serial}, event_id {key} NOT NULL UNIQUE, site {key} NOT NULL, type text NOT NULL,
                reason text NOT NULL, status integer, answer text, record {bytes} NOT NULL,
                first_at bigint NOT NULL, last_at bigint NOT NULL)""",
            "CREATE INDEX dead_letters_by_site ON dead_letters (site, last_at)",
        ),
    ),
    Step(
        # identity: contact keys pass on and retire, so every day on which a customer was seen with one
        # counts; a link tells the type of the event that opened it.
        "days on which customers were seen with contact keys; types of sightings",
        (
            "ALTER TABLE sightings ADD COLUMN type text NOT NULL DEFAULT ''",
            "DROP INDEX sightings_by_owner",
            # Covering: without statistics SQLite would rather read a whole site by its primary key.
            "CREATE INDEX sightings_by_owner ON sightings (site, owner, cookie, at, event_id, type)",
            """CREATE TABLE claims (
                site {key} NOT NULL, contact {key} NOT NULL, owner {key} NOT NULL, day bigint NOT NULL,
                at bigint NOT NULL, event_id {key} NOT NULL, type text NOT NULL,
                PRIMARY KEY (site, contact, owner, day)) {clustered}""",
            """INSERT INTO claims (site, contact, owner, day, at, event_id, type)
                SELECT site, contact, owner, at / 86400000, at, event_id, '' FROM contact_keys""",
            "DROP TABLE contact_keys",
            "CREATE INDEX claims_by_owner ON claims (site, owner, at, contact, event_id, type)",
        ),
    ),
    Step(
        # identity: what operators have decided, and the trail of what changed links. `epoch` is raised by
        # every such decision: no worker goes on with what it remembers. Tombstones hold keyed digests.
        "operators' merges and erasures, and the audit trail of links",
        (
            """CREATE TABLE identity_sites (
                site {key} NOT NULL PRIMARY KEY, epoch bigint NOT NULL, salt {bytes} NOT NULL) {clustered}""",
            """CREATE TABLE merges (
                site {key} NOT NULL, customer {key} NOT NULL, into_customer {key} NOT NULL,
                at bigint NOT NULL, who text NOT NULL, reason text NOT NULL,
                PRIMARY KEY (site, customer)) {clustered}""",
            """CREATE TABLE tombstones (
                site {key} NOT NULL, digest {key} NOT NULL, erased_at bigint NOT NULL,
                PRIMARY KEY (site, digest)) {clustered}""",
            """CREATE TABLE identity_audit (
                site {key} NOT NULL, at bigint NOT NULL, event_id {key} NOT NULL, word {key} NOT NULL,
                type text NOT NULL, reason text NOT NULL, person {key} NOT NULL, other {key} NOT NULL,
                cookie {key} NOT NULL, who text NOT NULL,
                PRIMARY KEY (site, event_id, word)) {clustered}""",
            "CREATE INDEX identity_audit_by_person ON identity_audit (site, person, at)",
            "CREATE INDEX identity_audit_by_cookie ON identity_audit (site, cookie, at)",
        ),
    ),
    Step(
        # outcomes: eSputnik's answers that callers in other processes wait for; rows live for seconds.
        "answers to calls, for those who wait for them",
        (
            """CREATE TABLE outcomes (
                event_id {key} NOT NULL PRIMARY KEY,
                status integer NOT NULL, body {bytes} NOT NULL, at bigint NOT NULL)""",
            "CREATE INDEX outcomes_by_age ON outcomes (at)",
        ),
    ),
    Step(
        # delivery: customers of whom eSputnik has a contact; `until` ends the claim of who makes one.
        "customers' contacts at eSputnik",
        (
            """CREATE TABLE contacts (
                site {key} NOT NULL, customer {key} NOT NULL, state text NOT NULL, until bigint NOT NULL,
                PRIMARY KEY (site, customer)) {clustered}""",
        ),
    ),
    Step(
        # jobs: imports at eSputnik, followed to their end; failed rows hold what a store sent.
        "imports and their failed rows",
        (
            """CREATE TABLE jobs (
                id {key} NOT NULL PRIMARY KEY, site {key} NOT NULL, kind text NOT NULL, status text NOT NULL,
                description text NOT NULL, session text NOT NULL, received integer NOT NULL,
                failed integer NOT NULL, created_at bigint NOT NULL, updated_at bigint NOT NULL,
                look_at bigint NOT NULL)""",
            "CREATE INDEX jobs_by_site ON jobs (site, created_at)",
            "CREATE INDEX jobs_by_look ON jobs (look_at)",
            """CREATE TABLE job_rows (
                job {key} NOT NULL, number integer NOT NULL, site {key} NOT NULL, customer {key} NOT NULL,
                reason text NOT NULL, content text NOT NULL,
                PRIMARY KEY (job, number)) {clustered}""",
            "CREATE INDEX job_rows_by_customer ON job_rows (site, customer)",
        ),
    ),
    Step(
        # product_keys: a bounded sample; `until` is the last day, since 1970, on which a key counts.
        "product keys in tracking, orders and products calls",
        (
            """CREATE TABLE product_keys (
                site {key} NOT NULL, source {key} NOT NULL, rank bigint NOT NULL, product_key {key} NOT NULL,
                until bigint NOT NULL,
                PRIMARY KEY (site, source, rank, product_key)) {clustered}""",
        ),
    ),
    Step(
        # setup: what a shop's pages need, by domain; `content` is JSON. last_events: delivered ones.
        "tracking and web push of sites, and when an event of each type was last delivered",
        (
            """CREATE TABLE site_setup (
                site {key} NOT NULL, thing {key} NOT NULL, domain {key} NOT NULL, content text NOT NULL,
                updated_at bigint NOT NULL,
                PRIMARY KEY (site, thing, domain)) {clustered}""",
            """CREATE TABLE last_events (
                site {key} NOT NULL, type {key} NOT NULL, at bigint NOT NULL,
                PRIMARY KEY (site, type)) {clustered}""",
        ),
    ),
    Step(
        # refused: a bounded sample; `errors` and `event` are JSON, masked before they come here.
        "a masked sample of refused events",
        (
            """CREATE TABLE refused (
                site {key} NOT NULL, id {key} NOT NULL, type {key} NOT NULL, code {key} NOT NULL,
                at bigint NOT NULL, errors text NOT NULL, event text NOT NULL,
                PRIMARY KEY (site, id)) {clustered}""",
        ),
    ),
    Step(
        # identity: from when on a cookie is shared, by how many owners within a day. What comes after that
        # changes no link and is not read again: a cookie that a store sends for everybody has millions.
        "cookies that are shared, and since when",
        (
            """CREATE TABLE shared_cookies (
                site {key} NOT NULL, cookie {key} NOT NULL, owners bigint NOT NULL,
                at bigint NOT NULL, event_id {key} NOT NULL,
                PRIMARY KEY (site, cookie)) {clustered}""",
        ),
    ),
    Step(
        # identity: emails and phones that so many customers were seen with that they stand for nobody.
        "contact keys of a crowd",
        (
            """CREATE TABLE crowded_contacts (
                site {key} NOT NULL, contact {key} NOT NULL, at bigint NOT NULL,
                PRIMARY KEY (site, contact)) {clustered}""",
        ),
    ),
)


async def migrate(transaction: Transaction, dialect: Dialect) -> None:
    """Apply the steps that this database lacks; the transaction's lock keeps other processes waiting.

    Raises ConfigError where a newer version has applied steps that this one does not know.
    """
    await transaction.execute(
        "CREATE TABLE IF NOT EXISTS schema_steps (number integer PRIMARY KEY, what text)"
    )
    ((applied,),) = await transaction.fetch("SELECT coalesce(max(number), 0) FROM schema_steps")
    if applied > len(STEPS):
        raise ConfigError(
            [
                f"links: a newer version of the gateway has been at work in this database (its tables are at "
                f"step {applied}, this version knows {len(STEPS)}); run that version or a later one"
            ]
        )
    for number, step in enumerate(STEPS[applied:], applied + 1):
        for sql in step.statements:
            await transaction.execute(table(sql, dialect))
        await transaction.execute(
            "INSERT INTO schema_steps (number, what) VALUES ($1, $2)", number, step.what
        )
