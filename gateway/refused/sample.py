"""Takes in what ingest refuses, and writes a sample of it in the background; no answer waits for that."""

import asyncio
from collections import Counter

import orjson
import structlog

from gateway.clock import Clock
from gateway.errors import GatewayError
from gateway.event import event_ids
from gateway.refused import table
from gateway.refused.mask import Known, masked, masked_finding
from gateway.refused.table import OF_A_KIND, Refusal
from gateway.store import Store
from gateway.validation import Refused

SECONDS = 5.0
"""How often a sample is written at most."""
OF_A_SITE = 100
"""Refused events of a site that are looked at between two writes; masking one takes some 50 us."""
_FINDINGS = 5

_log = structlog.get_logger()


class RefusedSample:
    """A sample of this process's refused events; what the database does not take at once is dropped."""

    def __init__(self, known: Known, store: Store, clock: Clock) -> None:
        self._known = known
        self._store = store
        self._clock = clock
        self._news = asyncio.Event()
        self._waiting: list[Refusal] = []
        self._taken = Counter[tuple[str, ...]]()

    def look(self, site: str, refused: Refused, event: object) -> None:
        """Take in one refused event, if there are not enough of its kind already."""
        kind = (site, refused.type, refused.code)
        if self._taken[kind] >= OF_A_KIND or self._taken[site,] >= OF_A_SITE:
            return
        self._taken.update((kind, (site,)))
        self._waiting.append(self._refusal(site, refused, event))
        self._news.set()

    def _refusal(self, site: str, refused: Refused, event: object) -> Refusal:
        findings = refused.errors[:_FINDINGS]
        errors = [masked_finding(finding, self._known) for finding in findings]
        shape = masked(event, self._known, findings)
        (id_,) = event_ids(1)
        texts = orjson.dumps(errors).decode(), orjson.dumps(shape).decode()
        return Refusal(site, id_, refused.type, refused.code, self._clock.now_ms(), *texts)

    async def run(self) -> None:
        """Write whenever there is news, until cancelled."""
        while True:
            await self._news.wait()
            try:
                await self.write()
            except GatewayError as problem:
                _log.info("refused_sample_dropped", reason=str(problem))
            await self._clock.sleep(SECONDS)

    async def write(self) -> None:
        """Write what waits, and begin anew. Raises GatewayError where the database does not take it."""
        self._news.clear()
        waiting, self._waiting = self._waiting, []
        self._taken.clear()
        if waiting:
            await table.keep(self._store, waiting)
