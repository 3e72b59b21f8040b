"""What the contract says of the routes about jobs."""

from typing import Any

from gateway.ingest.api_openapi import operation, path_items
from gateway.jobs.routes import MOST_ROWS

_JOB = {
    "type": "object",
    "required": ["id", "kind", "status", "received", "failed", "created_at", "updated_at", "failed_csv"],
    "properties": {
        "id": {"type": "string"},
        "status": {"enum": ["STARTED", "IMPORTING", "FINISHED", "ERROR", "LOST"]},
        "received": {"type": "integer"},
        "failed": {"type": "integer"},
    },
}
_JOBS = {"type": "object", "required": ["jobs"], "properties": {"jobs": {"type": "array", "items": _JOB}}}
_ROWS = {"name": "rows", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": MOST_ROWS}}
_KEY = ("401", "a key is missing or not known")
_UNKNOWN = ("404", "no job of this site has this id, or eSputnik has not taken it yet")
_BAD_ROWS = ("400", "rows is no number within bounds")
_AWAY = ("503", "the database is away; ask again")


def job_paths() -> dict[str, Any]:
    """Return the path items of every route that `Jobs` has."""
    return path_items(
        [
            _get("The site's newest jobs", "/v1/jobs", "application/json", _JOBS, _KEY, _AWAY),
            _get("One job", "/v1/jobs/{id}", "application/json", _JOB, _BAD_ROWS, _KEY, _UNKNOWN, _AWAY),
            _get(
                "Its failed rows",
                "/v1/jobs/{id}/failed.csv",
                "text/csv",
                {"type": "string"},
                _KEY,
                _UNKNOWN,
                _AWAY,
            ),
        ]
    )


def _get(
    summary: str, path: str, content_type: str, schema: dict[str, Any], *problems: tuple[str, str]
) -> tuple[str, str, dict[str, Any]]:
    answer = {"description": summary, "content": {content_type: {"schema": schema}}}
    parameters = [_ROWS] if _BAD_ROWS in problems else []
    return "GET", path, operation(summary, path, "jobs", {"200": answer}, problems, parameters)
