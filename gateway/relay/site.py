"""One site's way to eSputnik for what is passed through: a deadline, a circuit and a cache."""

from math import ceil
from typing import NamedTuple

from gateway.circuit import Circuit
from gateway.clock import Clock
from gateway.esputnik.client import EsputnikClient, Passed
from gateway.esputnik.errors import Unavailable
from gateway.ingest.problem import Problem
from gateway.metrics import RELAYED, Bound
from gateway.relay.kept import Kept

FAILURES = 5
"""Failures in a row that open the circuit."""
_PROBE_SECONDS = 15.0
_REMEMBERED = 100
"""Answers kept for one site."""
KEPT_BYTES = 8 * 2**20
"""What they may take; recommendations have as much for themselves."""


class Question(NamedTuple):
    """What is passed on."""

    method: str
    path: str
    """With its query, as it came."""
    body: bytes
    accept: str


class SiteRelay:
    """Passes on what is asked of one site's eSputnik.

    No answer is waited for longer than the client's timeout. After five failures in a row nothing is asked
    but a probe now and then; an answer of the server's own failing (5xx) is such a failure, and is passed on.
    """

    def __init__(self, site: str, client: EsputnikClient, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._circuit = Circuit(FAILURES, _PROBE_SECONDS)
        self._kept: Kept[Question, Passed] = Kept(_REMEMBERED, KEPT_BYTES, clock)
        self._counted = Bound(RELAYED, site)

    def use_key(self, api_key: str) -> None:
        """Ask with this key from now on; what was answered to another is not kept."""
        self._client.use_key(api_key)
        self._kept.clear()

    async def answer(self, question: Question, keep_seconds: float = 0) -> Passed:
        """Return eSputnik's answer, or one to the same question of at most `keep_seconds` ago.

        Raises Problem 503 where eSputnik does not answer, or has not for a while.
        """
        kept = self._kept.get(question, keep_seconds)
        if kept is not None:
            self._counted["kept",].inc()
            return kept
        answer = await self._ask(question)
        if keep_seconds and answer.status == 200:
            self._kept.put(question, answer, len(answer.body))
        return answer

    async def _ask(self, question: Question) -> Passed:
        began_at = self._clock.monotonic()
        wait = self._circuit.wait(began_at)
        if wait > 0:
            self._counted["held",].inc()
            raise _away("eSputnik has not answered for a while", wait)
        self._circuit.begin(began_at)
        try:
            answer = await self._client.pass_on(*question)
        except Unavailable:
            self._failed()
            raise _away("eSputnik did not answer in time", 1) from None
        if answer.status >= 500:
            self._failed()
        else:
            self._circuit.succeeded(began_at)
            self._counted["answered",].inc()
        return answer

    def _failed(self) -> None:
        self._circuit.failed(self._clock.monotonic())
        self._counted["unavailable",].inc()


def _away(detail: str, seconds: float) -> Problem:
    return Problem(503, "esputnik_away", detail, {"Retry-After": str(ceil(seconds))})
