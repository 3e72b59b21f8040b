"""What eSputnik answered to a call, on its way from delivery back to the caller who waits for it.

In one process delivery tells the waiting room itself. Apart, the outcome goes through a table of the shared
database: delivery writes it, ingest takes it out. Whoever takes a row out has the outcome, so a refusal is
either the caller's or a dead letter, never both and never neither.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import NamedTuple, Protocol

import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError, Unreachable
from gateway.event import Record
from gateway.store import Store, bulk

POLL_SECONDS = 0.05
GRACE_SECONDS = 2.0
"""How long after the caller's time delivery looks whether an outcome was taken: clocks differ a little."""
_KEPT_MS = 60_000

_log = structlog.get_logger()


class Outcome(NamedTuple):
    """eSputnik's answer to one record, as it gave it."""

    status: int
    body: bytes


class Callers(Protocol):
    """Delivery's side: those who wait for answers."""

    async def tell(self, record: Record, outcome: Outcome) -> bool | None:
        """Return whether the caller has the outcome; None where `heard` tells, once his time is over."""

    async def heard(self, event_id: str) -> bool:
        """Return whether the caller has taken the outcome; nobody will from then on. Raises Unreachable."""


class WaitingRoom:
    """Callers of this process."""

    def __init__(self) -> None:
        self._waiting: dict[str, asyncio.Future[Outcome]] = {}
        self.occupied = asyncio.Event()
        """Set while anybody waits."""

    @contextmanager
    def expecting(self, event_ids: Sequence[str]) -> Iterator[Mapping[str, asyncio.Future[Outcome]]]:
        """Wait for those outcomes from here on, until the block ends; others already waited for stay out."""
        create = asyncio.get_running_loop().create_future
        futures: dict[str, asyncio.Future[Outcome]] = {
            event_id: create() for event_id in event_ids if event_id not in self._waiting
        }
        self._waiting |= futures
        self.occupied.set()
        try:
            yield futures
        finally:
            for event_id in futures:
                del self._waiting[event_id]
            if not self._waiting:
                self.occupied.clear()

    def expected(self) -> list[str]:
        """Return the ids whose outcomes are not there yet."""
        return [event_id for event_id, future in self._waiting.items() if not future.done()]

    async def tell(self, record: Record, outcome: Outcome) -> bool:
        """Give the outcome to the caller if he waits; return whether he has it."""
        return self.give(record.id, outcome)

    def give(self, event_id: str, outcome: Outcome) -> bool:
        """Do what `tell` does, by the event's id."""
        future = self._waiting.get(event_id)
        if future is None or future.done():
            return False
        future.set_result(outcome)
        return True

    async def heard(self, event_id: str) -> bool:
        """Return True: `tell` has said all."""
        return True


_LEAVE = """
    INSERT INTO outcomes (event_id, status, body, at) VALUES ($1, $2, $3, $4)
    ON CONFLICT (event_id) DO UPDATE SET status = excluded.status, body = excluded.body, at = excluded.at
"""
_TAKE = """
    DELETE FROM outcomes WHERE event_id IN (SELECT value->>0 FROM rows($1))
    RETURNING event_id, status, body, at
"""
_SWEEP = "DELETE FROM outcomes WHERE at < $1"


class DistantCallers:
    """Callers of other processes: leaves them their outcomes in the shared database."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def tell(self, record: Record, outcome: Outcome) -> bool | None:
        """Leave the outcome while the caller waits; the outcome of another database is nobody's."""
        now = self._clock.now_ms()
        if record.answer_by <= now:
            return False
        try:
            async with self._store.transaction() as transaction:
                await transaction.execute(_LEAVE, record.id, outcome.status, outcome.body, now)
                await transaction.execute(_SWEEP, now - _KEPT_MS)
        except Unreachable:
            return False
        return None

    async def heard(self, event_id: str) -> bool:
        """Return whether the outcome was taken; takes it back where it was not. Raises Unreachable."""
        async with self._store.transaction() as transaction:
            return not await transaction.fetch(_TAKE, bulk([(event_id,)]))


async def bring(room: WaitingRoom, store: Store, clock: Clock) -> None:
    """Bring outcomes from the shared database to the callers of this process, until cancelled.

    The database is not asked before the first caller waits; while it is away callers are answered without it.
    """
    away = False
    while True:
        await room.occupied.wait()
        try:
            await _bring(room, store)
            away = False
        except GatewayError as problem:
            if not away:
                _log.warning("outcomes_away", reason=str(problem))
            away = True
            await clock.sleep(1.0)
        await clock.sleep(POLL_SECONDS)


async def _bring(room: WaitingRoom, store: Store) -> None:
    expected = room.expected()
    if not expected:
        return
    async with store.transaction() as transaction:
        for event_id, status, body, at in await transaction.fetch(_TAKE, bulk((id_,) for id_ in expected)):
            if not room.give(event_id, Outcome(status, body)):
                # He left while it was taken: back it goes, for delivery to find.
                await transaction.execute(_LEAVE, event_id, status, body, at)
