"""What a shop's pages load: the tracking script and the worker. No key: a page shows them to everybody."""

import asyncio
import hashlib
from collections.abc import Mapping

import structlog
from aiohttp import ETag, hdrs, web

from gateway.clock import Clock
from gateway.errors import Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Route
from gateway.setup.script import javascript_of
from gateway.setup.shelf import Shelf
from gateway.setup.table import Kept, Thing
from gateway.setup.tracking import renew, tracking_of
from gateway.setup.webpush import WORKER_PAGE, web_push_of
from gateway.store import Store

TRACKING_PATH = "/sites/{site}/tracking.js"
_CACHED = "public, max-age=300"
REFRESH_MS = 24 * 3600 * 1000
"""Age past which the script is fetched anew from eSputnik, which may have changed it."""
_AGAIN_SECONDS = 300.0
"""How long eSputnik is left alone after each such attempt."""

_log = structlog.get_logger()


class Pages:
    """The handlers, and the refreshing of what they serve."""

    def __init__(
        self,
        store: Store,
        clients: Mapping[str, EsputnikClient],
        shelf: Shelf,
        clock: Clock,
    ) -> None:
        self._store = store
        self._clients = clients
        self._shelf = shelf
        self._clock = clock
        self._due: dict[str, Kept] = {}
        self._news = asyncio.Event()
        self._tried: dict[str, float] = {}

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route."""
        return [
            (method, path, handler)
            for path, handler in ((TRACKING_PATH, self.get_tracking), (WORKER_PAGE, self.get_worker))
            for method in (hdrs.METH_GET, hdrs.METH_HEAD)
        ]

    async def get_tracking(self, request: web.Request) -> web.StreamResponse:
        """Return the tracking script of a site as JavaScript."""
        site = request.match_info["site"]
        kept = await self._shelf.newest(site, Thing.TRACKING) if site in self._clients else None
        html = tracking_of(kept).html if kept else None
        source = javascript_of(html) if html else None
        if kept is None or source is None:
            detail = "no site of this name has its tracking set up (gateway setup tracking)"
            raise Problem(404, "not_found", detail)
        self._note_age(site, kept)
        return file_answer(request, source, {hdrs.CACHE_CONTROL: _CACHED})

    async def get_worker(self, request: web.Request) -> web.StreamResponse:
        """Return a site's web push worker, with the header that lets it have its scope wherever it stands."""
        site = request.match_info["site"]
        kept = await self._shelf.newest(site, Thing.WEBPUSH) if site in self._clients else None
        if kept is None:
            raise Problem(404, "not_found", "no site of this name has web push set up")
        found = web_push_of(kept)
        headers = {hdrs.CACHE_CONTROL: "no-cache", "Service-Worker-Allowed": found.scope}
        return file_answer(request, found.worker, headers)

    def _note_age(self, site: str, kept: Kept) -> None:
        tracking = tracking_of(kept)
        if tracking.is_given or self._clock.now_ms() - tracking.fetched_at < REFRESH_MS:
            return
        now = self._clock.monotonic()
        if now >= self._tried.get(site, now):
            self._tried[site] = now + _AGAIN_SECONDS
            self._due[site] = kept
            self._news.set()

    async def refresh(self) -> None:
        """Fetch anew what is served and has become old, until cancelled; the last good one stays."""
        while True:
            await self._news.wait()
            self._news.clear()
            while self._due:
                site, kept = self._due.popitem()
                try:
                    if reason := await self._renew(site, kept):
                        _log.warning("tracking_script_is_old", site=site, reason=reason)
                except (EsputnikError, Unreachable) as problem:
                    _log.warning("tracking_script_is_old", site=site, reason=str(problem))

    async def _renew(self, site: str, kept: Kept) -> str | None:
        reason = await renew(self._store, self._clients[site], site, kept, self._clock.now_ms())
        self._shelf.forget(site, Thing.TRACKING)
        return reason


def file_answer(request: web.Request, source: str, headers: Mapping[str, str]) -> web.Response:
    """Return JavaScript, or 304 to whoever has it already."""
    body = source.encode()
    etag = hashlib.sha256(body).hexdigest()[:32]
    answer = web.Response(headers=headers)
    if any(known.value in (etag, "*") for known in request.if_none_match or ()):
        answer.set_status(304)
    else:
        answer.body = body
        answer.content_type, answer.charset = "text/javascript", "utf-8"
    answer.etag = ETag(etag)
    return answer
