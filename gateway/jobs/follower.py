"""Asks eSputnik how imports get on, until they have ended (docs page 29359639788; importstatus)."""

from collections.abc import Mapping
from urllib.parse import quote

import structlog

from gateway.clock import Clock
from gateway.errors import Unreachable
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError, Refused
from gateway.jobs import table
from gateway.jobs.table import ERROR, FINISHED, LOST, Job
from gateway.store import Store

_LOOK_SECONDS = 0.5
_SLOWEST_MS = 60_000
_PART_OF_AGE = 4
"""An import that has taken four minutes is asked for again after one."""
_LOST_MS = 24 * 3600 * 1000

_log = structlog.get_logger()


class Follower:
    """Follows the jobs of some sites; several processes share them."""

    def __init__(self, store: Store, clients: Mapping[str, EsputnikClient], clock: Clock) -> None:
        self._store = store
        self._clients = clients
        self._clock = clock

    async def watch(self) -> None:
        """Look after the jobs again and again, until cancelled."""
        away = False
        while True:
            await self._clock.sleep(_LOOK_SECONDS)
            try:
                for job in await table.due(self._store, self._clock.now_ms()):
                    await self._look(job)
                away = False
            except Unreachable as problem:
                if not away:
                    _log.warning("jobs_wait", reason=str(problem))
                away = True

    async def _look(self, job: Job) -> None:
        client = self._clients.get(job.site)
        if client is None:  # a site that another process has, or that is not configured any more
            return
        status, description = job.status, job.description
        try:
            target = f"GET v1/importstatus/{quote(job.session, safe='')}"
            answer = await client.call(target, b"", job.id)
        except Refused:
            status = LOST
        except EsputnikError:
            pass  # asked again
        else:
            status = _word(answer.field("status")) or status
            description = str(answer.field("description") or "")
        now = self._clock.now_ms()
        age = now - job.created_at
        if age > _LOST_MS and status not in (FINISHED, ERROR):
            status = LOST
        wait = min(_SLOWEST_MS, age // _PART_OF_AGE)
        await table.looked(self._store, job, status, description[:500], now, now + wait)


def _word(status: object) -> str:
    """Return a status of eSputnik's, "" for anything else."""
    word = str(status).upper()
    return word if word in ("STARTED", "IMPORTING", FINISHED, ERROR) else ""
