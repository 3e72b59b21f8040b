"""The stand-in on a port."""

import asyncio
import signal
from typing import Self

from aiohttp import web

from gateway.sandbox import api, arrived, control, site
from gateway.sandbox.gate import PRODUCT_RATE, RATE, STATE, State, gated
from gateway.sandbox.tracker import track

_BODY_BYTES = 32 * 2**20
_STOP_SECONDS = 0.1


class Sandbox:
    """A stand-in eSputnik; an async context manager that listens while it is open.

    `port` 0 takes a free one; `rate` is how many requests it takes within a second, `product_rate` how many
    of the Products and Markets API within a minute, None any number.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        api_key: str = "sandbox-key",
        rate: int | None = RATE,
        product_rate: int | None = PRODUCT_RATE,
    ) -> None:
        self._host = host
        self._port = port
        app = web.Application(client_max_size=_BODY_BYTES)
        app[STATE] = State(api_key, rate, product_rate)
        app.router.add_routes(api.routes() + site.FILES + arrived.routes() + control.routes())
        for path in ("/api/v2", "/api/v2/"):
            app.router.add_post(path, gated(track, repeats=True))
        # A client that gives up ends its handler: a fault that hangs must not keep it for ever.
        self._runner = web.AppRunner(
            app, access_log=None, handler_cancellation=True, shutdown_timeout=_STOP_SECONDS
        )

    @property
    def url(self) -> str:
        """Its address, without a slash at the end."""
        host, port = self._runner.addresses[0][:2]
        return f"http://{host}:{port}"

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self._port).start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def serve_until_told(host: str, port: int, api_key: str) -> None:
    """Listen until SIGTERM or Ctrl-C; raises OSError when the port is taken."""
    told = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    async with Sandbox(host, port, api_key) as sandbox:
        print(f"A stand-in eSputnik listens at {sandbox.url}/", flush=True)
        await told.wait()
