"""What delivered calls ask of the gateway itself: a deletion to erase, an import to be followed."""

import orjson

from gateway.calls import IMPORTS
from gateway.clock import Clock
from gateway.delivery.bulk import failures
from gateway.erasure import Erasure
from gateway.esputnik.answers import Answer
from gateway.esputnik.errors import EsputnikError
from gateway.event import Record
from gateway.jobs import table
from gateway.jobs.table import FailedRow, Job
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
        if record.type in IMPORTS and isinstance(answer, Answer):
            await self._begin(record, answer)

    async def _begin(self, record: Record, answer: Answer) -> None:
        session = answer.field("asyncSessionId")
        if session is None:
            return
        failed = [
            FailedRow(number, failure.said, next(iter(orjson.loads(failure.body)["contacts"]), {}))
            for number, failure in enumerate(failures(record, answer), 1)
        ]
        received = len(orjson.loads(record.body).get("contacts", ()))
        now = self._clock.now_ms()
        job = Job(
            record.id, record.site, record.type, "STARTED", "", str(session), received, len(failed), now, now
        )
        await table.begin(self._store, job, failed)
