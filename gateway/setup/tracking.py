"""Sets up tracking: registers a domain at eSputnik, fetches the script for its pages, keeps both.

`GET /v1/site/script` takes no domain and names none: an account with several has one answer for all of them.
Whose script it is shows where a siteId stands in it, and else nowhere.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from gateway.errors import Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, Refused, Repeated
from gateway.ingest.problem import Problem
from gateway.setup import table
from gateway.setup.domain import Domain
from gateway.setup.refusals import CODE, is_there, problem_of
from gateway.setup.script import javascript_of, names
from gateway.setup.table import Kept, Thing
from gateway.store import Store

LONGEST = 256 * 1024
"""Characters of a script's HTML; a longer one is no snippet for a page."""
ANOTHERS = "eSputnik gives another domain's script, for it cannot be asked for one's; the one before stays"
_BY_HAND = "take the script from the account and give it with --script FILE"


class Given(NamedTuple):
    """What the operator knows of a domain himself."""

    site_id: str | None = None
    """eSputnik tells it only once, when a domain is new."""
    script: str | None = None
    """HTML, from the account; eSputnik's answer may be another domain's."""


class Tracking(NamedTuple):
    """What is known of the tracking of one site on one domain."""

    domain: str
    site_id: str | None = None
    """eSputnik's; None where the domain was there and nobody has told it."""
    html: str | None = None
    """The script elements for the pages' head; None where they could not be fetched yet."""
    fetched_at: int = 0
    is_given: bool = False
    """Whether the operator gave the script: it then stays until he gives another."""

    def content(self) -> Mapping[str, Any]:
        """Return what its row holds."""
        return {
            "site_id": self.site_id,
            "html": self.html,
            "fetched_at": self.fetched_at,
            "is_given": self.is_given,
        }


def tracking_of(kept: Kept) -> Tracking:
    """Return what a row holds; a newer version may have put more into it."""
    content = kept.content
    is_given = content.get("is_given", False)  # a row of an older version does not tell
    return Tracking(kept.domain, content["site_id"], content["html"], content["fetched_at"], is_given)


async def set_up(
    store: Store, client: EsputnikClient, site: str, domain: Domain, given: Given, now_ms: int
) -> tuple[Tracking, list[str]]:
    """Register the domain, fetch its script, keep both; return them and notes; done again, it is the same.

    Raises Problem with a sentence where eSputnik refuses, has no script, has another domain's or does not
    answer, Unreachable. Then a new siteId is kept, and what counted before still does.
    """
    row = await table.one(store, site, Thing.TRACKING, domain.host)
    known = tracking_of(row) if row else Tracking(domain.host)
    told = await _register(client, domain.host)
    found = known._replace(site_id=told or given.site_id or known.site_id)
    try:
        await keep(store, site, found, row.updated_at if row else 0)
    except Unreachable:
        if told is None:
            raise
        detail = f"the database is away, and eSputnik tells a siteId only once: ask again with site_id {told}"
        raise Problem(503, "away", detail, {"Retry-After": "5"}) from None
    notes: list[str] = []
    if given.script is not None:
        found = found._replace(html=given.script, fetched_at=now_ms, is_given=True)
    elif not found.is_given:
        others = await _others(store, domain.host)
        html, notes = _chosen(await _script(client, known.html), found, others)
        found = found._replace(html=html, fetched_at=now_ms)
    await keep(store, site, found, now_ms)
    return found, notes


async def _others(store: Store, domain: str) -> list[Tracking]:
    return [tracking_of(row) for row in await table.others(store, Thing.TRACKING, domain)]


def is_anothers(html: str, of: Tracking, others: Sequence[Tracking]) -> bool:
    """Return whether the script that eSputnik gave shows to be another domain's than the one it is for."""
    if names(html, of.site_id):
        return False
    return names(of.html, of.site_id) or any(names(html, one.site_id) for one in others)


def _chosen(html: str, of: Tracking, others: Sequence[Tracking]) -> tuple[str, list[str]]:
    """Return the script to be kept, of what eSputnik gave and what there was, and what is to be known of it.

    Raises Problem where it is another domain's and there was none.
    """
    if is_anothers(html, of, others):
        if of.html is None or is_anothers(of.html, of, others):
            whose = next(one.domain for one in others if names(html, one.site_id))
            detail = f"eSputnik gives the script of {whose}, for it cannot be asked for one domain's"
            raise Problem(409, CODE, f"{detail}: {_BY_HAND}")
        return of.html, [ANOTHERS]
    if names(html, of.site_id):
        return html, []
    same = [one.domain for one in others if one.html == html]
    says = f"this one was given for {same[0]}, too" if same else "no siteId known here stands in this one"
    return html, [
        f"eSputnik does not say for which of an account's domains its script is, and {says}: where there are "
        f"several, compare it with what the account shows for {of.domain}; if that differs, {_BY_HAND}"
    ]


async def keep(store: Store, site: str, tracking: Tracking, at: int) -> None:
    """Keep it, and as what counts if nothing was kept after `at`. Raises Unreachable."""
    await table.keep(store, site, Thing.TRACKING, tracking.domain, tracking.content(), at)


async def renew(store: Store, client: EsputnikClient, site: str, kept: Kept, now_ms: int) -> str | None:
    """Fetch the script anew and keep it with the rest as it was; return why the old one stays, if it does.

    Raises EsputnikError, Unreachable.
    """
    before, html = tracking_of(kept), await fetched(client)
    if html is None:
        return "eSputnik has no script now"
    stays = is_anothers(html, before, await _others(store, kept.domain))
    renewed = before._replace(html=before.html if stays else html, fetched_at=now_ms)
    await table.renew(store, site, Thing.TRACKING, kept, renewed.content())
    return ANOTHERS if stays else None


async def fetched(client: EsputnikClient) -> str | None:
    """Return eSputnik's HTML for the pages, None where it holds no script. Raises EsputnikError."""
    html = await client.site_script()
    return html if len(html) <= LONGEST and javascript_of(html) else None


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
