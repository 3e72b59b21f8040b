"""A database that is opened by whoever needs it first: ingest may never do."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.errors import ConfigError, Unreachable
from gateway.store import Store, Transaction, open_store


class LazyStore:
    """A `Store` that connects at its first transaction, and again at the next one where that failed."""

    def __init__(self, url: str, ca_file: Path | None = None) -> None:
        """Take what `open_store` takes; nothing is opened yet."""
        self._url = url
        self._ca_file = ca_file
        self._opening: asyncio.Task[Store] | None = None

    async def open(self) -> Store:
        """Open it now, and return what is opened. Raises as `open_store` does."""
        if self._opening is None or _has_failed(self._opening):
            self._opening = asyncio.create_task(open_store(self._url, self._ca_file))
        # Of all who come while it is away, the last waits no longer than the first; none ends it for others.
        return await asyncio.shield(self._opening)

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        """Begin a transaction. Raises Unreachable also where an operator has to mend the configuration."""
        try:
            store = await self.open()
        except ConfigError as problem:
            raise Unreachable(str(problem)) from None
        async with store.transaction() as transaction:
            yield transaction

    async def close(self) -> None:
        """Release the connections, if there are any."""
        if self._opening is None:
            return
        await asyncio.wait([self._opening])
        if not _has_failed(self._opening):
            await self._opening.result().close()


def _has_failed(opening: asyncio.Task[Store]) -> bool:
    return opening.done() and (opening.cancelled() or opening.exception() is not None)
