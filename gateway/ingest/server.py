"""The listener: one aiohttp server, bounded in connections, sizes and patience."""

import asyncio
from collections.abc import Iterable
from typing import cast

from aiohttp import web

from gateway import metrics
from gateway.config import Limits, Listen

_BACKLOG = 1024
_COME_AGAIN = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


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
        self.port = 0
        """The port it listens on, once started."""

    async def start(self, host: str, port: int) -> None:
        """Listen; port 0 picks a free one. Raises OSError where the address is taken."""
        await self._runner.setup()
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            self._connection, host, port, backlog=_BACKLOG, reuse_address=True
        )
        self.port = self._server.sockets[0].getsockname()[1]

    def _connection(self) -> asyncio.Protocol:
        server = self._runner.server
        assert server is not None
        if len(server.connections) >= self._listen.connections:
            metrics.CONNECTIONS_REFUSED.inc()
            return _Refuse()
        return server()

    async def stop(self) -> None:
        """Take no new connection, answer what is in flight, and close; bounded by the grace time."""
        if self._server is not None:
            self._server.close()
        await self._runner.cleanup()


class _Refuse(asyncio.Protocol):
    """Closes a connection over the limit with an answer that asks to come again."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Answer at once, without waiting for a request."""
        plain = cast("asyncio.Transport", transport)
        plain.write(_COME_AGAIN)
        plain.close()
