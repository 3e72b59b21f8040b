"""What the contract says of eSputnik's own API: OpenAPI 3.1, made from the table of calls."""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from gateway.calls import ApiCall
from gateway.ingest.api_routes import WRITES, Write
from gateway.ingest.openapi import ANY_KEY, API_SCHEMAS, IDEMPOTENCY_KEY, PROBLEM, PROBLEMS

_TEXT = {"type": "string"}
_ALSO = "Also under /api."
_DELETION = ("externalCustomerId", "erase", "dry_run")
_OWN = {"default": {"description": "eSputnik's own answer, status and body as it gave them"}}
_REFUSALS = {
    **{status: text for status, text in PROBLEMS.items() if status != "403"},
    "400": "the body is not JSON or is damaged, or eSputnik could not use it; errors name field and rule",
}
_ANSWER = {
    "type": "object",
    "description": "eSputnik's own answer, or where that is not there in time: queued",
    "properties": {"queued": {"const": True}, "requestId": {"type": "string", "format": "uuid"}},
}


def api_paths() -> dict[str, Any]:
    """Return the path items of every call that is kept and delivered, and of the list of their schemas."""
    names = {"name": "type", "in": "path", "required": True, "schema": {"enum": list(ApiCall)}}
    paths = path_items((write.method, f"/{write.path}", _write(write)) for write in WRITES)
    paths["/v1/schemas/api"] = {"get": _read("The calls and where their schemas are", "application/json")}
    one = _read("The JSON Schema of a call's body", "application/schema+json") | {"parameters": [names]}
    paths["/v1/schemas/api/{type}"] = {"get": one}
    return paths


def path_items(operations: Iterable[tuple[str, str, dict[str, Any]]]) -> dict[str, Any]:
    """Return path items by path, of methods with their paths and operations."""
    items = defaultdict[str, dict[str, Any]](dict)
    for method, path, operation in operations:
        items[path][method.lower()] = operation
    return dict(items)


def together(*parts: Mapping[str, Any]) -> dict[str, Any]:
    """Return path items of several rooms as one; a path may have methods in more than one room."""
    return path_items(
        (method, path, operation)
        for part in parts
        for path, item in part.items()
        for method, operation in item.items()
    )


def operation(
    summary: str,
    path: str,
    tag: str,
    answers: Mapping[str, Any],
    problems: Iterable[tuple[str, str]],
    parameters: Iterable[Mapping[str, Any]] = (),
) -> dict[str, Any]:
    """Return an operation that the site's key opens, with the parameters that its path has and more."""
    of_path = [
        {"name": name, "in": "path", "required": True, "schema": {**_TEXT, "minLength": 1}}
        for name in re.findall(r"{(\w+)}", path)
    ]
    refusals = {status: {"description": text, "content": PROBLEM} for status, text in problems}
    return {
        "summary": summary,
        "tags": [tag],
        "security": ANY_KEY,
        "parameters": [*of_path, *parameters],
        "responses": {**refusals, **answers},
    }


def _write(write: Write) -> dict[str, Any]:
    answer = {"description": "kept", "content": {"application/json": {"schema": _ANSWER}}}
    made = operation(
        f"{write.call}: kept, delivered, and answered by eSputnik or as queued",
        write.path,
        "esputnik",
        {"200": answer, **_OWN},
        _REFUSALS.items(),
        [IDEMPOTENCY_KEY],
    )
    made["description"] = _ALSO
    if write.call is not ApiCall.DELETE_CONTACT:
        schema = {"$ref": API_SCHEMAS + write.call}
        made["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    elif "{" not in write.path:
        made["parameters"] += [{"name": name, "in": "query", "schema": _TEXT} for name in _DELETION]
    return made


def _read(summary: str, content_type: str) -> dict[str, Any]:
    schema = {"type": "array"} if content_type == "application/json" else {"type": "object"}
    answer = {"description": summary, "content": {content_type: {"schema": schema}}}
    missing = {"description": "no call has this name", "content": PROBLEM}
    return {"summary": summary, "tags": ["esputnik"], "responses": {"200": answer, "404": missing}}
