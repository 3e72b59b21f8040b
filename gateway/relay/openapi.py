"""What the contract says of what is passed on: OpenAPI 3.1, made from the table of calls."""

from typing import Any

from gateway.ingest.api_openapi import operation, path_items
from gateway.relay.asking import FULL, IDENTIFIERS, Outcome
from gateway.relay.recommendations import PATH, WHY_EMPTY
from gateway.relay.routes import PASSES, Pass

_OWN = {"description": "eSputnik's own answer, status and body as it gave them"}
_PROBLEMS = {
    "401": "a key is missing or not known here",
    "408": "the body took too long to arrive",
    "413": "the body is over the limit",
    "503": "eSputnik does not answer; Retry-After says when to ask again",
}
_TEXT = {"type": "string"}
_OF_RECOMMENDATIONS = {
    "400": "none of the identifiers is given",
    "401": "a key is missing or not known here",
}
_LIST = {
    "description": "products as eSputnik gave them, always a list; an empty one where it has none in time",
    "headers": {WHY_EMPTY: {"schema": {"enum": sorted(set(Outcome) - FULL)}}},
    "content": {"application/json": {"schema": {"type": "array", "items": {"type": "object"}}}},
}


def relay_paths() -> dict[str, Any]:
    """Return the path items of every call that is passed on; their query and body are eSputnik's affair."""
    passes = [(call.method, f"/{call.path}", _operation(call)) for call in PASSES]
    return path_items([*passes, ("GET", f"/{PATH}", _recommendations())])


def _operation(call: Pass) -> dict[str, Any]:
    made = operation("Passed on to eSputnik", call.path, "relay", {"default": _OWN}, _PROBLEMS.items())
    kept = " An answer is kept for a while; Cache-Control: no-cache asks anew." if call.is_kept else ""
    made["description"] = f"Also under /api.{kept}"
    if call.method == "POST":
        made["requestBody"] = {"content": {"application/json": {"schema": {}}}}
    return made


def _recommendations() -> dict[str, Any]:
    query = [
        {"name": name, "in": "query", "schema": _TEXT} for name in (*IDENTIFIERS, "products", "category")
    ]
    made = operation(
        "What to recommend to a customer, a contact or a cookie",
        PATH,
        "relay",
        {"200": _LIST},
        _OF_RECOMMENDATIONS.items(),
        query,
    )
    made["description"] = (
        "Also under /api. One identifier is required; a cookie's customer and a customer's cookie are filled "
        "in. An answer is kept for a while; Cache-Control: no-cache asks anew."
    )
    return made
