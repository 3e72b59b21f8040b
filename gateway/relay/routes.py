"""What is passed on to eSputnik: reads, set-up calls and messages, each where eSputnik has it."""

from collections.abc import Mapping
from typing import NamedTuple

from aiohttp import web

from gateway.config import Config
from gateway.ingest.admission import Hold, Room
from gateway.ingest.api_routes import PREFIXES
from gateway.ingest.auth import Keys
from gateway.ingest.body import read_bytes
from gateway.ingest.routes import Handler, Route
from gateway.relay.site import Question, SiteRelay


class Pass(NamedTuple):
    """A call that is passed on."""

    method: str
    path: str
    is_kept: bool = False
    """Whether its answer changes so seldom that it is kept for a while."""


PASSES = (
    Pass("GET", "v1/account/info"),
    Pass("GET", "v1/balance"),
    Pass("GET", "v1/version"),
    Pass("GET", "v1/addressbooks", is_kept=True),
    Pass("GET", "v1/contacts"),
    Pass("GET", "v1/contact/{id}"),
    Pass("GET", "v1/groups"),
    Pass("GET", "v1/group/{id}/contacts"),
    Pass("GET", "v1/importstatus/{id}"),
    Pass("GET", "v2/contacts/activity"),
    Pass("POST", "v1/auth/contact/token"),
    Pass("POST", "v1/site/domains"),
    Pass("GET", "v1/site/script", is_kept=True),
    Pass("POST", "v1/site/webpush/domain"),
    Pass("POST", "v1/site/webpush/domains"),
    Pass("GET", "v1/site/webpush/script", is_kept=True),
    Pass("GET", "v1/message/status"),
    Pass("POST", "v1/message/email"),
    Pass("POST", "v1/message/sms"),
    Pass("POST", "v1/message/viber"),
    Pass("POST", "v1/message/{id}/send"),
    Pass("POST", "v1/message/{id}/smartsend"),
)


class Relay:
    """The handlers, with the parts they need."""

    def __init__(self, config: Config, sites: Mapping[str, SiteRelay], room: Room) -> None:
        self._limits = config.limits
        self._body_seconds = config.listen.body_seconds
        self._keep_seconds = config.relay.keep_seconds
        self._sites = sites
        self._room = room
        self.change(config)

    def change(self, config: Config) -> None:
        """Take over the sites' keys, and what eSputnik is asked with."""
        self._keys = Keys({site.id: site.keys for site in config.sites})
        for site in config.sites:
            self._sites[site.id].use_key(site.api_key.get_secret_value())

    def routes(self) -> list[Route]:
        """Return method, path and handler of each call."""
        return [
            (call.method, f"{prefix}/{call.path}", self._handler(call))
            for call in PASSES
            for prefix in PREFIXES
        ]

    def _handler(self, call: Pass) -> Handler:
        async def pass_on(request: web.Request) -> web.Response:
            site = self._sites[self._keys.holder(request.headers)]
            hold = Hold(self._room)
            try:
                body = await read_bytes(request, self._limits, self._body_seconds, hold)
                keep = self._keep_seconds if call.is_kept and not wants_fresh(request) else 0
                answer = await site.answer(_question(request, body), keep)
            finally:
                hold.release()
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

        return pass_on


def wants_fresh(request: web.Request) -> bool:
    """Tell whether the client wants eSputnik asked anew."""
    return "no-cache" in request.headers.get("Cache-Control", "")


def api_path(request: web.Request) -> str:
    """Return the path as it came but for prefix and last slash."""
    return request.rel_url.raw_path.removeprefix("/api").strip("/")


def _question(request: web.Request, body: bytes) -> Question:
    """Return what was asked, with its query as it came."""
    path = api_path(request)
    query = request.rel_url.raw_query_string
    accept = request.headers.get("Accept", "application/json")
    return Question(request.method, f"{path}?{query}" if query else path, body, accept)
