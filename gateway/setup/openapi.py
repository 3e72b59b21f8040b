"""What the contract says of the routes of set-up: OpenAPI 3.1, made from the orders they take."""

from typing import Any

from gateway.console.openapi import asking, ordering
from gateway.ingest.openapi import PROBLEM
from gateway.setup.pages import TRACKING_PATH
from gateway.setup.routes import STATUS_PATH, TrackingOrder

_SITE = {"name": "site", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_PAGE_ANSWERS = {
    "304": {"description": "as the caller has it already"},
    "404": {"description": "it is not set up", "content": PROBLEM},
    "503": {"description": "the database is away, and it was not served before", "content": PROBLEM},
}


def setup_paths() -> dict[str, Any]:
    """Return the path items of what pages load, which needs no key."""
    return {TRACKING_PATH: {"parameters": [_SITE], "get": _page("The tracking script of a site")}}


def setup_operator_paths() -> dict[str, Any]:
    """Return the path items of the operator's routes."""
    summary = "Register a site's domain at eSputnik and fetch its script"
    return {
        STATUS_PATH: {"parameters": [_SITE], "get": asking("What of a site is set up, and what is missing")},
        f"{STATUS_PATH}/tracking": {"parameters": [_SITE], "post": ordering(summary, TrackingOrder)},
    }


def _page(summary: str) -> dict[str, Any]:
    script = {"description": summary, "content": {"text/javascript": {"schema": {"type": "string"}}}}
    return {"summary": summary, "tags": ["pages"], "responses": {"200": script, **_PAGE_ANSWERS}}
