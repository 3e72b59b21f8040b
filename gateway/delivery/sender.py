"""One delivery of one record: through the gates, to eSputnik, and what follows from its outcome."""

import random
from collections.abc import Awaitable, Callable

import structlog

from gateway import metrics
from gateway.clock import Clock
from gateway.config import Delivery, Site
from gateway.delivery.dead_letters import DeadLetter, DeadLetters
from gateway.delivery.gates import Gates
from gateway.delivery.lanes import Aside
from gateway.delivery.mapping import Call, Endpoint, call_for
from gateway.delivery.reading import Pending, dead
from gateway.delivery.retry import Again, Dead, Delivered, verdict
from gateway.errors import Unreachable
from gateway.esputnik.answers import Answer
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated

STORE_SECONDS = 1.0
"""Wait before a dead letter is given to a store that was away once more."""
_BEHIND = 1.05
"""A failed probe waits this much longer than the records that a gate holds: should it be this very record
that eSputnik chokes on, another one is the next probe and opens the gate."""

_OUTCOMES: dict[type[EsputnikError], str] = {
    Repeated: "repeated",
    Refused: "refused",
    RateLimited: "limited",
    KeyRefused: "key_refused",
}

_log = structlog.get_logger()


class Sender:
    """Delivers the records of one site, one call of `deliver` after another for each of them."""

    def __init__(
        self,
        site: Site,
        settings: Delivery,
        client: EsputnikClient,
        gates: Gates,
        dead_letters: DeadLetters,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._gates = gates
        self._dead_letters = dead_letters
        self._clock = clock
        self._store_is_away = False
        self._site = site.id
        self._calls: dict[Endpoint, Callable[[bytes, str], Awaitable[Answer]]] = {
            Endpoint.TRACKER: client.track,
        }
        self._outcomes = metrics.Bound(metrics.DELIVERIES, site.id)
        self._seconds = metrics.Bound(metrics.DELIVERY_SECONDS, site.id)
        self._dead = metrics.Bound(metrics.DEAD_LETTERS, site.id)

    async def deliver(self, pending: Pending) -> Aside | None:
        """Return None when nothing is left to do: eSputnik has the record, or it is kept as a dead letter."""
        if isinstance(pending.content, DeadLetter):
            return await self._keep(pending.content)
        call = call_for(pending.content)
        wait = self._gates.enter(call.endpoint)
        if wait > 0:
            return Aside(wait, held=True)
        counts, problem = await self._ask(call)
        match verdict(problem, pending.effort, self._settings, counts, random.random()):  # noqa: S311 -- jitter
            case Delivered():
                return None
            case Again(after):
                return self._aside(call.endpoint, after)
            case Dead(reason):
                assert problem is not None
                pending.content = dead(pending.content, reason, problem.status, problem.said)
                return await self._keep(pending.content)

    async def _ask(self, call: Call) -> tuple[bool, EsputnikError | None]:
        """Return the outcome, and whether a failure counts against the record."""
        began_at = self._clock.monotonic()
        problem: EsputnikError | None = None
        try:
            await self._calls[call.endpoint](call.body, call.request_id)
        except EsputnikError as failure:
            problem = failure
        self._seconds[call.endpoint,].observe(self._clock.monotonic() - began_at)
        outcome = "delivered" if problem is None else _OUTCOMES.get(type(problem), "unavailable")
        self._outcomes[call.endpoint, outcome].inc()
        counts = self._gates.are_open(call.endpoint)
        self._gates.learn(call.endpoint, began_at, problem)
        return counts, problem

    def _aside(self, endpoint: Endpoint, after: float) -> Aside:
        if self._gates.are_open(endpoint):
            return Aside(after)
        return Aside(max(after, self._gates.wait(endpoint)) * _BEHIND, held=True)

    async def _keep(self, letter: DeadLetter) -> Aside | None:
        try:
            await self._dead_letters.keep(letter)
        except Unreachable as problem:
            if not self._store_is_away:
                _log.warning("dead_letters_wait", site=self._site, reason=str(problem))
            self._store_is_away = True
            return Aside(STORE_SECONDS)
        self._store_is_away = False
        self._dead[letter.reason,].inc()
        return None
