"""Sets up tracking: registers a domain at eSputnik, fetches the script for its pages, keeps both."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.errors import Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, Refused, Repeated
from gateway.ingest.problem import Problem
from gateway.setup import table
from gateway.setup.domain import Domain
from gateway.setup.refusals import CODE, is_there, problem_of
from gateway.setup.script import javascript_of
from gateway.setup.table import Kept, Thing
from gateway.store import Store

_LONGEST = 256 * 1024
"""Bytes of a script's HTML; a longer one is no snippet for a page."""


class Tracking(NamedTuple):
    """What is known of the tracking of one site on one domain."""

    domain: str
    site_id: str | None = None
    """eSputnik's; None where the domain was there and nobody has told it."""
    html: str | None = None
    """The script elements for the pages' head; None where they could not be fetched yet."""
    fetched_at: int = 0

    def content(self) -> Mapping[str, Any]:
        """Return what its row holds."""
        return {"site_id": self.site_id, "html": self.html, "fetched_at": self.fetched_at}


def tracking_of(kept: Kept) -> Tracking:
    """Return what a row holds; a newer version may have put more into it."""
    content = kept.content
    return Tracking(kept.domain, content["site_id"], content["html"], content["fetched_at"])


async def set_up(
    store: Store, client: EsputnikClient, site: str, domain: Domain, given: str | None, now_ms: int
) -> Tracking:
    """Register the domain, fetch its script, keep both, and return them; done again, it is the same.

    `given` is the siteId as the operator knows it: eSputnik tells it only once, when a domain is new. Raises
    Problem with a sentence where eSputnik refuses, has no script or does not answer, Unreachable. Then a new
    siteId is kept, and what counted before still does.
    """
    row = await table.one(store, site, Thing.TRACKING, domain.host)
    known = tracking_of(row) if row else Tracking(domain.host)
    told = await _register(client, domain.host)
    found = known._replace(site_id=told or given or known.site_id)
    try:
        await keep(store, site, found, row.updated_at if row else 0)
    except Unreachable:
        if told is None:
            raise
        detail = f"the database is away, and eSputnik tells a siteId only once: ask again with site_id {told}"
        raise Problem(503, "away", detail, {"Retry-After": "5"}) from None
    html = await _script(client, known.html)
    found = found._replace(html=html, fetched_at=now_ms)
    await keep(store, site, found, now_ms)
    return found


async def keep(store: Store, site: str, tracking: Tracking, at: int) -> None:
    """Keep it, and as what counts if nothing was kept after `at`. Raises Unreachable."""
    await table.keep(store, site, Thing.TRACKING, tracking.domain, tracking.content(), at)


async def renew(store: Store, client: EsputnikClient, site: str, kept: Kept, now_ms: int) -> bool:
    """Fetch the script anew and keep it with the rest as it was; return False where there is none.

    Raises EsputnikError, Unreachable.
    """
    html = await fetched(client)
    if html is None:
        return False
    renewed = tracking_of(kept)._replace(html=html, fetched_at=now_ms)
    await table.renew(store, site, Thing.TRACKING, kept, renewed.content())
    return True


async def fetched(client: EsputnikClient) -> str | None:
    """Return eSputnik's HTML for the pages, None where it holds no script. Raises EsputnikError."""
    html = await client.site_script()
    return html if len(html) <= _LONGEST and javascript_of(html) else None


async def _register(client: EsputnikClient, host: str) -> str | None:
    """Return the siteId of a new domain, None for one that exists."""
    try:
        return await client.add_domain(host)
    except EsputnikError as problem:
        if isinstance(problem, Refused) and is_there(problem):
            return None
        raise problem_of(problem) from None


async def _script(client: EsputnikClient, known: str | None) -> str:
    html = None
    try:
        html = await fetched(client)
    except Repeated:  # asked for within the last minute, and so is what was known then
        html = known
    except Refused:
        pass
    except EsputnikError as problem:
        raise problem_of(problem) from None
    if html is None:
        detail = "the domain is registered, but eSputnik has no script for it yet: ask again in a minute"
        raise Problem(409, CODE, detail)
    return html
