"""The facts in the shared database: one read and one write for a whole batch of records."""

from collections.abc import Container, Mapping, Sequence
from typing import NamedTuple

from gateway.event import Record
from gateway.identity.facts import Claim, Facts, Sighting
from gateway.identity.rules import Link, StitchSettings, links_of, names_in
from gateway.store import Store, Transaction, bulk

_BEGINNING = -(2**53)
_END = 2**53
_SIGHTING, _CLAIM = 0, 1

Key = tuple[str, str]
"""A site, and a cookie or an owner on it."""

# $1 cookies of the batch, each with its earliest event; $2 names of owners for whom a cookie is wanted;
# $3 every name in the batch; $4 time of the latest event; $5 the beginning of time. Each step looks keys up
# by an index.
_READ = """
    WITH asked AS (
        SELECT value->>0 AS site, value->>1 AS cookie, CAST(value->>2 AS bigint) AS since FROM rows($1)
    ), wanted AS (
        SELECT value->>0 AS site, value->>1 AS owner FROM rows($2)
    ), named AS (
        SELECT value->>0 AS site, value->>1 AS owner FROM rows($3)
    ), owners AS (  -- whom a cookie is wanted for, contact keys resolved
        SELECT site, owner FROM wanted
        UNION
        SELECT k.site, k.owner FROM wanted w JOIN contact_keys k ON k.site = w.site AND k.contact = w.owner
    ), names AS (  -- and by which names they may have been seen
        SELECT site, owner FROM owners
        UNION
        SELECT k.site, k.contact FROM owners o JOIN contact_keys k ON k.site = o.site AND k.owner = o.owner
    ), cookies AS (  -- theirs are read whole: the newest link is the one that started last
        SELECT site, cookie, min(since) AS since FROM (
            SELECT site, cookie, since FROM asked
            UNION ALL
            SELECT s.site, s.cookie, $5 FROM names n JOIN sightings s ON s.site = n.site AND s.owner = n.owner
        ) AS each_cookie GROUP BY site, cookie
    ), seen AS (  -- the others from the last sighting before their earliest event
        SELECT s.site, s.cookie AS subject, s.at, s.event_id, s.owner
        FROM cookies c JOIN sightings s ON s.site = c.site AND s.cookie = c.cookie
        WHERE s.at <= $4 AND s.at >= coalesce(
            (SELECT max(p.at) FROM sightings p
             WHERE p.site = c.site AND p.cookie = c.cookie AND p.at < c.since), c.since)
    ), people AS (
        SELECT site, owner FROM seen
        UNION
        SELECT site, owner FROM named
        UNION
        SELECT site, owner FROM names
    ), customers AS (
        SELECT site, owner FROM people
        UNION
        SELECT k.site, k.owner FROM people p JOIN contact_keys k ON k.site = p.site AND k.contact = p.owner
    )
    SELECT 0 AS kind, site, subject, at, event_id, owner FROM seen
    UNION ALL
    SELECT 1, k.site, k.contact, k.at, k.event_id, k.owner
    FROM people p JOIN contact_keys k ON k.site = p.site AND k.contact = p.owner
    UNION ALL
    SELECT 1, k.site, k.contact, k.at, k.event_id, k.owner
    FROM customers c JOIN contact_keys k ON k.site = c.site AND k.owner = c.owner
"""

_SEE = """
    INSERT INTO sightings (site, cookie, at, event_id, owner)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint), value->>3, value->>4 FROM rows($1) WHERE true
    ON CONFLICT DO NOTHING
"""

_CLAIM_CONTACT = """
    INSERT INTO contact_keys (site, contact, at, event_id, owner)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint), value->>3, value->>4 FROM rows($1) WHERE true
    ON CONFLICT (site, contact) DO UPDATE
        SET at = excluded.at, event_id = excluded.event_id, owner = excluded.owner
        WHERE (excluded.at, excluded.event_id, excluded.owner)
            < (contact_keys.at, contact_keys.event_id, contact_keys.owner)
"""


class Question(NamedTuple):
    """What a batch needs to know."""

    cookies: dict[Key, int]
    """Each with the time of its earliest event."""
    wanted: set[Key]
    """Names of owners whose latest cookie an event lacks."""
    named: set[Key]
    """Every name in the batch."""
    until: int
    """Time of the latest event."""


def question(records: Sequence[Record], staying: Container[str] = ()) -> Question:
    """Return what has to be known to decide on these records; those of a type in `staying` want no cookie."""
    cookies: dict[Key, int] = {}
    wanted: set[Key] = set()
    groups: list[set[Key]] = []
    for record in records:
        names = {(record.site, name) for name in names_in(record)}
        if names:
            groups.append(names)
        if record.cookie:
            key = record.site, record.cookie
            cookies[key] = min(record.occurred_at, cookies.get(key, record.occurred_at))
        elif record.type not in staying:
            wanted |= names
    named = set().union(*groups)
    until = max((record.occurred_at for record in records), default=0)
    return Question(cookies, _with_other_names(wanted, groups), named, until)


async def read(transaction: Transaction, asked: Question) -> dict[str, Facts]:
    """Return the facts by site that answer the question; a site of which nothing is known is left out."""
    if not (asked.cookies or asked.named):
        return {}
    rows = await transaction.fetch(
        _READ,
        bulk((*key, since) for key, since in asked.cookies.items()),
        bulk(asked.wanted),
        bulk(asked.named),
        asked.until,
        _BEGINNING,
    )
    facts: dict[str, Facts] = {}
    for kind, site, subject, at, event, owner in rows:
        known = facts.get(site)
        if known is None:
            known = facts[site] = Facts()
        if kind == _SIGHTING:
            known.recall_sighting(subject, Sighting(at, event, owner))
        else:
            known.recall_claim(subject, Claim(at, event, owner))
    return facts


async def write(transaction: Transaction, facts: Mapping[str, Facts]) -> None:
    """Store what is new in the facts; rows go in by key, so that no two workers wait in a circle."""
    seen: list[tuple[str | int, ...]] = []
    claimed: list[tuple[str | int, ...]] = []
    for site, known in facts.items():
        seen += ((site, cookie, *sighting) for cookie, sighting in known.new_sightings)
        claimed += ((site, contact, *claim) for contact, claim in known.new_claims.items())
    if seen:
        await transaction.execute(_SEE, bulk(sorted(seen)))
    if claimed:
        await transaction.execute(_CLAIM_CONTACT, bulk(sorted(claimed)))


async def links_of_cookie(store: Store, site: str, cookie: str, settings: StitchSettings) -> list[Link]:
    """Return every link of the cookie, oldest first. Raises Unreachable."""
    async with store.transaction() as transaction:
        asked = Question({(site, cookie): _BEGINNING}, set(), set(), _END)
        facts = (await read(transaction, asked)).get(site, Facts())
    return links_of(facts.history(cookie), facts.owner, settings)


def _with_other_names(wanted: set[Key], groups: Sequence[set[Key]]) -> set[Key]:
    """Return the names with those that events of the batch show to be the same owner's."""
    while True:
        met = set().union(*(group for group in groups if not wanted.isdisjoint(group)))
        if met <= wanted:
            return wanted
        wanted = wanted | met
