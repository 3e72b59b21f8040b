"""Who is next: records of one lane one at a time and in order, lanes side by side, all of them in fairness.

A fixed number of workers share one queue of lanes that are ready. A lane is in it at most once, goes to its
end after each delivery, and is put aside with a timer, holding no worker, while its first record has to wait.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import Generic, NamedTuple, TypeVar

from gateway.delivery.marks import Progress
from gateway.stream import Mark
from gateway.stream.marks import Ranges

T = TypeVar("T")

Gather = Callable[[T], Callable[[T], bool] | None]
"""For the first record of a delivery: what tells whether another one joins it; None where it goes alone."""


def _alone(_: object) -> None:
    return None


class Aside(NamedTuple):
    """What a delivery returns when the record must be delivered again: when, and whether it may be sooner."""

    seconds: float
    held: bool = False
    """Whether `release` ends the wait: it is for a gate, not for the record itself."""


class _Lane(Generic[T]):
    """Records of one lane that are not done; the first one is the one being delivered."""

    __slots__ = ("items", "key", "partition", "timer", "worker")

    def __init__(self, partition: "_Partition[T]", key: str) -> None:
        self.partition = partition
        self.key = key
        self.items: deque[tuple[int, T]] = deque()
        self.timer: asyncio.TimerHandle | None = None
        self.worker: asyncio.Task[None] | None = None


class _Partition(Generic[T]):
    """The lanes of one partition, as long as this process holds it."""

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.lanes: dict[str, _Lane[T]] = {}
        self.stopped = False
        self.landed = asyncio.Event()
        """Set once it is stopped and nothing of it is under way."""

    def flying(self) -> list[asyncio.Task[None]]:
        return [lane.worker for lane in self.lanes.values() if lane.worker is not None]

    def stop(self) -> None:
        self.stopped = True
        for lane in self.lanes.values():
            if lane.timer is not None:
                lane.timer.cancel()
        self.look_whether_landed()

    def look_whether_landed(self) -> None:
        if self.stopped and not self.flying():
            self.landed.set()


class Lanes(Generic[T]):
    """The scheduler of one site.

    `deliver` is called for the first record of a lane, and those of other lanes that `gather` lets join it;
    it returns None for each for which nothing is left to do.
    `turn` returns when one more delivery may start; nothing is under way while it waits. `window` bounds the
    records of a partition that are taken and not done.
    """

    def __init__(
        self,
        deliver: Callable[[Sequence[T]], Awaitable[Sequence[Aside | None]]],
        turn: Callable[[], Awaitable[None]],
        workers: int,
        window: int,
        gather: Gather[T] = _alone,
    ) -> None:
        self._deliver = deliver
        self._turn = turn
        self._workers = workers
        self._window = window
        self._gather = gather
        self._partitions: dict[int, _Partition[T]] = {}
        self._ready: deque[_Lane[T]] = deque()
        self._filled = asyncio.Event()
        self._head_of_queue = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._held: set[_Lane[T]] = set()
        self.news = asyncio.Event()
        """Set when something is done; whoever commits clears it."""
        self._problem: BaseException | None = None

    def start(self) -> None:
        """Start the workers."""
        for _ in range(self._workers):
            self._hire()

    def _hire(self) -> None:
        task = asyncio.create_task(self._work())
        self._tasks.add(task)
        task.add_done_callback(self._dismiss)

    def _dismiss(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled():
            self._problem = task.exception()

    def check(self) -> None:
        """Raise what a worker ended with, which none should."""
        if self._problem is not None:
            raise self._problem

    def hold(self, partition: int, done: Ranges) -> None:
        """Take a partition on where it is not held already; `done` is what its last mark said."""
        if partition not in self._partitions:
            self._partitions[partition] = _Partition(Progress(partition, done))

    def add(self, partition: int, offset: int, lane: str, item: T) -> None:
        """Put a record at the end of its lane; offsets of a partition held come in ascending order."""
        holder = self._partitions[partition]
        holder.progress.take(offset)
        place = holder.lanes.get(lane)
        if place is None:
            place = holder.lanes[lane] = _Lane(holder, lane)
            self._queue(place)
        place.items.append((offset, item))

    def full(self) -> frozenset[int]:
        """Return the partitions without room."""
        return frozenset(
            number for number, holder in self._partitions.items() if len(holder.progress) >= self._window
        )

    def marks(self) -> list[Mark]:
        """Return the marks that have changed since they were last asked for."""
        news = (holder.progress.news() for holder in self._partitions.values())
        return [mark for mark in news if mark is not None]

    def release(self) -> None:
        """End the waits of the lanes that are held by a gate."""
        for lane in list(self._held):
            self._wake(lane)

    async def stop(self, partitions: Iterable[int], seconds: float) -> list[Mark]:
        """Start nothing more of the partitions, let what is under way end, and return their last marks.

        What has not ended after `seconds` is cancelled; it is not done and will be delivered again.
        """
        stopping = [self._partitions.pop(number) for number in partitions if number in self._partitions]
        for partition in stopping:
            partition.stop()
            self._held.difference_update(partition.lanes.values())
        try:
            async with asyncio.timeout(seconds):
                for partition in stopping:
                    await partition.landed.wait()
        except TimeoutError:
            await self._cut_off({task for partition in stopping for task in partition.flying()})
        return [partition.progress.mark() for partition in stopping]

    async def _cut_off(self, workers: set[asyncio.Task[None]]) -> None:
        for worker in workers:
            worker.cancel()
            self._hire()
        await asyncio.gather(*workers, return_exceptions=True)

    async def stop_all(self, seconds: float) -> list[Mark]:
        """Stop every partition as `stop` does, then the workers."""
        marks = await self.stop(list(self._partitions), seconds)
        self.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return marks

    def cancel(self) -> None:
        """End the workers now, whatever they are at."""
        for task in self._tasks:
            task.cancel()

    async def _work(self) -> None:
        while True:
            lanes = await self._next()
            try:
                asides = await self._deliver([lane.items[0][1] for lane in lanes])
                for lane, aside in zip(lanes, asides, strict=True):
                    self._settle(lane, aside)
            finally:
                for lane in lanes:
                    lane.worker = None
                    lane.partition.look_whether_landed()

    async def _next(self) -> list[_Lane[T]]:
        async with self._head_of_queue:
            while True:
                while not self._ready:
                    self._filled.clear()
                    await self._filled.wait()
                await self._turn()
                lane = self._pop()
                if lane is not None:
                    lanes = [lane, *self._companions(lane)]
                    for lane in lanes:
                        lane.worker = asyncio.current_task()
                    return lanes

    def _pop(self) -> _Lane[T] | None:
        """Take the next lane out of the queue; those of stopped partitions are left there until here."""
        while self._ready:
            lane = self._ready.popleft()
            if not lane.partition.stopped:
                return lane
        return None

    def _companions(self, first: _Lane[T]) -> list[_Lane[T]]:
        """Take those lanes out of the queue whose next record goes along with that of the first."""
        joins = self._gather(first.items[0][1])
        if joins is None:
            return []
        companions: list[_Lane[T]] = []
        for _ in range(len(self._ready)):
            lane = self._ready.popleft()
            if lane.partition.stopped:
                continue
            (companions if joins(lane.items[0][1]) else self._ready).append(lane)
        return companions

    def _settle(self, lane: _Lane[T], aside: Aside | None) -> None:
        partition = lane.partition
        if aside is None:
            offset, _ = lane.items.popleft()
            partition.progress.done(offset)
            self.news.set()
        if partition.stopped:
            return
        if aside is not None:
            self._put_aside(lane, aside)
        elif lane.items:
            self._queue(lane)
        else:
            del partition.lanes[lane.key]

    def _queue(self, lane: _Lane[T]) -> None:
        self._ready.append(lane)
        self._filled.set()

    def _put_aside(self, lane: _Lane[T], aside: Aside) -> None:
        lane.timer = asyncio.get_running_loop().call_later(aside.seconds, self._wake, lane)
        if aside.held:
            self._held.add(lane)

    def _wake(self, lane: _Lane[T]) -> None:
        if lane.timer is not None:
            lane.timer.cancel()
            lane.timer = None
        self._held.discard(lane)
        self._queue(lane)
