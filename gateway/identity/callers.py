"""Ids that callers chose: the first record with one holds it, any other within the window is its repeat."""

from collections.abc import Iterable, Sequence

from gateway.event import Record
from gateway.store import Transaction, bulk

WINDOW_MS = 24 * 3600 * 1000
"""How long after its first record a caller's id makes a repeat harmless."""

_KEPT_MS = 2 * WINDOW_MS
"""How long rows stay: a partition that lags a day behind the others still finds its own."""

_CLAIM = """
    INSERT INTO caller_ids (site, event_id, position, accepted_at)
    SELECT value->>0, value->>1, value->>2, CAST(value->>3 AS bigint) FROM rows($1) WHERE true
    ON CONFLICT (site, event_id) DO UPDATE SET
        position = CASE WHEN excluded.accepted_at - caller_ids.accepted_at >= $2
                        THEN excluded.position ELSE caller_ids.position END,
        accepted_at = CASE WHEN excluded.accepted_at - caller_ids.accepted_at >= $2
                           THEN excluded.accepted_at ELSE caller_ids.accepted_at END
    RETURNING site, event_id, position, accepted_at
"""

_SWEEP = """
    WITH old AS MATERIALIZED (
        SELECT site, event_id FROM caller_ids WHERE accepted_at < $1
        ORDER BY accepted_at LIMIT $2 FOR UPDATE SKIP LOCKED)
    DELETE FROM caller_ids WHERE (site, event_id) IN (SELECT site, event_id FROM old)
"""


async def claim(transaction: Transaction, records: Iterable[tuple[str, Record]]) -> set[str]:
    """Claim the callers' ids for the records that come first with them; return the positions of repeats.

    A record is a repeat only if another position holds its id, so a batch done again finds its own claims.
    """
    claimants = [(position, record) for position, record in records if record.caller_id]
    if not claimants:
        return set()
    first: dict[tuple[str, str], tuple[str, int]] = {}
    for position, record in claimants:
        first.setdefault((record.site, record.id), (position, record.accepted_at))
    rows = sorted((*key, *held) for key, held in first.items())
    holders = {
        (site, event): (position, accepted_at)
        for site, event, position, accepted_at in await transaction.fetch(_CLAIM, bulk(rows), WINDOW_MS)
    }
    await _sweep(transaction, claimants)
    return {
        position
        for position, record in claimants
        if _is_repeat(position, record, *holders[record.site, record.id])
    }


def _is_repeat(position: str, record: Record, holder: str, held_since: int) -> bool:
    return position != holder and abs(record.accepted_at - held_since) < WINDOW_MS


async def _sweep(transaction: Transaction, claimants: Sequence[tuple[str, Record]]) -> None:
    """Remove some of the oldest rows: twice as many as came, so that the table does not grow."""
    newest = max(record.accepted_at for _, record in claimants)
    await transaction.execute(_SWEEP, newest - _KEPT_MS, 2 * len(claimants))
