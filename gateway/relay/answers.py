"""What eSputnik recommends on one site: asked in the background, once at a time, and kept for a while."""

import asyncio

from gateway.clock import Clock
from gateway.ingest.problem import Problem
from gateway.relay.asking import UNHELPFUL, Outcome, Recommended, read
from gateway.relay.kept import Kept
from gateway.relay.site import KEPT_BYTES, Question, SiteRelay

_KEPT = 1000
_UNDER_WAY = 1000
"""Questions under way at once; what comes on top of them is not asked."""


class Answers:
    """Answers questions; one that nobody waits for any more goes on to its end, for whoever asks next."""

    def __init__(self, relay: SiteRelay, keep_seconds: float, clock: Clock) -> None:
        self._relay = relay
        self._keep_seconds = keep_seconds
        self._clock = clock
        self._asking = set[asyncio.Task[Recommended]]()
        self._start_anew()

    def _start_anew(self) -> None:
        self._kept: Kept[str, Recommended] = Kept(_KEPT, KEPT_BYTES, self._clock)
        self._under_way: dict[str, asyncio.Task[Recommended]] = {}

    def use_key(self, api_key: str) -> None:
        """Ask with this key from now on; what was asked with another is neither kept nor shared."""
        self._relay.use_key(api_key)
        self._start_anew()

    async def answer(self, question: str, fresh: bool) -> Recommended:
        """Return the answer to a path with its query: a kept one unless it must be `fresh`, else eSputnik's.

        Cancelled, it leaves the question under way.
        """
        kept = None if fresh else self._kept.get(question, self._keep_seconds)
        if kept is not None:
            return kept._replace(outcome=Outcome.KEPT) if kept.outcome == Outcome.ANSWERED else kept
        asking = self._under_way.get(question)
        if asking is None:
            if len(self._asking) >= _UNDER_WAY:
                return Recommended(Outcome.BUSY)
            asking = self._begin(question)
        return await asyncio.shield(asking)

    async def stop(self) -> None:
        """End what is under way."""
        for task in self._asking:
            task.cancel()
        await asyncio.gather(*self._asking, return_exceptions=True)

    def _begin(self, question: str) -> asyncio.Task[Recommended]:
        under_way = self._under_way
        task = under_way[question] = asyncio.create_task(self._ask(question, self._kept))
        self._asking.add(task)

        def end(_: object) -> None:
            del under_way[question]
            self._asking.discard(task)

        task.add_done_callback(end)
        return task

    async def _ask(self, question: str, kept: Kept[str, Recommended]) -> Recommended:
        try:
            passed = await self._relay.answer(Question("GET", question, b"", "application/json"))
        except Problem:
            return Recommended(Outcome.UNAVAILABLE)
        recommended = read(passed)
        if recommended.outcome in UNHELPFUL or recommended.outcome == Outcome.ANSWERED:
            kept.put(question, recommended, len(recommended.body))
        return recommended
