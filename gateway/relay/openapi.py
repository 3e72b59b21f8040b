"""What the contract says of what is passed on: OpenAPI 3.1, made from the table of calls."""

from typing import Any

from gateway.ingest.api_openapi import operation, path_items
from gateway.relay.routes import PASSES, Pass

_OWN = {"description": "eSputnik's own answer, status and body as it gave them"}
_PROBLEMS = {
    "401": "a key is missing or not known here",
    "408": "the body took too long to arrive",
    "413": "the body is over the limit",
    "503": "eSputnik does not answer; Retry-After says when to ask again",
}


def relay_paths() -> dict[str, Any]:
    """Return the path items of every call that is passed on; their query and body are eSputnik's affair."""
    return path_items((call.method, f"/{call.path}", _operation(call)) for call in PASSES)


def _operation(call: Pass) -> dict[str, Any]:
    made = operation("Passed on to eSputnik", call.path, "relay", {"default": _OWN}, _PROBLEMS.items())
    kept = " An answer is kept for a while; Cache-Control: no-cache asks anew." if call.is_kept else ""
    made["description"] = f"Also under /api.{kept}"
    if call.method == "POST":
        made["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    return made
