"""The listener: one aiohttp server, bounded in connections, sizes and patience."""

import asyncio
import resource
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, cast

import structlog
from aiohttp import web

from gateway import metrics
from gateway.config import Limits, Listen
from gateway.ingest.intake import Counted, Intake

_BACKLOG = 1024
_OTHER_FILES = 500
"""Of the stream, the database, and connections to Kafka and eSputnik."""
_STOPPING_SECONDS = 1.0
"""How long an answer may lie unread once the server stops: one reader must not use up everybody's time."""
_PART_FOR_ANSWERS = 0.6
"""Of the grace time that draining leaves; the rest is for the stages to come to a clean mark."""
_COME_AGAIN = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


_log = structlog.get_logger()


class HttpServer:
    """Serves routes on a host and port, and stops without breaking an answer off."""

    def __init__(self, routes: Iterable[web.RouteDef], listen: Listen, limits: Limits) -> None:
        app = web.Application(client_max_size=limits.body_bytes)
        app.add_routes(routes)
        self._listen = listen
        self._runner = web.AppRunner(
            app,
            access_log=None,
            handle_signals=False,
            auto_decompress=False,  # `body` does it, with a limit on what comes out
            keepalive_timeout=listen.idle_seconds,  # aiohttp applies it to a head that never ends, too
            lingering_time=1,
            shutdown_timeout=listen.grace_seconds,
        )
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._intake: Intake | None = None
        self.port = 0
        """The port it listens on, once started."""

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises OSError where the address is taken."""
        _allow_files(self._listen.connections)
        await self._runner.setup()
        self._intake = Intake(self._transports)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, host, port, backlog=_BACKLOG, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]
        self._sweeper = loop.create_task(self._sweep(self._listen.idle_seconds))

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        assert self._intake is not None
        if len(server.connections) >= self._listen.connections:
            metrics.CONNECTIONS_REFUSED.inc()
            return _Refuse()
        return Counted(server(), self._intake)

    def _transports(self) -> list[asyncio.Transport | None]:
        server = self._runner.server
        assert server is not None
        return [connection.transport for connection in server.connections]

    async def _sweep(self, seconds: float) -> None:
        """Cut who takes nothing of his answers for so long: each would keep one for as long as he likes."""
        unread: dict[Any, int] = {}
        while True:
            await asyncio.sleep(seconds)
            server = self._runner.server
            assert server is not None
            before, unread = unread, {}
            for connection in server.connections:
                if connection.transport is None:
                    continue
                transport = cast("asyncio.WriteTransport", connection.transport)
                size = transport.get_write_buffer_size()
                if size and before.get(connection) == size:
                    transport.abort()
                    metrics.CONNECTIONS_CUT.inc()
                elif size:
                    unread[connection] = size

    async def stop(self) -> None:
        """Take no new connection, answer what is in flight, and close; bounded by part of the grace time."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        if self._server is not None:
            self._server.close()
        sweeper = asyncio.create_task(self._sweep(_STOPPING_SECONDS))
        left = self._listen.grace_seconds - self._listen.drain_seconds
        with suppress(TimeoutError):
            async with asyncio.timeout(left * _PART_FOR_ANSWERS):
                await self._runner.cleanup()
        sweeper.cancel()


def _allow_files(connections: int) -> None:
    """Raise the soft limit of open files to what the connections need, as far as the hard one allows.

    Out of files, a server can accept nobody, nor open a file of its own.
    """
    wanted = connections + _OTHER_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    allowed = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < allowed:
        resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < wanted:
        _log.warning("files_limited", limit=allowed, wanted=wanted, why="listen.connections needs as many")


class _Refuse(asyncio.Protocol):
    """Closes a connection over the limit with an answer that asks to come again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer at once, without waiting for a request."""
        plain = cast("asyncio.Transport", transport)
        plain.write(_COME_AGAIN)
        plain.close()
