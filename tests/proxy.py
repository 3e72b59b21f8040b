"""What stands between two machines: a TCP proxy that can cut, stall and secure connections."""

import asyncio
import ssl
from contextlib import suppress
from functools import partial
from typing import Self

_SSL_REQUEST_BYTES = 8
_Way = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Proxy:
    """Passes connections on to a port of this machine; an async context manager."""

    def __init__(
        self,
        target: int,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        tls: ssl.SSLContext | None = None,
        as_postgres: bool = False,
    ) -> None:
        """`tls` ends TLS here; `as_postgres` does so once a client of PostgreSQL has asked for it."""
        self.host = host
        self.port = port
        self.refusing = False
        """Whether new connections are closed at once."""
        self.cut_after: int | None = None
        """How many bytes of an answer pass before its connection is cut."""
        self.cuts = 0
        """Connections cut so far."""
        self._target = target
        self._tls = tls
        self._as_postgres = as_postgres
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def __aenter__(self) -> Self:
        at_once = None if self._as_postgres else self._tls
        self._server = await asyncio.start_server(self._accept, self.host, self.port, ssl=at_once)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self.refusing = True
        self._server.close()
        self.cut()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def cut(self) -> None:
        """Cut every open connection in the middle, without a goodbye."""
        for writer in self._open:
            self.cuts += 1
            writer.transport.abort()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # No coroutine: one that is cancelled before its first step would leave its connection open.
        if self.refusing:
            writer.transport.abort()
            return
        task = asyncio.create_task(self._serve(reader, writer))
        self._tasks.add(task)
        self._open.add(writer)
        task.add_done_callback(partial(self._served, writer))

    def _served(self, writer: asyncio.StreamWriter, task: asyncio.Task[None]) -> None:
        self._open.discard(writer)
        self._tasks.discard(task)
        writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            if self._as_postgres and self._tls is not None:
                await reader.readexactly(_SSL_REQUEST_BYTES)
                writer.write(b"S")
                await writer.start_tls(self._tls)
            answers, questions = await asyncio.open_connection("127.0.0.1", self._target)
            try:
                await self._pass_both_ways((reader, questions), (answers, writer))
            finally:
                questions.transport.abort()

    async def _pass_both_ways(self, there: _Way, back: _Way) -> None:
        ways = {
            asyncio.create_task(self._pass(*there)),
            asyncio.create_task(self._pass(*back, is_answer=True)),
        }
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.gather(*ways, return_exceptions=True)

    async def _pass(
        self, source: asyncio.StreamReader, to: asyncio.StreamWriter, is_answer: bool = False
    ) -> None:
        passed = 0
        while part := await source.read(65536):
            if is_answer and self.cut_after is not None and passed + len(part) > self.cut_after:
                to.write(part[: self.cut_after - passed])
                self.cuts += 1
                return
            to.write(part)
            await to.drain()
            passed += len(part)
