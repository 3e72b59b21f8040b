"""The client against real HTTP servers that behave well, badly, and maliciously."""

import asyncio
import base64
import gzip
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web

from gateway.esputnik.client import BODY_BYTES, AccountInfo, EsputnikClient
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Unavailable
from tests.service.tracker import KEY, Tracker, hangs, resets, says


@pytest.fixture
async def server() -> AsyncIterator[Tracker]:
    async with Tracker() as running:
        yield running


@pytest.fixture
async def client(server: Tracker) -> AsyncIterator[EsputnikClient]:
    async with made(server.url) as running:
        yield running


def made(url: str, timeout: float = 5, connections: int = 4) -> EsputnikClient:
    return EsputnikClient(
        tracker_url=f"{url}/api/v2",
        api_url=f"{url}/api/",
        api_key=KEY,
        timeout=timeout,
        connections=connections,
    )


async def test_the_key_goes_to_the_api_as_the_password_and_not_to_the_tracker(
    server: Tracker, client: EsputnikClient
) -> None:
    await client.track(b"{}", "t-1")
    await client.add_contact(b"{}", "c-1")
    tracked, contact = server.headers
    assert "Authorization" not in tracked
    assert base64.b64decode(contact["Authorization"].removeprefix("Basic ")).endswith(f":{KEY}".encode())
    assert (tracked["X-Request-Id"], contact["X-Request-Id"]) == ("t-1", "c-1")


async def test_an_account_tells_whose_key_it_is_whether_numbers_come_as_text_or_not(
    server: Tracker, client: EsputnikClient
) -> None:
    server.always = says(200, b'{"userEmail":"x@y.z","organisationName":"Shop","orgId":"77"}')
    assert await client.account_info() == AccountInfo("Shop", 77)
    server.always = says(200, b'{"organisationName":"Shop"}')
    assert await client.account_info() == AccountInfo("Shop", None)


async def test_a_wrong_key_is_told_apart(server: Tracker, client: EsputnikClient) -> None:
    server.always = says(401)
    with pytest.raises(KeyRefused):
        await client.account_info()


async def test_a_contact_answers_with_its_id(server: Tracker, client: EsputnikClient) -> None:
    server.always = says(200, b'{"id":95064156}')
    assert (await client.add_contact(b"{}", "c-1")).field("id") == 95064156


async def test_redirects_are_not_followed(server: Tracker, client: EsputnikClient) -> None:
    server.always = says(307, location=f"{server.url}/elsewhere")
    with pytest.raises(Unavailable) as caught:
        await client.add_contact(b"{}", "c-1")
    assert caught.value.status == 307
    assert len(server.arrived) == 1


async def test_nothing_is_sent_twice_by_itself(server: Tracker, client: EsputnikClient) -> None:
    server.always = resets
    with pytest.raises(Unavailable):
        await client.track(b"{}", "t-1")
    assert len(server.arrived) == 1


async def test_a_server_that_hangs_is_given_up_in_time(server: Tracker) -> None:
    server.always = hangs
    async with made(server.url, timeout=0.2) as client, asyncio.timeout(5):
        with pytest.raises(Unavailable, match="TimeoutError"):
            await client.track(b"{}", "t-1")


async def test_waiting_for_a_connection_counts_into_the_timeout(server: Tracker) -> None:
    server.always = hangs
    async with made(server.url, timeout=0.3, connections=1) as client, asyncio.timeout(5):
        outcomes = await asyncio.gather(
            *(client.track(b"{}", f"t-{number}") for number in range(3)), return_exceptions=True
        )
    assert all(isinstance(outcome, Unavailable) for outcome in outcomes)


async def test_connections_are_kept_and_bounded() -> None:
    peers = set()

    async def remember(request: web.Request) -> web.Response:
        assert request.transport is not None
        peers.add(request.transport.get_extra_info("peername"))
        return web.Response(status=204)

    async with Tracker() as server:
        server.always = remember
        async with made(server.url, connections=3) as client:
            for _ in range(5):
                await asyncio.gather(*(client.track(b"{}", f"t-{number}") for number in range(10)))
    assert len(peers) <= 3


async def test_nobody_listening_is_unavailable() -> None:
    async with Tracker() as gone:
        pass
    async with made(gone.url) as client:
        with pytest.raises(Unavailable):
            await client.track(b"{}", "t-1")


async def test_of_an_endless_answer_only_the_beginning_is_read(
    server: Tracker, client: EsputnikClient
) -> None:
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65536)

    server.always = endless
    answer = await client.track(b"{}", "t-1")
    assert len(answer.body) == BODY_BYTES
    server.always = None
    await client.track(b"{}", "t-2")


async def test_a_gzip_bomb_is_not_unpacked(server: Tracker, client: EsputnikClient) -> None:
    server.always = says(200, gzip.compress(b"x" * 50_000_000), content_encoding="gzip")
    assert len((await client.track(b"{}", "t-1")).body) == BODY_BYTES


async def raw(answer: bytes) -> tuple[asyncio.Server, str]:
    """Return a server that answers everything with those bytes and hangs up, and its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    return server, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 100_000 + b"\r\n\r\n",
        b"",
    ],
)
async def test_half_an_answer_or_none_of_http_is_unavailable_and_shows_no_key(answer: bytes) -> None:
    server, url = await raw(answer)
    async with server, made(url) as client:
        with pytest.raises(Unavailable) as caught:
            await client.add_contact(b"{}", "c-1")
    shown = "".join(traceback.format_exception(caught.value))
    secret = base64.b64encode(f"gateway:{KEY}".encode()).decode()
    context: BaseException | None = caught.value
    while context is not None:
        assert KEY not in f"{context!r}{shown}"
        assert secret not in f"{context!r}{shown}"
        context = context.__context__


async def test_the_key_shows_nowhere(server: Tracker, client: EsputnikClient) -> None:
    server.always = says(400, KEY.encode())
    with pytest.raises(Refused) as caught:
        await client.track(b"{}", "t-1")
    for text in (repr(client), str(client), repr(caught.value), str(caught.value)):
        assert KEY not in text


@pytest.mark.parametrize(
    ("status", "kind"), [(400, Refused), (401, KeyRefused), (429, RateLimited), (503, Unavailable)]
)
async def test_each_call_raises_what_the_answer_means(
    server: Tracker, client: EsputnikClient, status: int, kind: type[EsputnikError]
) -> None:
    server.always = says(status, retry_after="3")
    calls: list[Callable[[], Awaitable[object]]] = [
        lambda: client.track(b"{}", "t-1"),
        lambda: client.add_contact(b"{}", "c-1"),
        client.account_info,
    ]
    for call in calls:
        with pytest.raises(kind):
            await call()


async def test_a_key_is_changed_for_what_comes_next(server: Tracker, client: EsputnikClient) -> None:
    await client.add_contact(b"{}", "c-1")
    client.use_key("another-key")
    await client.add_contact(b"{}", "c-2")
    keys = [base64.b64decode(headers["Authorization"].removeprefix("Basic ")) for headers in server.headers]
    assert [key.partition(b":")[2] for key in keys] == [KEY.encode(), b"another-key"]
