"""What delivered calls ask of the gateway itself: a deletion to erase, an import to be followed."""

import orjson

from gateway.calls import IMPORTS
from gateway.clock import Clock
from gateway.delivery.bulk import failures
from gateway.erasure import Erasure
from gateway.esputnik.answers import Answer, elements
from gateway.esputnik.errors import EsputnikError
from gateway.event import Record
from gateway.jobs import table
from gateway.jobs.table import ERROR, STARTED, FailedRow, Job
from gateway.store import Store


class Aftermath:
    """Does it; what is done again does no harm."""

    def __init__(self, store: Store, erasure: Erasure, clock: Clock) -> None:
        self._store = store
        self._erasure = erasure
        self._clock = clock

    async def follow(self, record: Record, answer: Answer | EsputnikError) -> None:
        """Erase whom a deletion was about; begin the job of an import. Raises Unreachable."""
        await self._erasure.follow(record)
        if record.type not in IMPORTS:
            return
        if isinstance(answer, Answer):
            await self._begin(record, answer)
        else:
            await self._keep_refused(record, answer)

    async def _begin(self, record: Record, answer: Answer) -> None:
        session = answer.field("asyncSessionId")
        if session is None:
            return
        failed = [
            FailedRow(number, failure.said, next(iter(orjson.loads(failure.body)["contacts"]), {}))
            for number, failure in enumerate(failures(record, answer), 1)
        ]
        await table.begin(self._store, self._job(record, STARTED, "", str(session), len(failed)), failed)

    async def _keep_refused(self, record: Record, problem: EsputnikError) -> None:
        """Keep a job that has ended before it began, for whoever was answered that the call is queued."""
        job = self._job(record, ERROR, problem.said or str(problem), "", _rows(record))
        await table.begin(self._store, job, ())

    def _job(self, record: Record, status: str, description: str, session: str, failed: int) -> Job:
        now = self._clock.now_ms()
        received = _rows(record)
        return Job(
            record.id, record.site, record.type, status, description, session, received, failed, now, now
        )


def _rows(record: Record) -> int:
    return len(elements(orjson.loads(record.body).get("contacts")))
