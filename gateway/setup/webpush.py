"""Sets up web push: looks at the shop, registers it at eSputnik, fetches script and worker, keeps both.

Where another's worker is in the way nothing is changed, here or there; how the two go together is told.
"""

import shlex
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from gateway.config import Site
from gateway.esputnik.client import EsputnikClient, PushScript
from gateway.esputnik.errors import EsputnikError, Refused, Repeated
from gateway.ingest.problem import Problem
from gateway.setup import table
from gateway.setup.domain import Domain
from gateway.setup.place import folder, needs_header
from gateway.setup.refusals import CODE, is_there, problem_of
from gateway.setup.shop import NotSeen, look
from gateway.setup.table import Kept, Thing
from gateway.setup.worker import (
    Seen,
    Worker,
    import_line,
    imported,
    in_the_way,
    merging,
    reason,
    registrations,
    worker_in,
    worker_of,
)
from gateway.store import Store

WORKER_PAGE = "/sites/{site}/sw.js"
"""Where the gateway serves a site's worker."""


class Wish(NamedTuple):
    """What is to be set up."""

    domain: Domain
    path: str
    """Of the worker, from the shop's root."""
    scope: str
    file: str | None
    """What stands in the worker's file, as far as the operator knows."""
    is_looked_at: bool
    """Whether the gateway looks at the shop; else the operator did."""


class WebPush(NamedTuple):
    """What is known of the web push of one site on one domain."""

    domain: str
    origin: str
    path: str
    scope: str
    script: str
    """HTML for the pages' head."""
    worker: str
    """JavaScript."""
    fetched_at: int


def web_push_of(kept: Kept) -> WebPush:
    """Return what a row holds; a newer version may have put more into it."""
    return WebPush(kept.domain, *(kept.content[name] for name in WebPush._fields[1:]))


async def set_up_web_push(
    store: Store, client: EsputnikClient, site: Site, wish: Wish, now_ms: int
) -> tuple[WebPush, list[Worker]]:
    """Return what is set up, and the workers that stand at the shop; done again, it is the same.

    Raises Problem: with `advice` where another's worker is in the way, else with a sentence where the shop or
    eSputnik does not answer or refuses; and Unreachable.
    """
    row = await table.one(store, site.id, Thing.WEBPUSH, wish.domain.host)
    known = web_push_of(row) if row else None
    addresses = [*imported(known.worker if known else ""), site.push_worker_url]
    workers = await _workers(wish, [*addresses, WORKER_PAGE.format(site=site.id)])
    if blocking := in_the_way(workers, wish.path, wish.scope):
        told = advice(site.id, wish, blocking, addresses[0])
        raise Problem(409, "other_worker", reason(blocking), more={"advice": told})
    await _register(client, wish)
    got = await _fetch(client, wish.domain.origin, known)
    found = WebPush(*wish.domain, wish.path, wish.scope, got.script, got.worker, now_ms)
    content: dict[str, Any] = found._asdict()
    await table.keep(store, site.id, Thing.WEBPUSH, content.pop("domain"), content, now_ms)
    return found, workers


async def _workers(wish: Wish, ours: Collection[str]) -> list[Worker]:
    found = []
    if wish.file and wish.file.strip():
        found.append(worker_of(wish.path, wish.scope, wish.file, ours))
    if wish.is_looked_at:
        found += [worker for seen in await _look(wish) if (worker := worker_in(seen, ours))]
    return list({(one.path, one.text): one for one in found}.values())


async def _look(wish: Wish) -> list[Seen]:
    try:
        return await look(wish.domain.origin, wish.path)
    except NotSeen as problem:
        detail = f"{problem}; or look for another's worker yourself, and say look: false (--no-look)"
        raise Problem(409, "shop_not_seen", detail) from None


def advice(site: str, wish: Wish, blocking: Sequence[Worker], address: str) -> dict[str, Any]:
    """Return how the workers that are in the way take in eSputnik's, which is at `address`, and what then."""
    first = blocking[0]
    scope = [] if first.scope == "/" else ["--scope", first.scope]
    of = ["--site", site, "--domain", wish.domain.host, "--worker-path", first.path, *scope]
    return {
        "line": import_line(address),
        "workers": [merging(one, address)._asdict() for one in blocking],
        "then": shlex.join(["gateway", "setup", "webpush", *of]),
    }


async def _register(client: EsputnikClient, wish: Wish) -> None:
    place = folder(wish.path)
    try:
        await client.add_push_domain(wish.domain.origin, place, wish.path.removeprefix(place), wish.scope)
    except EsputnikError as problem:
        if not (isinstance(problem, Refused) and is_there(problem)):
            raise problem_of(problem) from None


async def _fetch(client: EsputnikClient, origin: str, known: WebPush | None) -> PushScript:
    got = PushScript("", "")
    try:
        got = await client.push_script(origin)
    except Repeated:  # asked for within the last minute, and so is what was known then
        if known is not None:
            got = PushScript(known.script, known.worker)
    except Refused:
        pass
    except EsputnikError as problem:
        raise problem_of(problem) from None
    if not got.script or not got.worker:
        detail = (
            "the domain is registered, but eSputnik has no web push script for it yet: ask again in a minute"
        )
        raise Problem(409, CODE, detail)
    return got


def is_merged(found: WebPush, workers: Iterable[Worker]) -> bool:
    """Return whether the shop's worker takes in eSputnik's already, and is to be left as it is."""
    return any(one.path == found.path and one.is_merged for one in workers)


def registered_instead(found: WebPush) -> str | None:
    """Return the worker that the pages' script registers, where that is not the one set up here."""
    registered = [one.path for one in registrations(found.script, found.origin + "/")]
    return registered[0] if registered and found.path not in registered else None


def notes(found: WebPush, workers: Iterable[Worker]) -> Iterator[str]:
    """Yield what is to be known besides."""
    if other := registered_instead(found):
        yield (
            f"eSputnik had the domain already, and its script registers {other}: change the worker's path in "
            f"eSputnik's account, or set up again with --worker-path {other}"
        )
    if is_merged(found, workers):
        yield f"the shop's {found.path} takes in eSputnik's worker already: leave it as it is"
    if needs_header(found.path, found.scope):
        yield (
            f"the scope {found.scope} is above the worker's folder: browsers take it only if {found.path} is "
            f"answered with the header Service-Worker-Allowed: {found.scope}, as the gateway does"
        )
