"""The facts in the shared database: one read and one write for a whole batch of records."""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from gateway.identity.facts import Facts, Seen, Sighting
from gateway.identity.questions import Key, Question, near_limit, with_merged
from gateway.identity.settings import StitchSettings
from gateway.identity.thinning import SPANS
from gateway.store import Row, Statement, Transaction, bulk

_HISTORY, _CLAIM, _SEEN, _EPOCH, _SHARED = 0, 1, 2, 3, 4

# $1 sites, each with how many owners make a cookie shared; $2 cookies of the batch, each with its earliest
# event; $3 names for whom a cookie is wanted; $4 every name in the batch; $5 time of the earliest event, $6
# the link age before it; $7 the smallest limit of cookies; $8 the width of the spans within which one owner's
# old sightings in a row are told by the first and the last; $9 names of customers near the limit, of whom
# every sighting counts. Each step looks keys up by an index.
_READ = """
    WITH epochs AS (  -- an operator's change waits for this batch, or this batch for the change
        SELECT site, epoch FROM identity_sites WHERE site IN (SELECT value->>0 FROM rows($1)) FOR SHARE
    ), kiosks AS (
        SELECT value->>0 AS site, CAST(value->>1 AS bigint) AS owners FROM rows($1)
    ), asked AS (
        SELECT value->>0 AS site, value->>1 AS cookie, CAST(value->>2 AS bigint) AS since FROM rows($2)
    ), wanted AS (
        SELECT value->>0 AS site, value->>1 AS owner FROM rows($3)
    ), people AS (  -- who is named, and who was on the cookies from the last sighting before their events on
        SELECT value->>0 AS site, value->>1 AS owner FROM rows($4)
        UNION
        SELECT s.site, s.owner FROM asked a JOIN kiosks k ON k.site = a.site
        LEFT JOIN shared_cookies m ON m.site = a.site AND m.cookie = a.cookie AND m.owners = k.owners
        JOIN sightings s ON s.site = a.site AND s.cookie = a.cookie AND s.at <= coalesce(m.at, {ever})
        WHERE s.owner <> '' AND s.at >= coalesce(
            (SELECT max(p.at) FROM sightings p
             WHERE p.site = a.site AND p.cookie = a.cookie AND p.at < a.since), a.since)
    ), customers AS (
        SELECT site, owner FROM people
        UNION
        SELECT c.site, c.owner FROM people p JOIN claims c ON c.site = p.site AND c.contact = p.owner
    ), names AS (  -- with every contact key of theirs
        SELECT site, owner FROM customers
        UNION
        SELECT c.site, c.contact FROM customers p JOIN claims c ON c.site = p.site AND c.owner = p.owner
    ), held AS MATERIALIZED (
        SELECT c.site, c.contact, c.owner, c.at, c.event_id, c.type
        FROM names n JOIN claims c ON c.site = n.site AND c.contact = n.owner
    ), others AS (  -- what else those were seen with who were seen with the same; the newest of very many
        SELECT c.site, c.contact, c.owner, c.at, c.event_id, c.type,
            row_number() OVER (PARTITION BY c.site, c.owner ORDER BY c.at DESC, c.event_id DESC) AS place
        FROM (SELECT DISTINCT site, owner FROM held) AS h
        JOIN claims c ON c.site = h.site AND c.owner = h.owner
    ), owned AS MATERIALIZED (
        SELECT s.site, s.owner, s.cookie, s.at, s.event_id, s.type,
            row_number() OVER (PARTITION BY s.site, s.owner, s.cookie, s.at > $5
                               ORDER BY s.at DESC, s.event_id DESC) AS place
        FROM names n JOIN sightings s ON s.site = n.site AND s.owner = n.owner
    ), near_limit AS (
        SELECT value->>0 AS site, value->>1 AS owner FROM rows($9)
    ), wanted_customers AS (
        SELECT site, owner FROM wanted
        UNION
        SELECT c.site, c.owner FROM wanted w JOIN claims c ON c.site = w.site AND c.contact = w.owner
    ), wanted_names AS (
        SELECT site, owner FROM wanted_customers
        UNION
        SELECT c.site, c.contact
        FROM wanted_customers w JOIN claims c ON c.site = w.site AND c.owner = w.owner
    ), candidates AS (  -- cookies that may be the latest
        SELECT o.site, o.cookie,
            row_number() OVER (PARTITION BY o.site, o.owner ORDER BY max(o.at) DESC) AS place
        FROM wanted_names w JOIN owned o ON o.site = w.site AND o.owner = w.owner
        GROUP BY o.site, o.owner, o.cookie HAVING max(o.at) >= $6
    ), cookies AS (  -- behind the mark of a shared one nothing changes its links
        SELECT c.site, c.cookie, min(c.since) AS since, min(m.at) AS shared_at, min(m.event_id) AS shared_by
        FROM (
            SELECT site, cookie, since FROM asked
            UNION ALL
            SELECT site, cookie, $5 FROM candidates WHERE place <= 2 * $7
        ) AS c JOIN kiosks k ON k.site = c.site
        LEFT JOIN shared_cookies m ON m.site = c.site AND m.cookie = c.cookie AND m.owners = k.owners
        GROUP BY c.site, c.cookie
    ), histories AS (  -- amid: behind the batch's events, before which nothing new comes in between
        SELECT s.site, s.cookie, s.at, s.event_id, s.owner, s.type,
            lag(s.owner) OVER one = s.owner AND lead(s.owner) OVER one = s.owner
            AND lag(s.at / $8) OVER one = s.at / $8 AND lead(s.at / $8) OVER one = s.at / $8
            AND lead(s.at) OVER one < c.since AND s.owner >= 'customer/' AND s.owner < 'customer0' AS amid
        FROM cookies c JOIN sightings s
            ON s.site = c.site AND s.cookie = c.cookie AND s.at <= coalesce(c.shared_at, {ever})
        WINDOW one AS (PARTITION BY s.site, s.cookie ORDER BY s.at, s.event_id)
    )
    SELECT 0 AS kind, site, cookie AS subject, at, event_id, owner, type FROM histories
    WHERE amid IS NOT TRUE OR (site, owner) IN (SELECT site, owner FROM near_limit)
    UNION ALL
    SELECT 1, site, contact, at, event_id, owner, type FROM held
    UNION ALL
    SELECT 1, site, contact, at, event_id, owner, type FROM others WHERE place <= 300
    UNION ALL
    SELECT 2, site, cookie, at, event_id, owner, type FROM owned  -- a cookie's last one and what came later
    WHERE place = 1 OR at > $5 OR (site, owner) IN (SELECT site, owner FROM near_limit)
    UNION ALL
    SELECT 3, site, '', epoch, '', '', '' FROM epochs
    UNION ALL
    SELECT 4, site, cookie, shared_at, shared_by, '', '' FROM cookies WHERE shared_at IS NOT NULL
""".replace("{ever}", str(2**62))

_EPOCHS = """
    SELECT 3, site, '', epoch, '', '', '' FROM identity_sites WHERE site IN (SELECT value->>0 FROM rows($1))
    FOR SHARE
"""

_SEE = """
    INSERT INTO sightings (site, cookie, at, event_id, owner, type)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint), value->>3, value->>4, value->>5
    FROM rows($1) WHERE true
    ON CONFLICT DO NOTHING
"""

_CLAIM_CONTACT = """
    INSERT INTO claims (site, contact, owner, day, at, event_id, type)
    SELECT value->>0, value->>1, value->>2, CAST(value->>3 AS bigint), CAST(value->>4 AS bigint),
        value->>5, value->>6
    FROM rows($1) WHERE true
    ON CONFLICT (site, contact, owner, day) DO UPDATE
        SET at = excluded.at, event_id = excluded.event_id, type = excluded.type
        WHERE (excluded.at, excluded.event_id) < (claims.at, claims.event_id)
"""


_SHARE = """
    INSERT INTO shared_cookies (site, cookie, owners, at, event_id)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint), CAST(value->>3 AS bigint), value->>4
    FROM rows($1) WHERE true
    ON CONFLICT (site, cookie) DO UPDATE
        SET owners = excluded.owners, at = excluded.at, event_id = excluded.event_id
        WHERE excluded.owners <> shared_cookies.owners
            OR (excluded.at, excluded.event_id) < (shared_cookies.at, shared_cookies.event_id)
"""


class Known(NamedTuple):
    """An answer."""

    facts: dict[str, Facts]
    """By site, one for each that was asked about."""
    epochs: dict[str, int]


async def read(
    transaction: Transaction,
    asked: Question,
    settings: Mapping[str, StitchSettings],
    merged: Mapping[str, Mapping[str, str]],
) -> Known:
    """Return the facts that answer the question, in one round trip, and the epochs of the sites.

    `merged` are the operators' merges by site. A customer who turns out to be a merged one costs one more
    round trip for his other names, and one near the limit of cookies for every one of his sightings.
    """
    whole = set[Key]()
    while True:
        known = await _read(transaction, asked, settings, merged, whole)
        wider, nearer = with_merged(asked, known.facts), near_limit(asked, known.facts, settings)
        if wider == asked and nearer <= whole:
            return known
        asked, whole = wider, whole | nearer


async def epochs(transaction: Transaction, sites: Iterable[str]) -> dict[str, int]:
    """Return the epochs of the sites that are known. Raises Unreachable."""
    rows = await transaction.fetch(_EPOCHS, bulk((site,) for site in sites))
    return {site: at for _, site, _, at, *_ in rows}


async def _read(
    transaction: Transaction,
    asked: Question,
    settings: Mapping[str, StitchSettings],
    merged: Mapping[str, Mapping[str, str]],
    whole: set[Key],
) -> Known:
    known = Known({site: Facts(merged.get(site)) for site in asked.sites}, {})
    rows = await _rows(transaction, asked, settings, whole)
    for kind, site, subject, at, event, owner, type_ in rows:
        if kind == _EPOCH:
            known.epochs[site] = at
        elif kind == _HISTORY:
            known.facts[site].recall_sighting(subject, Sighting(at, event, owner, type_))
        elif kind == _CLAIM:
            known.facts[site].recall_claim(subject, Sighting(at, event, owner, type_))
        elif kind == _SHARED:
            known.facts[site].recall_shared(subject, (at, event))
        else:
            known.facts[site].recall_seen(owner, Seen(at, event, subject, type_))
    return known


async def _rows(
    transaction: Transaction,
    asked: Question,
    settings: Mapping[str, StitchSettings],
    whole: set[Key],
) -> Sequence[Row]:
    sites = bulk((site, settings[site].kiosk) for site in asked.sites)
    if not (asked.cookies or asked.named):
        return await transaction.fetch(_EPOCHS, sites)
    ages = [settings[site].link_age_ms for site in asked.sites]
    return await transaction.fetch(
        _READ,
        sites,
        bulk((*key, since) for key, since in asked.cookies.items()),
        bulk(asked.wanted),
        bulk(asked.named),
        asked.since,
        asked.since - max(ages, default=0),
        min((settings[site].cookies for site in asked.sites), default=1),
        max(1, min(ages, default=1) // SPANS),
        bulk(whole),
    )


def writes(facts: Mapping[str, Facts], settings: Mapping[str, StitchSettings]) -> list[Statement]:
    """Return what stores the facts that are new; rows go by key, so that no two workers wait in a circle."""
    shared: list[tuple[str | int, ...]] = []
    seen: list[tuple[str | int, ...]] = []
    claimed: list[tuple[str | int, ...]] = []
    for site, known in facts.items():
        kiosk = settings[site].kiosk
        shared += ((site, cookie, kiosk, *moment) for cookie, moment in known.newly_shared.items())
        seen += ((site, cookie, *sighting) for cookie, sighting in known.new_sightings)
        claimed += (
            (site, contact, owner, day, claim.at, claim.event, claim.type)
            for (contact, owner, day), claim in known.new_claims.items()
        )
    statements = []
    if seen:
        statements.append(Statement(_SEE, bulk(sorted(seen))))
    if claimed:
        statements.append(Statement(_CLAIM_CONTACT, bulk(sorted(claimed))))
    if shared:
        statements.append(Statement(_SHARE, bulk(sorted(shared))))
    return statements
