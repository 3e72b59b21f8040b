"""Removes what has been kept for its days, also of a site that refuses nothing any more."""

import structlog

from gateway.clock import Clock
from gateway.errors import Unreachable
from gateway.refused import table
from gateway.store import Store

SECONDS = 3600.0
"""How often."""

_log = structlog.get_logger()


async def sweep(store: Store, clock: Clock) -> None:
    """Sweep at once and every hour, until cancelled; while the database is away the next hour does it."""
    while True:
        try:
            while await table.expire(store, clock.now_ms()) == table.SWEPT:
                pass
        except Unreachable as problem:
            _log.info("refused_sweep_waits", reason=str(problem))
        await clock.sleep(SECONDS)
