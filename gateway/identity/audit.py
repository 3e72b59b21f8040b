"""The audit trail: what changed a link, when, and by which event. Holds no identifier of anybody.

Persons and visitors stand there as the uuids of `person_of`: who knows the identifier can compute it.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from gateway.event import LOGOUT, Record
from gateway.identity.facts import CUSTOMER, DAY_MS, Moment
from gateway.identity.owners import person_of
from gateway.identity.rules import Decision, Rules, contacts_in, is_evidence, names_in
from gateway.identity.settings import StitchSettings
from gateway.store import Statement, Transaction, bulk

LATE = "late"

_WRITE = """
    INSERT INTO identity_audit (site, at, event_id, word, type, reason, person, other, cookie, who)
    SELECT value->>0, CAST(value->>1 AS bigint), value->>2, value->>3, value->>4, value->>5, value->>6,
        value->>7, value->>8, value->>9
    FROM rows($1) WHERE true
    ON CONFLICT DO NOTHING
"""

_TOLD = 100
"""Entries that one question returns, the newest."""

_ENTRIES = "SELECT site, at, event_id, word, type, reason, person, other, cookie, who FROM identity_audit"
_OF_COOKIE = f"{_ENTRIES} WHERE site = $1 AND cookie = $2 ORDER BY at DESC, event_id DESC LIMIT {_TOLD}"
_OF_PERSON = f"{_ENTRIES} WHERE site = $1 AND person = $2 ORDER BY at DESC, event_id DESC LIMIT {_TOLD}"


class Entry(NamedTuple):
    """One line of the trail; an event has one for each word at most."""

    site: str
    at: int
    """When the gateway took the event, or when the operator did it; ms."""
    event: str
    """Id of the event, or of the operator's change."""
    word: str
    """linked, logged_out, shared, set_aside, late; merged, unmerged, lifted, forgotten."""
    type: str
    reason: str
    person: str
    """Whom it made the owner, else who was."""
    other: str = ""
    """Who was the owner before, where there was another."""
    cookie: str = ""
    """The visitor."""
    who: str = ""
    """The operator."""


def writes(entries: Iterable[Entry]) -> list[Statement]:
    """Return what stores the entries, nothing where there are none."""
    rows = sorted(entries)
    return [Statement(_WRITE, bulk(rows))] if rows else []


async def of_cookie(transaction: Transaction, site: str, visitor: str) -> list[Entry]:
    """Return the newest entries about a cookie, oldest first. Raises Unreachable."""
    return [Entry(*row) for row in reversed(await transaction.fetch(_OF_COOKIE, site, visitor))]


async def of_person(transaction: Transaction, site: str, person: str) -> list[Entry]:
    """Return the newest entries about a person, oldest first. Raises Unreachable."""
    return [Entry(*row) for row in reversed(await transaction.fetch(_OF_PERSON, site, person))]


def entries_of(
    record: Record,
    decision: Decision,
    rules: Rules,
    known_until: Moment | None,
    settings: StitchSettings,
) -> Sequence[Entry]:
    """Return what the trail has to tell of a decision.

    `known_until` is the latest moment at which somebody had been seen on the cookie before this batch.
    """
    changes_link = decision.word == "created" or record.type == LOGOUT
    if not (changes_link or decision.conflict or decision.reason == "shared_cookie"):
        return ()
    moment = record.occurred_at, record.id
    cookie = record.cookie or ""
    link = rules.timelines.before(cookie, moment) if cookie else None
    before = link.owner if link is not None and link.is_open(moment) else None
    names = names_in(record)
    owner = rules.owners.owner(names[0], moment) if names and record.type != LOGOUT else before
    entry = _Line(record, owner, before if before != owner else None)
    entries = []
    if decision.word == "created":
        entries.append(entry.of("linked", decision.reason))
    elif record.type == LOGOUT and before is not None and is_evidence(record, settings):
        entries.append(entry.of("logged_out", "logout"))
    shared = rules.timelines.shared(cookie)
    if decision.reason == "shared_cookie" and shared is not None and shared.event == record.id:
        entries.append(entry.of("shared", "too_many_owners"))
    if decision.conflict and _is_first_of_its_day(record, rules):
        entries.append(entry.of("set_aside", "contact_key_is_anothers"))
    if entries and changes_link and _came_late(record, known_until, settings):
        entries.append(entry.of(LATE, decision.reason))
    return entries


def _is_first_of_its_day(record: Record, rules: Rules) -> bool:
    """Return whether the customer was not yet seen with one of these contact keys that day.

    A family shares its email in every event; the trail tells it once a day.
    """
    owner, day = f"{CUSTOMER}{record.customer}", record.occurred_at // DAY_MS
    claims = (rules.facts.new_claims.get((contact, owner, day)) for contact in contacts_in(record))
    return any(claim is not None and claim.event == record.id for claim in claims)


class _Line(NamedTuple):
    record: Record
    owner: str | None
    before: str | None

    def of(self, word: str, reason: str) -> Entry:
        site, cookie = self.record.site, self.record.cookie
        return Entry(
            site=site,
            at=self.record.accepted_at,
            event=self.record.id,
            word=word,
            type=self.record.type,
            reason=reason,
            person=str(person_of(site, self.owner, cookie)),
            other=str(person_of(site, self.before, cookie)) if self.before else "",
            cookie=str(person_of(site, None, cookie)) if cookie else "",
        )


def _came_late(record: Record, known_until: Moment | None, settings: StitchSettings) -> bool:
    """Return whether events that are judged otherwise by this one may have been sent already."""
    if record.accepted_at - record.occurred_at > settings.clock_tolerance_ms:
        return True
    return known_until is not None and known_until > (record.occurred_at, record.id)
