"""Thinning: sightings that no link needs any more go, so that the tables grow with links and not with events.

Behind the link age nothing can come in between any more (rule 10). There, of one owner's sightings in a row
only those that begin or end the row within a span are needed: every link starts, ends and closes as before.
Behind the mark of a shared cookie there are no links at all; what is old there is needed only for another
limit (`kiosk_customers`) or when one of the crowd is erased, and then the last link age tells enough.
A customer who was on more cookies than the limit keeps all of his: when one of them retires hangs on each.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog

from gateway.clock import Clock
from gateway.errors import Unreachable
from gateway.identity.facts import CUSTOMER, NOBODY
from gateway.identity.settings import StitchSettings
from gateway.identity.sites import read_state
from gateway.store import Store, Transaction, bulk

ROWS = 2000
"""Rows that one step looks at."""
STEP_SECONDS = 5.0
SPANS = 3
"""Spans within a link age: the last sighting that is kept is never further back than one of them."""

_DAY_MS = 24 * 3600 * 1000
_NEXT = """
    SELECT cookie, at, event_id, owner FROM sightings
    WHERE site = $1 AND (cookie, at, event_id) >= ($2, CAST($3 AS bigint), $4)
    ORDER BY cookie, at, event_id LIMIT $5
"""
_SHARED = """
    SELECT cookie, at, event_id FROM shared_cookies
    WHERE site = $1 AND cookie >= $2 AND cookie <= $3 AND owners = $4
"""
# $2 customers, each with his own name and those of whoever was merged with him; $3 the limit of cookies.
_NEAR_LIMIT = """
    WITH known AS (
        SELECT value->>0 AS customer, value->>1 AS name FROM rows($2)
    ), names AS (
        SELECT customer, name FROM known
        UNION
        SELECT k.customer, c.contact FROM known k JOIN claims c ON c.site = $1 AND c.owner = k.name
    )
    SELECT n.customer FROM names n JOIN sightings s ON s.site = $1 AND s.owner = n.name
    GROUP BY n.customer HAVING count(DISTINCT s.cookie) > $3
"""
_DELETE = """
    DELETE FROM sightings WHERE (site, cookie, at, event_id, owner) IN (
        SELECT value->>0, value->>1, CAST(value->>2 AS bigint), value->>3, value->>4 FROM rows($1))
"""

_log = structlog.get_logger()


class Place(NamedTuple):
    """One sighting as it stands in the table, in the table's order."""

    cookie: str
    at: int
    event: str
    owner: str
    is_behind: bool = False
    """Whether it lies behind the mark of a shared cookie."""


def needless(rows: Sequence[Place], before: int, span_ms: int) -> Iterator[Place]:
    """Yield the sightings that no link needs: amid one customer's in a row, all within one span, all old.

    Behind the mark of a shared cookie no row is asked for. Only customers' and logouts: whom a contact key
    stands for may change from one sighting to the next.
    """
    for last, row, after in zip(rows, rows[1:], rows[2:], strict=False):
        if _is_past_all_links(row, before) or _is_amid(last, row, after, before, span_ms):
            yield row


def _is_past_all_links(row: Place, before: int) -> bool:
    return row.is_behind and row.at < before and (row.owner == NOBODY or row.owner.startswith(CUSTOMER))


def _is_amid(last: Place, row: Place, after: Place, before: int, span_ms: int) -> bool:
    return (
        last.cookie == row.cookie == after.cookie
        and last.owner == row.owner == after.owner
        and row.owner.startswith(CUSTOMER)
        and after.at < before
        and last.at // span_ms == row.at // span_ms == after.at // span_ms
    )


class Thinning:
    """Goes through the sightings of all sites, a step at a time, and begins again at the end."""

    def __init__(self, store: Store, sites: Mapping[str, StitchSettings], clock: Clock) -> None:
        self._store = store
        self._settings = sites
        self._clock = clock
        self._sites = sorted(sites)
        self._from = Place("", 0, "", "")

    async def run(self) -> None:
        """Take a step every few seconds, until cancelled."""
        while True:
            await self._clock.sleep(STEP_SECONDS)
            try:
                await self.step()
            except Unreachable as problem:
                _log.info("thinning_waits", reason=str(problem))

    async def step(self) -> int:
        """Look at the next rows and remove what is needless; return how many. Raises Unreachable."""
        site = self._sites[0]
        settings = self._settings[site]
        async with self._store.transaction() as transaction:
            rows = await _next(transaction, site, self._from, settings.kiosk)
            before = self._clock.now_ms() - settings.link_age_ms - _DAY_MS
            old = list(needless(rows, before, max(1, settings.link_age_ms // SPANS)))
            customers = {row.owner for row in old if row.owner != NOBODY}
            kept = await _near_limit(transaction, site, customers, settings.cookies)
            gone = [(site, *row[:4]) for row in old if row.owner not in kept]
            if gone:
                await transaction.execute(_DELETE, bulk(gone))
        if len(rows) < ROWS:
            self._sites = [*self._sites[1:], site]
            self._from = Place("", 0, "", "")
        else:
            # Two back: the last but one has not been looked at between its neighbours.
            self._from = rows[-2]
        return len(gone)


async def _next(transaction: Transaction, site: str, start: Place, kiosk: int) -> list[Place]:
    """Return the next sightings from that one on."""
    found = await transaction.fetch(_NEXT, site, *start[:3], ROWS)
    if not found:
        return []
    marks = await transaction.fetch(_SHARED, site, found[0][0], found[-1][0], kiosk)
    shared = {cookie: (at, event) for cookie, at, event in marks}
    return [
        Place(cookie, at, event, owner, cookie in shared and (at, event) > shared[cookie])
        for cookie, at, event, owner in found
    ]


async def _near_limit(transaction: Transaction, site: str, customers: set[str], limit: int) -> set[str]:
    """Return those who were on more cookies than the limit: when one retires depends on every sighting."""
    if not customers:
        return set()
    merged = (await read_state(transaction, site)).merged
    groups: defaultdict[str, set[str]] = defaultdict(set)
    for name, root in merged.items():
        groups[root] |= {name, root}
    names = [(one, name) for one in customers for name in {one} | groups[merged.get(one, one)]]
    return {row[0] for row in await transaction.fetch(_NEAR_LIMIT, site, bulk(names), limit)}
