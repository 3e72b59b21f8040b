"""What the contract says of the routes of set-up: OpenAPI 3.1, made from the orders they take."""

from typing import Any

from gateway.console.openapi import asking, ordering
from gateway.ingest.openapi import PROBLEM
from gateway.setup.pages import TRACKING_PATH
from gateway.setup.routes import STATUS_PATH, TrackingOrder, WebPushOrder
from gateway.setup.webpush import WORKER_PAGE

_SITE = {"name": "site", "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
_PAGE_ANSWERS = {
    "304": {"description": "as the caller has it already"},
    "404": {"description": "it is not set up", "content": PROBLEM},
    "503": {"description": "the database is away, and it was not served before", "content": PROBLEM},
}


def setup_paths() -> dict[str, Any]:
    """Return the path items of what pages load, which needs no key."""
    pages = {TRACKING_PATH: "The tracking script of a site", WORKER_PAGE: "The web push worker of a site"}
    return {path: {"parameters": [_SITE], "get": _page(summary)} for path, summary in pages.items()}


def setup_operator_paths() -> dict[str, Any]:
    """Return the path items of the operator's routes."""
    orders = {
        "tracking": ordering("Register a site's domain at eSputnik and fetch its script", TrackingOrder),
        "webpush": ordering("The same for web push, unless another's worker is in the way", WebPushOrder),
    }
    return {
        STATUS_PATH: {"parameters": [_SITE], "get": asking("What of a site is set up, and what is missing")},
        **{f"{STATUS_PATH}/{thing}": {"parameters": [_SITE], "post": one} for thing, one in orders.items()},
    }


def _page(summary: str) -> dict[str, Any]:
    script = {"description": summary, "content": {"text/javascript": {"schema": {"type": "string"}}}}
    return {"summary": summary, "tags": ["pages"], "responses": {"200": script, **_PAGE_ANSWERS}}
