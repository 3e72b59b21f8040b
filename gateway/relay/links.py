"""Identity's links for a shop's page: waited for shortly, and not at all while the database is away."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.circuit import Circuit
from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.identity import present
from gateway.identity.settings import StitchSettings
from gateway.store import Store

_AT_ONCE = 16
_PROBE_SECONDS = 15.0

Read = Callable[[Store], Awaitable[str | None]]

_log = structlog.get_logger()


class Links:
    """Tells who is on a cookie and on which cookie a customer is, as far as that is known in time."""

    def __init__(self, store: Store, seconds: float, clock: Clock) -> None:
        """`seconds` is how long a look-up may take."""
        self._store = store
        self._seconds = seconds
        self._clock = clock
        self._circuit = Circuit(1, _PROBE_SECONDS)
        self._reading = set[asyncio.Task[str | None]]()

    async def customer_on(self, site: str, cookie: str, settings: StitchSettings) -> str | None:
        """Return the customer whose the cookie is now; None where that is not known in time."""
        now_ms = self._clock.now_ms()
        return await self._in_time(lambda store: present.customer_on(store, site, cookie, settings, now_ms))

    async def cookie_of(self, site: str, customer: str, settings: StitchSettings) -> str | None:
        """Return the newest cookie that is the customer's now; None where that is not known in time."""
        now_ms = self._clock.now_ms()
        return await self._in_time(lambda store: present.cookie_of(store, site, customer, settings, now_ms))

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._reading:
            task.cancel()
        await asyncio.gather(*self._reading, return_exceptions=True)

    async def _in_time(self, read: Read) -> str | None:
        """Return what is read; one that is late goes on alone, for a transaction takes time to be undone."""
        began_at = self._clock.monotonic()
        if len(self._reading) >= _AT_ONCE or self._circuit.wait(began_at) > 0:
            return None
        self._circuit.begin(began_at)
        task = asyncio.create_task(self._read(read, began_at))
        self._reading.add(task)
        task.add_done_callback(self._reading.discard)
        done, _ = await asyncio.wait([task], timeout=self._seconds)
        return task.result() if done else None

    async def _read(self, read: Read, began_at: float) -> str | None:
        try:
            found = await read(self._store)
        except GatewayError as problem:
            if self._circuit.failed(self._clock.monotonic()):
                _log.warning("recommendations_without_links", reason=str(problem))
            return None
        self._circuit.succeeded(began_at)
        return found
