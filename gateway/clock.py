"""Time is a dependency: whoever needs it takes a `Clock`, and tests bring their own."""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """Tells the time in the three ways the gateway needs."""

    def now_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970, UTC."""

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps; only differences mean anything."""

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        """Return the wall clock in milliseconds since 1970, UTC."""
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        """Return seconds on a clock that never jumps."""
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        """Return after `seconds`."""
        await asyncio.sleep(seconds)
