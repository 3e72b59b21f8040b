"""Looks at the shop that an operator names: its home page, and where workers may stand. Reads, no more."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector

from gateway.setup.place import candidates, folder
from gateway.setup.worker import FILE_CHARACTERS, Registration, Seen, registrations

_SECONDS = 5.0
"""How long the shop may be silent."""
_ALL_SECONDS = 30.0
_AT_ONCE = 6
_REDIRECTS = 3
_HEADERS = {"User-Agent": "esputnik-gateway", "Accept": "*/*"}
_UNTOLD = frozenset({401, 403, 407, 429})
"""Statuses that tell what the shop thinks of the question, not what stands there."""


class NotSeen(Exception):
    """The shop cannot be looked at; the text says why and what to do."""


class _Answer(NamedTuple):
    status: int
    content_type: str
    text: str
    is_whole: bool
    location: str
    allowed: str


async def look(origin: str, path: str) -> list[Seen]:
    """Return what the shop answers where a worker may stand, those first that its home page registers.

    `path` is where eSputnik's worker is to stand. Redirects are followed for the home page only, and on its
    own host; a worker behind one is none to a browser. Raises NotSeen.
    """
    async with _visiting() as session:
        page, address = await _home(session, origin)
        places = _places(registrations(page, address), candidates(path))
        return await asyncio.gather(*(_seen(session, origin, place) for place in places))


async def visit(origin: str, path: str | None) -> tuple[str, Seen | None]:
    """Return the shop's home page, and what it answers at the worker's `path`, if one is given.

    Of both it is the beginning, should they be long. Raises NotSeen.
    """
    async with _visiting() as session:
        page, _ = await _home(session, origin)
        return page, await _seen(session, origin, Registration(path, folder(path))) if path else None


@asynccontextmanager
async def _visiting() -> AsyncIterator[ClientSession]:
    """Give what asks the shop, with its failures as NotSeen."""
    timeout = ClientTimeout(total=None, sock_connect=_SECONDS, sock_read=_SECONDS)
    try:
        async with (
            asyncio.timeout(_ALL_SECONDS),
            ClientSession(
                connector=TCPConnector(limit=_AT_ONCE),
                timeout=timeout,
                headers=_HEADERS,
                cookie_jar=DummyCookieJar(),
            ) as session,
        ):
            yield session
    except (ClientError, TimeoutError, OSError, ValueError) as problem:  # the last: no address to be led to
        raise NotSeen(
            f"the shop does not answer ({type(problem).__name__}): see that the gateway's host can open it"
        ) from None


def _places(registered: Iterable[Registration], others: Iterable[str]) -> list[Registration]:
    places = {one.path.partition("?")[0]: one for one in registered}
    for path in others:
        places.setdefault(path, Registration(path, folder(path)))
    return list(places.values())


async def _seen(session: ClientSession, origin: str, place: Registration) -> Seen:
    answer = await _ask(session, origin + place.path)
    return Seen(*place, answer.status, answer.content_type, answer.text, answer.is_whole, answer.allowed)


async def _home(session: ClientSession, origin: str) -> tuple[str, str]:
    """Return the home page and its address."""
    address = origin + "/"
    for _ in range(_REDIRECTS + 1):
        answer = await _ask(session, address)
        if not answer.location:
            return answer.text, address
        address = urljoin(address, answer.location)
        host = urlsplit(address).netloc
        if host != urlsplit(origin).netloc:
            raise NotSeen(
                f"the shop's home page leads to {host}, and a worker counts for one host alone: "
                "give the domain where the pages are"
            )
    raise NotSeen("the shop's home page redirects again and again: see that it opens")


async def _ask(session: ClientSession, address: str) -> _Answer:
    async with session.get(address, allow_redirects=False) as answer:
        if answer.status in _UNTOLD or answer.status >= 500:
            raise NotSeen(
                f"the shop answers {answer.status} for {urlsplit(address).path}, which does not tell what "
                "stands there: let it answer the gateway"
            )
        text, is_whole = await _start_of(answer)
        location = answer.headers.get("Location", "") if 300 <= answer.status < 400 else ""
        content_type = answer.headers.get("Content-Type", "")
        allowed = answer.headers.get("Service-Worker-Allowed", "")
        return _Answer(answer.status, content_type, text, is_whole, location, allowed)


async def _start_of(answer: ClientResponse) -> tuple[str, bool]:
    """Return the beginning of the body, and whether that is all of it."""
    received = bytearray()
    async for piece in answer.content.iter_chunked(16 * 1024):
        received += piece
        if len(received) > FILE_CHARACTERS:
            break
    return received[:FILE_CHARACTERS].decode("utf-8", "replace"), len(received) <= FILE_CHARACTERS
