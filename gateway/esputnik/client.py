"""The calls: one HTTP session to one site's tracker and API."""

import base64
import ssl
import time
from dataclasses import dataclass
from typing import Self

import orjson
from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    StreamReader,
    TCPConnector,
)
from yarl import URL

from gateway.esputnik.answers import Answer, classify, http_date, whole_number
from gateway.esputnik.errors import EsputnikError, Unavailable

BODY_BYTES = 64 * 1024
"""How much of the tracker's answer is read; more than that is no answer of eSputnik's."""
API_BODY_BYTES = 16 * 2**20
"""How much of an answer of the API is read: a bulk call may fail in thousands of elements."""

_HEADERS = {
    "Content-Type": "application/json; charset=UTF-8",
    "Accept": "application/json",
    "User-Agent": "esputnik-gateway",
}


_PREFLIGHT = {"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"}
_PASSED_HEADERS = ("Content-Type", "Retry-After", "TotalCount")


@dataclass(frozen=True, slots=True)
class Passed:
    """An answer for somebody else, as it came."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class AccountInfo:
    """Whose key it is."""

    organisation: str | None
    org_id: int | None


@dataclass(frozen=True, slots=True)
class PushScript:
    """What web push needs on a shop's site; empty where eSputnik has none."""

    script: str
    """HTML for the pages' head."""
    worker: str
    """The service worker's JavaScript."""


@dataclass(frozen=True, slots=True)
class Reached:
    """That something answers."""

    status: int
    ahead: float | None
    """Seconds by which our clock is ahead of the answer's Date; None without one."""


class EsputnikClient:
    """Asks eSputnik on behalf of one site; an async context manager.

    Every call raises an EsputnikError unless eSputnik took what was sent, within `timeout` seconds in all,
    waiting for one of the `connections` included. Nothing is sent twice, redirects are not followed and
    proxies of the environment are not used: the key goes where it was told to and nowhere else.
    """

    def __init__(
        self,
        *,
        tracker_url: str,
        api_url: str,
        api_key: str,
        timeout: float,
        connections: int,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        """`tls` says which certificates are trusted; without it, those that the system trusts."""
        self._tracker = URL(tracker_url)
        self._api = URL(api_url.rstrip("/"))
        self.use_key(api_key)
        # aiohttp rounds waits above this threshold up to whole seconds; a promise in seconds is none then.
        self._timeout = ClientTimeout(total=timeout, ceil_threshold=timeout + 1)
        self._connections = connections
        self._tls: ssl.SSLContext | bool = tls or True
        self._session: ClientSession | None = None

    def use_key(self, api_key: str) -> None:
        """Present that key from now on."""
        # The key is the password of any user (docs page 29187720564, Getting started with the API).
        basic = base64.b64encode(f"gateway:{api_key}".encode()).decode()
        self._authorization = {"Authorization": f"Basic {basic}"}

    def __repr__(self) -> str:
        return f"<EsputnikClient {self._tracker.host} {self._api.host}>"

    async def __aenter__(self) -> Self:
        self._session = ClientSession(
            connector=TCPConnector(limit=self._connections, keepalive_timeout=30, ssl=self._tls),
            cookie_jar=DummyCookieJar(),
            headers=_HEADERS,
            timeout=self._timeout,
        )
        # Of its own accord aiohttp repeats GET, PUT and DELETE on a connection that breaks; there is no other
        # switch, and a test tells when this one is gone.
        self._session._retry_connection = False
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def track(self, body: bytes, request_id: str) -> Answer:
        """Give the tracker one event in its REST form: a JSON object with GeneralInfo and the event's block.

        The key stays at home: the tracker needs no authentication (RESTDOC, "How to transfer website behavior
        data through REST API"; the OpenCart plugin sends none).
        """
        return await self._ask("POST", self._tracker, {"X-Request-Id": request_id}, body)

    async def add_contact(self, body: bytes, request_id: str) -> Answer:
        """Create or update one contact; the answer's field `id` is eSputnik's own id of it.

        `body` is the JSON object of docs.reteno.com/reference/addcontact-1 (`POST /v1/contact`).
        """
        headers = {"X-Request-Id": request_id, **self._authorization}
        return await self._ask("POST", self._api / "v1" / "contact", headers, body)

    async def call(self, target: str, body: bytes, request_id: str) -> Answer:
        """Make one call of the API; `target` is its method and its path with query, `PUT v1/contact/42`.

        `body` is its JSON, or nothing. What a 2xx lists as failed is the caller's to read.
        """
        method, _, path = target.partition(" ")
        headers = {"X-Request-Id": request_id, **self._authorization}
        url = URL(f"{self._api}/{path}", encoded=True)
        return await self._ask(method, url, headers, body or None, API_BODY_BYTES)

    async def pass_on(self, method: str, path: str, body: bytes, accept: str) -> Passed:
        """Make any call of the API for somebody else, and return its answer whatever that is.

        `path` is relative to the API, with its query. Raises Unavailable without an answer, or with one that
        is longer than API_BODY_BYTES.
        """
        headers = {**self._authorization, "Accept": accept}
        url = URL(f"{self._api}/{path}", encoded=True)
        response, received = await self._exchange(method, url, headers, body or None, API_BODY_BYTES + 1)
        if len(received) > API_BODY_BYTES:
            raise Unavailable(f"the answer is longer than {API_BODY_BYTES} bytes")
        kept = {name: response.headers[name] for name in _PASSED_HEADERS if name in response.headers}
        return Passed(response.status, kept, received)

    async def add_domain(self, host: str) -> str | None:
        """Register a web site (`POST /v1/site/domains`), and return the siteId that it got.

        Raises Refused with "Domain already exists" or "Domain is already registered" in `said` where it is
        there, and with "Domain can't be reached" (Yespo-CDP/yespo-woocommerce, yespo-shopify); with the first
        its siteId is not told again. None where a success names none.
        """
        url = self._api / "v1" / "site" / "domains"
        answer = await self._ask("POST", url, self._authorization, orjson.dumps({"domain": host}))
        site_id = answer.field("siteId")
        return None if site_id is None else str(site_id)

    async def site_script(self) -> str:
        """Return the HTML for the pages' head (`GET /v1/site/script`), whatever it holds."""
        headers = {**self._authorization, "Accept": "text/plain"}
        answer = await self._ask("GET", self._api / "v1" / "site" / "script", headers, None, API_BODY_BYTES)
        return answer.body.decode("utf-8", "replace")

    async def add_push_domain(self, origin: str, folder: str, name: str, scope: str) -> None:
        """Register a web site for web push (`POST /v1/site/webpush/domain`).

        `origin` has its scheme, `folder` starts and ends with a slash, `name` is the worker's file in it
        (Yespo-CDP/yespo-shopify). Raises Refused with "Domain is already registered" in `said` where it is.
        """
        call = {
            "domain": origin,
            "serviceWorkerName": name,
            "serviceWorkerPath": folder,
            "serviceWorkerScope": scope,
        }
        url = self._api / "v1" / "site" / "webpush" / "domain"
        await self._ask("POST", url, self._authorization, orjson.dumps(call))

    async def push_script(self, origin: str) -> PushScript:
        """Return what web push needs on a registered site (`GET /v1/site/webpush/script`)."""
        url = self._api / "v1" / "site" / "webpush" / "script" % {"domain": origin}
        answer = await self._ask("GET", url, self._authorization, None, API_BODY_BYTES)
        script, worker = answer.field("script"), answer.field("serviceWorker")
        return PushScript(
            script if isinstance(script, str) else "", worker if isinstance(worker, str) else ""
        )

    async def account_info(self) -> AccountInfo:
        """Return whose key it is (`GET /v1/account/info`); raises KeyRefused for a wrong or disabled one."""
        answer = await self._ask("GET", self._api / "v1" / "account" / "info", self._authorization)
        organisation = answer.field("organisationName")
        return AccountInfo(
            organisation if isinstance(organisation, str) else None, whole_number(answer.field("orgId"))
        )

    async def reach_tracker(self) -> Reached:
        """Ask the tracker what a browser asks before it posts (OPTIONS), which is no event.

        Raises Unavailable without an answer.
        """
        return await self._reach(self._tracker)

    async def reach_api(self) -> Reached:
        """Do the same with the API; the key stays at home."""
        return await self._reach(self._api)

    async def _reach(self, url: URL) -> Reached:
        response, _ = await self._exchange("OPTIONS", url, _PREFLIGHT, None, BODY_BYTES)
        date = http_date(response.headers.get("Date", ""))
        return Reached(response.status, time.time() - date.timestamp() if date else None)

    async def _ask(
        self,
        method: str,
        url: URL,
        headers: dict[str, str],
        body: bytes | None = None,
        limit: int = BODY_BYTES,
    ) -> Answer:
        response, received = await self._exchange(method, url, headers, body, limit)
        outcome = classify(response.status, response.headers, received, time.time())
        if isinstance(outcome, EsputnikError):
            raise outcome
        return outcome

    async def _exchange(
        self, method: str, url: URL, headers: dict[str, str], body: bytes | None, limit: int
    ) -> tuple[ClientResponse, bytes]:
        """Return the answer and the start of its body; raises Unavailable without one."""
        if self._session is None:
            raise RuntimeError("the client is used outside `async with`")
        try:
            async with self._session.request(
                method, url, headers=headers, data=body, allow_redirects=False
            ) as response:
                return response, await _start_of(response.content, limit)
        except (ClientError, TimeoutError, OSError) as problem:
            away = Unavailable(f"no answer: {type(problem).__name__}")
        # Its name alone, and not as a cause: some of aiohttp's errors carry the request's headers.
        raise away


async def _start_of(content: StreamReader, limit: int) -> bytes:
    received = bytearray()
    while len(received) < limit and (part := await content.read(limit - len(received))):
        received += part
    return bytes(received)
