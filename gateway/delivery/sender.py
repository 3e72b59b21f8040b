"""One delivery: through the gates, to eSputnik, and what follows from its outcome for each of its records."""

import random
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import orjson
import structlog

from gateway import metrics
from gateway.calls import DELETIONS, IMPORTS, ApiCall
from gateway.clock import Clock
from gateway.config import Delivery, Site
from gateway.contacts import Contacts
from gateway.delivery.bulk import failed_orders, failures, letter_record, order_id
from gateway.delivery.dead_letters import DeadLetter, DeadLetters
from gateway.delivery.ensure import Ensure
from gateway.delivery.gates import Gates
from gateway.delivery.lanes import Aside
from gateway.delivery.mapping import Call, Endpoint, call_for
from gateway.delivery.reading import Pending, dead
from gateway.delivery.retry import Again, Dead, Delivered, Reason, verdict
from gateway.errors import Unreachable
from gateway.esputnik.answers import Answer, words
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated, Unavailable
from gateway.event import Record
from gateway.outcomes import GRACE_SECONDS, Callers, Outcome

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

Follow = Callable[[Record, Answer | EsputnikError], Awaitable[None]]
"""Is told what was delivered, and eSputnik's answer."""

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
        callers: Callers,
        follow: Follow,
        contacts: Contacts | None,
        delivered: Callable[[Record], None],
    ) -> None:
        """`follow` does what a deletion or the answer to an import asks of the gateway itself.

        It may raise Unreachable. With `contacts` a customer has one before what needs it is sent. `delivered`
        is told of each record that eSputnik took.
        """
        self._settings = settings
        self._client = client
        self._gates = gates
        self._dead_letters = dead_letters
        self._clock = clock
        self._callers = callers
        self._follow_up = follow
        self._note_delivered = delivered
        self._ensure = Ensure(contacts, self._ask_apart) if contacts else None
        self._store_is_away = False
        self._site = site.id
        self.change(site)
        self._outcomes = metrics.Bound(metrics.DELIVERIES, site.id)
        self._seconds = metrics.Bound(metrics.DELIVERY_SECONDS, site.id)
        self._dead = metrics.Bound(metrics.DEAD_LETTERS, site.id)

    def change(self, site: Site) -> None:
        """Name the site to the tracker as its settings say from now on."""
        self._tracker_site_id = site.tracker_site_id

    async def deliver(self, together: Sequence[Pending]) -> Sequence[Aside | None]:
        """Return None for each that has nothing left to do: eSputnik has it, or it is kept as a dead letter.

        Several are orders that go out in one call.
        """
        first = together[0]
        if first.letters:
            return [await self._keep(first)]
        call = call_for([_record(pending) for pending in together], self._tracker_site_id)
        if self._ensure is not None and self._gates.wait(call.endpoint) <= 0:
            aside = await self._contact_first(self._ensure, _record(first))
            if aside is not None:
                self._gates.give_back()
                return [aside] * len(together)
        wait = self._gates.enter(call.endpoint)
        if wait > 0:
            return [Aside(wait, held=True)] * len(together)
        counts, answer = await self._ask(call)
        if len(together) > 1 and _is_to_be_split(together, answer):
            for pending in together:
                pending.most = len(together) // 2
            return [Aside(0.0)] * len(together)
        answers = _of_each(together, answer)
        return [
            await self._follow(pending, call, counts, own)
            for pending, own in zip(together, answers, strict=True)
        ]

    async def _contact_first(self, ensure: Ensure, record: Record) -> Aside | None:
        """Return None when the record may go, its customer having a contact as far as it needs one."""
        if not ensure.is_needed(record):
            return None
        held = self._gates.wait(Endpoint.CONTACT)
        if held > 0:
            return Aside(held, held=True)
        try:
            wait = await ensure.wait(record)
        except Unreachable:
            return Aside(STORE_SECONDS)
        return Aside(wait) if wait > 0 else None

    async def _ask_apart(self, call: Call) -> Answer | EsputnikError:
        """Make a call for which no lane has taken its turn."""
        await self._gates.turn()
        if self._gates.enter(call.endpoint) > 0:
            return Unavailable("its circuit is open")
        return (await self._ask(call))[1]

    async def _ask(self, call: Call) -> tuple[bool, Answer | EsputnikError]:
        """Return the outcome, and whether a failure counts against the record."""
        began_at = self._clock.monotonic()
        problem: EsputnikError | None = None
        answer: Answer | EsputnikError
        try:
            if call.target:
                answer = await self._client.call(call.target, call.body, call.request_id)
            else:
                answer = await self._client.track(call.body, call.request_id)
        except EsputnikError as failure:
            answer = problem = failure
        self._seconds[call.endpoint,].observe(self._clock.monotonic() - began_at)
        outcome = "delivered" if problem is None else _OUTCOMES.get(type(problem), "unavailable")
        self._outcomes[call.endpoint, outcome].inc()
        counts = self._gates.are_open(call.endpoint)
        self._gates.learn(call.endpoint, began_at, problem)
        return counts, answer

    async def _follow(
        self, pending: Pending, call: Call, counts: bool, answer: Answer | EsputnikError
    ) -> Aside | None:
        """Return what is left to do for one record after its answer."""
        record = _record(pending)
        if self._ensure is not None and isinstance(answer, Repeated):
            answer = self._ensure.answer_to_twin(record) or answer
        problem = answer if isinstance(answer, EsputnikError) else None
        match verdict(problem, pending.effort, self._settings, counts, random.random(), call):  # noqa: S311 -- jitter
            case Delivered():
                self._note_delivered(record)
                if call.target and not await self._is_followed(pending, answer):
                    return Aside(STORE_SECONDS)
                if not call.target or isinstance(answer, Repeated):  # a repeat's answer was the first one's
                    return None
                return await self._tell(pending, answer, _letters(record, answer))
            case Again(after):
                return self._aside(call.endpoint, after)
            case Dead(reason):
                assert problem is not None
                if record.type in IMPORTS and not await self._is_followed(pending, answer):
                    return Aside(STORE_SECONDS)
                return await self._tell(
                    pending, answer, (dead(record, reason, problem.status, problem.said),)
                )

    async def _is_followed(self, pending: Pending, answer: Answer | EsputnikError) -> bool:
        """Do what the call asks of us; where the store is away, what is taken already comes again."""
        record = _record(pending)
        try:
            if self._ensure is not None:
                await self._ensure.learn(record)
            if record.type in DELETIONS | IMPORTS:
                await self._follow_up(record, answer)
        except Unreachable:
            pending.effort.doubtful |= isinstance(answer, Answer)
            return False
        return True

    async def _tell(
        self, pending: Pending, answer: Answer | EsputnikError, letters: tuple[DeadLetter, ...]
    ) -> Aside | None:
        """Give the answer to the caller; what it refuses is kept unless he has it."""
        record = _record(pending)
        wait = (record.answer_by - self._clock.now_ms()) / 1000
        heard: bool | None = False
        if wait > 0:
            heard = await self._callers.tell(record, Outcome(answer.status or 503, answer.body))
        if heard or not letters:
            return None
        pending.letters = letters
        if heard is None:
            pending.told = True
            return Aside(wait + GRACE_SECONDS)
        return await self._keep(pending)

    def _aside(self, endpoint: Endpoint, after: float) -> Aside:
        if self._gates.are_open(endpoint):
            return Aside(after)
        return Aside(max(after, self._gates.wait(endpoint)) * _BEHIND, held=True)

    async def _keep(self, pending: Pending) -> Aside | None:
        try:
            if pending.told and await self._callers.heard(_record(pending).id):
                return None
            pending.told = False
            await self._dead_letters.keep(*pending.letters)
        except Unreachable as problem:
            if not self._store_is_away:
                _log.warning("dead_letters_wait", site=self._site, reason=str(problem))
            self._store_is_away = True
            return Aside(STORE_SECONDS)
        self._store_is_away = False
        for letter in pending.letters:
            self._dead[letter.reason,].inc()
        return None


def _record(pending: Pending) -> Record:
    assert pending.record is not None, "what cannot be read has letters from the start"
    return pending.record


def _is_to_be_split(together: Sequence[Pending], answer: Answer | EsputnikError) -> bool:
    """Return whether a bulk has to come in smaller ones, until the culprit is alone."""
    if isinstance(answer, EsputnikError):
        return isinstance(answer, Refused) and not isinstance(answer, Repeated)
    return failed_orders(answer, [order_id(_record(pending)) for pending in together]).unclear


def _of_each(together: Sequence[Pending], answer: Answer | EsputnikError) -> Sequence[Answer | EsputnikError]:
    """Return what the answer means for each record: orders are taken or listed as failed one by one."""
    first = _record(together[0])
    if isinstance(answer, EsputnikError) or first.type != ApiCall.ADD_ORDERS:
        return [answer] * len(together)
    ids = [order_id(_record(pending)) for pending in together]
    failed = failed_orders(answer, ids).failed
    return [_of_order(answer, failed.get(one)) for one in ids]


def _of_order(answer: Answer, element: Any) -> Answer | Refused:
    """Return the answer as a call with one order alone would have got it."""
    document = answer.document()
    if element is None:
        if not isinstance(document, dict) or "failedOrders" not in document:
            return answer
        return Answer(answer.status, orjson.dumps({**document, "failedOrders": []}))
    told = document if isinstance(document, dict) else {}
    body = orjson.dumps({**told, "failedOrders": element})
    said = words(orjson.dumps(element))
    return Refused("eSputnik did not take the order", status=answer.status, said=said, body=body)


def _letters(record: Record, answer: Answer | EsputnikError) -> tuple[DeadLetter, ...]:
    """Return a dead letter for each element that a success lists as not taken."""
    if isinstance(answer, EsputnikError):
        return ()
    failed = enumerate(failures(record, answer), 1)
    return tuple(
        dead(letter_record(record, number, failure), Reason.REFUSED, answer.status, failure.said)
        for number, failure in failed
    )
