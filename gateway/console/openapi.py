"""What the contract says of the operator's routes: OpenAPI 3.1, made from the orders they take."""

from typing import Any

from pydantic import BaseModel

from gateway.console.letters import LAST
from gateway.console.patch import JSON_PATCH, MERGE_PATCH
from gateway.console.people import ForgetOrder, LiftOrder, MergeOrder, UnmergeOrder
from gateway.console.routes import DropOrder, Order

_TEXT = {"type": "string"}
_EVENT_ID = {"name": "event_id", "in": "path", "required": True, "schema": _TEXT}
_AFTER = {"name": "after", "in": "query", "schema": {"type": "integer", "minimum": 0, "maximum": LAST}}
_CHOICE = ("site", "type", "reason")
_REFUSED = ("site", "type", "code")
_PEOPLE = ("site", "cookie", "customer", "email", "phone")
_PROBLEMS = {
    "400": "the order cannot be understood",
    "401": "the operator's key is missing or not known",
    "404": "nothing or nobody is known by that name",
    "409": "it makes no sense as things stand",
    "503": "the database or the stream is away; ask again",
}


def operator_paths() -> dict[str, Any]:
    """Return the path items of every route that `Console` has."""
    return {
        "/v1/dead": {"get": asking("Dead letters by site, type and reason", *_queries(_CHOICE))},
        "/v1/dead/letters": {"get": asking("Dead letters, oldest first", *_queries(_CHOICE), _AFTER)},
        "/v1/dead/letters/{event_id}": {
            "parameters": [_EVENT_ID],
            "get": asking("One dead letter with its event"),
            "patch": _operation(
                "Change its event", {JSON_PATCH: {"type": "array"}, MERGE_PATCH: {"type": "object"}}
            ),
        },
        "/v1/dead/replay": {"post": ordering("Send dead letters again, a batch a request", Order)},
        "/v1/dead/drop": {"post": ordering("Remove dead letters, a batch a request", DropOrder)},
        "/v1/product-keys": {
            "get": asking("Whether a site names its products alike everywhere", *_queries(("site", "keys")))
        },
        "/v1/refused": {
            "get": asking("A masked sample of refused events, newest first", *_queries(_REFUSED))
        },
        "/v1/people": {"get": asking("What is known of a person", *_queries(_PEOPLE))},
        "/v1/people/merge": {"post": ordering("Make one customer another", MergeOrder)},
        "/v1/people/unmerge": {"post": ordering("Undo a merge", UnmergeOrder)},
        "/v1/people/lift": {"post": ordering("Let a placeholder name people again", LiftOrder)},
        "/v1/people/forget": {"post": ordering("Erase a person", ForgetOrder)},
    }


def _queries(names: tuple[str, ...]) -> list[dict[str, Any]]:
    return [{"name": name, "in": "query", "schema": _TEXT} for name in names]


def asking(summary: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    """Return an operation that the operator's key opens, and that changes nothing."""
    return _operation(summary) | ({"parameters": list(parameters)} if parameters else {})


def ordering(summary: str, order: type[BaseModel]) -> dict[str, Any]:
    """Return an operation that the operator's key opens, and that takes such an order."""
    return _operation(summary, {"application/json": order.model_json_schema()})


def _operation(summary: str, bodies: dict[str, dict[str, Any]] | None = None) -> dict[str, Any]:
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    answers: dict[str, Any] = {
        status: {"description": text, "content": problem} for status, text in _PROBLEMS.items()
    }
    answers["200"] = {"description": "done", "content": {"application/json": {"schema": {"type": "object"}}}}
    operation: dict[str, Any] = {
        "summary": summary,
        "tags": ["operator"],
        "security": [{"basic": []}, {"bearer": []}, {"header": []}],
        "responses": answers,
    }
    if bodies:
        content = {kind: {"schema": schema} for kind, schema in bodies.items()}
        operation["requestBody"] = {"required": True, "content": content}
    return operation
