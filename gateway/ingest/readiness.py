"""Readiness is told by the last write: a failed append takes the process out, a probe brings it back."""

import asyncio

from gateway import metrics
from gateway.clock import Clock
from gateway.errors import NotDurable
from gateway.event import PROBE, Record, event_ids
from gateway.stream import Entry, Stream

_PROBE_SECONDS = 1.0


class Readiness:
    """Knows whether events can be made durable now."""

    def __init__(self, stream: Stream, clock: Clock) -> None:
        self._stream = stream
        self._clock = clock
        self._failing = asyncio.Event()
        self.reason: str | None = "starting"
        """Why the process is not ready, or None while it is."""

    def started(self) -> None:
        """Become ready for the first time."""
        self._set(None)

    def append_failed(self) -> None:
        """Stop being ready until a probe is durable."""
        if self.reason is None:
            self._set("the last append was not durable in time")
        self._failing.set()

    def stopping(self) -> None:
        """Stop being ready for good."""
        self._failing.clear()
        self._set("stopping")

    async def watch(self) -> None:
        """Probe once a second while appends fail; runs until cancelled."""
        while True:
            await self._failing.wait()
            await self._clock.sleep(_PROBE_SECONDS)
            if await self._probe() and self._failing.is_set():
                self._failing.clear()
                self._set(None)

    async def _probe(self) -> bool:
        (probe_id,) = event_ids(1)
        now = self._clock.now_ms()
        probe = Record(
            id=probe_id,
            site="",
            type=PROBE,
            lane=probe_id,
            cookie=None,
            customer=None,
            email=None,
            phone=None,
            occurred_at=now,
            accepted_at=now,
            body=b"{}",
        )
        try:
            await self._stream.append([Entry(probe.lane, probe.encode())])
        except NotDurable:
            return False
        return True

    def _set(self, reason: str | None) -> None:
        self.reason = reason
        metrics.READY.set(reason is None)
