"""The contract for machines and for people: OpenAPI 3.1 made from the schemas, and a page to read it."""

from collections.abc import Mapping
from importlib import resources
from importlib.metadata import version
from typing import Any

from gateway.validation import Catalogue

API_SCHEMAS = "#/components/schemas/api."
"""What stands before the names of the schemas of eSputnik's own API: a product is another thing there."""

DOCS_PAGE = resources.files(__package__).joinpath("docs.html").read_text(encoding="utf-8")

_POINTER_ERROR = {
    "type": "object",
    "required": ["pointer", "code", "message"],
    "properties": {
        "pointer": {"type": "string", "description": "JSON Pointer (RFC 6901) into the event"},
        "code": {"type": "string", "description": "stable name of the rule"},
        "message": {"type": "string"},
    },
}

_RESULT = {
    "oneOf": [
        {
            "title": "Accepted",
            "type": "object",
            "required": ["index", "id", "status", "warnings"],
            "properties": {
                "index": {"type": "integer"},
                "id": {
                    "type": "string",
                    "format": "uuid",
                    "description": "what eSputnik gets as X-Request-Id",
                },
                "status": {"const": "accepted"},
                "durable": {"enum": ["stream", "disk"]},
                "duplicate": {"const": True, "description": "a repeat of the caller's own id"},
                "warnings": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            },
        },
        {
            "title": "Refused",
            "type": "object",
            "required": ["index", "status", "code", "errors"],
            "properties": {
                "index": {"type": "integer"},
                "status": {"const": "refused"},
                "code": {"type": "string"},
                "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
            },
        },
    ]
}

_RESULTS = {
    "type": "object",
    "required": ["accepted", "refused", "results"],
    "properties": {
        "accepted": {"type": "integer"},
        "refused": {"type": "integer"},
        "results": {
            "type": "array",
            "description": "one result per event, in the order they were posted",
            "items": {"$ref": "#/components/schemas/Result"},
        },
    },
}

_PROBLEM = {
    "type": "object",
    "description": "RFC 9457 problem details; nothing of the request is promised",
    "required": ["type", "title", "status", "detail", "code"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "message": {"type": "string", "description": "the detail, where eSputnik's own clients look for it"},
        "errors": {"type": "array", "items": {"$ref": "#/components/schemas/Finding"}},
    },
}

PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
PROBLEMS = {
    "400": "the body is not JSON, is damaged, or is no event",
    "401": "a key is missing or not known",
    "403": "the key belongs to another site",
    "408": "the body took too long to arrive",
    "413": "the body or the number of events is over the limit",
    "415": "the encoding or charset is not supported",
    "429": "the site posts faster than it may; Retry-After says when to post again",
    "503": "the events cannot be made durable now; Retry-After says when to post again",
}


def openapi(catalogue: Catalogue, others: Mapping[str, Any]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document; its event schemas are the ones that events are judged by.

    `others` are the path items of routes of other rooms.
    """
    schemas = catalogue.bundled("#/components/schemas/")
    api = Catalogue("api").bundled(API_SCHEMAS)
    of_calls = {f"{API_SCHEMAS.rpartition('/')[2]}{name}": schema for name, schema in api.items()}
    events = [{"$ref": f"#/components/schemas/{name}"} for name in catalogue.names]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "eSputnik event gateway",
            "version": version("esputnik-gateway"),
            "description": "Takes a store's events, answers once they are durable, brings them to eSputnik.",
        },
        "paths": {
            "/v1/events": {"post": _post_events()},
            "/api/v2": {"post": _post_tracker()},
            "/v1/schemas": {"get": _get("The event types", "application/json", {"type": "array"})},
            "/v1/schemas/{type}": {
                "parameters": [
                    {
                        "name": "type",
                        "in": "path",
                        "required": True,
                        "schema": {"enum": list(catalogue.names)},
                    }
                ],
                "get": _get("An event type's JSON Schema", "application/schema+json", {"type": "object"}),
            },
            "/livez": {"get": _get("Whether the process is alive", "application/json", {"type": "object"})},
            "/readyz": {
                "get": _get("Whether events can be made durable", "application/json", {"type": "object"})
            },
            **others,
        },
        "components": {
            "schemas": {
                **schemas,
                **of_calls,
                "Event": {"anyOf": events},
                "Finding": _POINTER_ERROR,
                "Result": _RESULT,
                "Results": _RESULTS,
                "Problem": _PROBLEM,
            },
            "securitySchemes": {
                "basic": {
                    "type": "http",
                    "scheme": "basic",
                    "description": "any user, the site's key as password",
                },
                "bearer": {"type": "http", "scheme": "bearer"},
                "header": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
            },
        },
    }


_EVENT = {"$ref": "#/components/schemas/Event"}
_OTHER_SITE = {"403": "every event names another site"}
ANY_KEY: list[dict[str, list[str]]] = [{"basic": []}, {"bearer": []}, {"header": []}]
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "schema": {"type": "string"},
    "description": "your own id of a single event: a repeat within 24 hours reaches eSputnik once",
}


def _post_events() -> dict[str, Any]:
    content = {
        "application/json": {"schema": {"oneOf": [_EVENT, {"type": "array", "items": _EVENT}]}},
        "application/x-ndjson": {"schema": {"type": "string", "description": "one event a line"}},
    }
    answers = {
        "202": "all accepted",
        "207": "some accepted, some refused",
        "400": "all refused",
    } | _OTHER_SITE
    return {
        "summary": "Post one event, an array of events, or NDJSON",
        "description": "Content-Encoding may be gzip, deflate or zstd.",
        "security": ANY_KEY,
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": content},
        "responses": _responses(answers),
    }


def _post_tracker() -> dict[str, Any]:
    return {
        "summary": "Post one event as to eSputnik's own tracker",
        "description": "Needs a key unless the site is open.",
        "security": [*ANY_KEY, {}],
        "parameters": [IDEMPOTENCY_KEY],
        "requestBody": {"required": True, "content": {"application/json": {"schema": _EVENT}}},
        "responses": _responses({"200": "accepted", "400": "refused"} | _OTHER_SITE),
    }


def _responses(answers: dict[str, str]) -> dict[str, Any]:
    results = {"application/json": {"schema": {"$ref": "#/components/schemas/Results"}}}
    responses: dict[str, Any] = {}
    for status, text in (answers | PROBLEMS).items():
        both = status in answers and status in PROBLEMS
        description = f"{answers[status]}, or {PROBLEMS[status]}" if both else text
        content = {**(results if status in answers else {}), **(PROBLEM if status in PROBLEMS else {})}
        responses[status] = {"description": description, "content": content}
    return responses


def _get(summary: str, content_type: str, schema: dict[str, Any]) -> dict[str, Any]:
    answer = {"description": summary, "content": {content_type: {"schema": schema}}}
    return {
        "summary": summary,
        "responses": {"200": answer, "default": {"description": "else", "content": PROBLEM}},
    }
