"""What became of a site's jobs, for whoever has the site's key."""

from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import hdrs, web

from gateway.config import Config
from gateway.console.answers import json_of, time_of
from gateway.errors import Unreachable
from gateway.ingest.auth import Keys
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Handler, Route
from gateway.jobs import table
from gateway.jobs.rows import as_csv
from gateway.jobs.table import Job
from gateway.store import Store

_SHOWN = 100
_NEWEST = 100
MOST_ROWS = 3000


class Jobs:
    """The handlers, with the parts they need."""

    def __init__(self, config: Config, store: Store) -> None:
        self.change(config)
        self._store = store

    def change(self, config: Config) -> None:
        """Take over the sites' keys."""
        self._keys = Keys({site.id: site.keys for site in config.sites})

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route."""
        return [
            (hdrs.METH_GET, "/v1/jobs", self._with_store(self.get_jobs)),
            (hdrs.METH_GET, "/v1/jobs/{id}", self._with_store(self.get_job)),
            (hdrs.METH_GET, "/v1/jobs/{id}/failed.csv", self._with_store(self.get_failed)),
        ]

    def _with_store(self, handler: Callable[[web.Request, str, Store], Awaitable[web.Response]]) -> Handler:
        async def answer(request: web.Request) -> web.Response:
            site = self._keys.holder(request.headers)
            try:
                return await handler(request, site, self._store)
            except Unreachable:
                raise Problem(503, "away", "the database is away; ask again", {"Retry-After": "5"}) from None

        return answer

    async def get_jobs(self, request: web.Request, site: str, store: Store) -> web.Response:
        """Return the site's newest jobs."""
        return json_of({"jobs": [_told(job) for job in await table.newest(store, site, _NEWEST)]})

    async def get_job(self, request: web.Request, site: str, store: Store) -> web.Response:
        """Return one job with the first of its failed rows, `rows` of them (100)."""
        job = await _job(request, site, store)
        failed = await table.failed_rows(store, job, _rows(request))
        rows = [{"number": row.number, "reason": row.reason, "row": row.content} for row in failed]
        return json_of({**_told(job), "failed_rows": rows})

    async def get_failed(self, request: web.Request, site: str, store: Store) -> web.Response:
        """Return the job's failed rows as CSV, to be mended and sent again."""
        job = await _job(request, site, store)
        failed = await table.failed_rows(store, job, MOST_ROWS)
        return web.Response(text=as_csv((r.reason, r.content) for r in failed), content_type="text/csv")


def _rows(request: web.Request) -> int:
    try:
        rows = int(request.query.get("rows", _SHOWN))
    except ValueError:
        rows = -1
    if not 0 <= rows <= MOST_ROWS:
        raise Problem(400, "bad_request", f"rows: must be a number up to {MOST_ROWS}")
    return rows


async def _job(request: web.Request, site: str, store: Store) -> Job:
    job = await table.one(store, site, request.match_info["id"])
    if job is None:
        detail = "no job of this site has this id, or eSputnik has not taken it yet"
        raise Problem(404, "not_found", detail)
    return job


def _told(job: Job) -> dict[str, Any]:
    names = ("id", "kind", "status", "description", "session", "received", "failed")
    times = {name: time_of(getattr(job, name)) for name in ("created_at", "updated_at")}
    csv = f"/v1/jobs/{job.id}/failed.csv"
    return {name: getattr(job, name) for name in names} | times | {"failed_csv": csv}
