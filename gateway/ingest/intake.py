"""What all connections may bring in one turn of the event loop: the rest waits in the kernel for the next.

A turn reads up to 256 KB of each connection that has as much, before any handler sees a byte of it: 3000
connections with bodies of 300 KB at once took 600 MB, whatever `limits.in_flight_bytes` says.
"""

import asyncio
from collections.abc import Callable, Iterable
from typing import cast

AT_ONCE = 16 * 2**20
"""Bytes; a turn with more of them stops reading until what came has been looked at."""
_SMALL = 4096
"""Bytes that are not worth counting: the most connections there may be bring 40 MB so."""

Transports = Callable[[], Iterable[asyncio.BaseTransport | None]]


class Intake:
    """Counts what comes in one turn, and lets every connection wait for the next one where it is too much."""

    def __init__(self, transports: Transports) -> None:
        self._transports = transports
        self._loop = asyncio.get_running_loop()
        self._came = 0
        self._held: list[asyncio.ReadTransport] = []

    def came(self, size: int) -> None:
        """Take note of so many bytes."""
        if size < _SMALL:
            return
        if not self._came:
            self._loop.call_soon(self._next_turn)
        self._came += size
        if self._came > AT_ONCE and not self._held:
            self._hold()

    def _hold(self) -> None:
        for transport in self._transports():
            reading = cast("asyncio.ReadTransport | None", transport)
            # One that aiohttp has stopped is for aiohttp to go on with.
            if reading is not None and reading.is_reading():
                reading.pause_reading()
                self._held.append(reading)

    def _next_turn(self) -> None:
        self._came = 0
        held, self._held = self._held, []
        for transport in held:
            if not transport.is_closing():
                transport.resume_reading()


class Counted(asyncio.Protocol):
    """A connection's protocol that tells the intake what comes, and is otherwise what it was."""

    def __init__(self, protocol: asyncio.Protocol, intake: Intake) -> None:
        self._take = protocol.data_received
        self._came = intake.came
        for name in ("connection_made", "connection_lost", "eof_received", "pause_writing", "resume_writing"):
            setattr(self, name, getattr(protocol, name))

    def data_received(self, data: bytes) -> None:
        """Hand the data on, and count it."""
        self._take(data)
        self._came(len(data))
