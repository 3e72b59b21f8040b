"""A small shop's own web server, for tests of what its pages load and of who looks at it."""

from typing import NamedTuple, Self

import aiohttp
from aiohttp import web

SCRIPT = "text/javascript"
PAGE = "text/html"


class File(NamedTuple):
    """What stands under a path."""

    text: str
    content_type: str = SCRIPT
    status: int = 200
    location: str = ""


class Storefront:
    """Serves files on localhost, and some paths from elsewhere, as a reverse proxy does."""

    def __init__(self) -> None:
        self.files: dict[str, File] = {}
        self.passed: dict[str, str] = {}
        """Paths with the address that answers in their place."""
        self.dropped: set[str] = set()
        """Headers that the proxy does not let through."""
        self.otherwise = File("not found", "text/plain", 404)
        self.asked: list[str] = []

    async def __aenter__(self) -> Self:
        self._http = aiohttp.ClientSession()
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self._runner = web.AppRunner(app)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.domain = f"localhost:{self._runner.addresses[0][1]}"
        self.url = f"http://{self.domain}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()
        await self._http.close()

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        if request.path in self.passed:
            return await self._pass_on(self.passed[request.path])
        file = self.files.get(request.path, self.otherwise)
        headers = {"Location": file.location} if file.location else {}
        return web.Response(
            text=file.text, content_type=file.content_type, status=file.status, headers=headers
        )

    async def _pass_on(self, address: str) -> web.Response:
        async with self._http.get(address) as answer:
            kept = {"Content-Type", "Service-Worker-Allowed", "Cache-Control"} - self.dropped
            headers = {name: answer.headers[name] for name in kept if name in answer.headers}
            return web.Response(body=await answer.read(), status=answer.status, headers=headers)
