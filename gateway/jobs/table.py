"""Jobs in the shared database. One row for each, and one for each row of it that failed."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import orjson

from gateway.store import Store, bulk

STARTED = "STARTED"
FINISHED, ERROR, LOST = "FINISHED", "ERROR", "LOST"
"""How a job ends; LOST is one of which eSputnik tells nothing any more."""
_ENDED = frozenset([FINISHED, ERROR, LOST])
_FIRST_LOOK_MS = 500
_LEASE_MS = 60_000
_KEPT_MS = 30 * 24 * 3600 * 1000

_COLUMNS = "id, site, kind, status, description, session, received, failed, created_at, updated_at"
_BEGIN = f"""
    INSERT INTO jobs ({_COLUMNS}, look_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $9, $10)
    ON CONFLICT (id) DO UPDATE SET status = excluded.status, description = excluded.description,
        session = excluded.session, failed = excluded.failed, updated_at = excluded.updated_at,
        look_at = excluded.look_at
    WHERE jobs.session = ''
"""  # noqa: S608 -- all of it is ours
_ROW = """
    INSERT INTO job_rows (job, number, site, customer, reason, content)
    SELECT value->>0, CAST(value->>1 AS integer), value->>2, value->>3, value->>4, value->>5
    FROM rows($1) WHERE true ON CONFLICT DO NOTHING
"""
_SWEEP = (
    "DELETE FROM job_rows WHERE job IN (SELECT id FROM jobs WHERE created_at < $1)",
    "DELETE FROM jobs WHERE created_at < $1",
)
_DUE = f"""
    UPDATE jobs SET look_at = $2 WHERE id IN (
        SELECT id FROM jobs WHERE look_at <= $1 AND status NOT IN ('{FINISHED}', '{ERROR}', '{LOST}')
        ORDER BY look_at LIMIT 20 FOR UPDATE SKIP LOCKED)
    RETURNING {_COLUMNS}
"""  # noqa: S608 -- all of it is ours
_LOOKED = """
    UPDATE jobs SET status = $2, description = $3, updated_at = $4, look_at = $5 WHERE id = $1
"""
_ONE = f"SELECT {_COLUMNS} FROM jobs WHERE site = $1 AND id = $2"  # noqa: S608
_NEWEST = f"SELECT {_COLUMNS} FROM jobs WHERE site = $1 ORDER BY created_at DESC, id DESC LIMIT $2"  # noqa: S608
_ROWS = "SELECT number, reason, content FROM job_rows WHERE job = $1 ORDER BY number LIMIT $2"
_FORGET = "DELETE FROM job_rows WHERE site = $1 AND customer IN (SELECT value->>0 FROM rows($2))"


@dataclass(frozen=True, slots=True)
class Job:
    """One import."""

    id: str
    site: str
    kind: str
    status: str
    """eSputnik's STARTED, IMPORTING, FINISHED or ERROR; else LOST."""
    description: str
    session: str
    """eSputnik's asyncSessionId."""
    received: int
    failed: int
    created_at: int
    updated_at: int

    @property
    def has_ended(self) -> bool:
        """Return whether nothing more will become of it."""
        return self.status in _ENDED


@dataclass(frozen=True, slots=True)
class FailedRow:
    """One row that eSputnik did not take."""

    number: int
    """From 1, among those that failed."""
    reason: str
    """In eSputnik's words."""
    content: Any


async def begin(store: Store, job: Job, failed: Sequence[FailedRow]) -> None:
    """Keep a new job with its failed rows. Raises Unreachable.

    One that is there already stays, unless eSputnik had not taken it: an operator may have sent it once more.
    """
    rows = [
        (job.id, row.number, job.site, _customer(row.content), row.reason, orjson.dumps(row.content).decode())
        for row in failed
    ]
    async with store.transaction() as transaction:
        for sql in _SWEEP:
            await transaction.execute(sql, job.created_at - _KEPT_MS)
        await transaction.execute(
            _BEGIN,
            job.id,
            job.site,
            job.kind,
            job.status,
            job.description,
            job.session,
            job.received,
            job.failed,
            job.created_at,
            job.created_at + _FIRST_LOOK_MS,
        )
        await transaction.execute(_ROW, bulk(rows))


async def due(store: Store, now_ms: int) -> list[Job]:
    """Take some jobs to look after; a process that dies over them leaves them to others after a minute."""
    async with store.transaction() as transaction:
        return [Job(*row) for row in await transaction.fetch(_DUE, now_ms, now_ms + _LEASE_MS)]


async def looked(store: Store, job: Job, status: str, description: str, now_ms: int, again_at: int) -> None:
    """Keep what eSputnik has told of the job, and when to ask again. Raises Unreachable."""
    async with store.transaction() as transaction:
        await transaction.execute(_LOOKED, job.id, status, description, now_ms, again_at)


async def one(store: Store, site: str, job_id: str) -> Job | None:
    """Return the site's job of that id. Raises Unreachable."""
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_ONE, site, job_id)
    return Job(*rows[0]) if rows else None


async def newest(store: Store, site: str, most: int) -> list[Job]:
    """Return the site's jobs, the newest first. Raises Unreachable."""
    async with store.transaction() as transaction:
        return [Job(*row) for row in await transaction.fetch(_NEWEST, site, most)]


async def failed_rows(store: Store, job: Job, most: int) -> list[FailedRow]:
    """Return the job's failed rows in their order. Raises Unreachable."""
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_ROWS, job.id, most)
    return [FailedRow(number, reason, orjson.loads(content)) for number, reason, content in rows]


async def forget(store: Store, site: str, customers: Collection[str]) -> None:
    """Remove the failed rows of these customers. Raises Unreachable."""
    async with store.transaction() as transaction:
        await transaction.execute(_FORGET, site, bulk((customer,) for customer in customers))


def _customer(content: Any) -> str:
    return str(content.get("externalCustomerId", "")) if isinstance(content, dict) else ""
