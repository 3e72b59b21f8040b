"""What the console's routes read and write: orders as JSON in, answers as JSON out, times as text."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TypeVar

import orjson
from aiohttp import web
from pydantic import BaseModel, ValidationError

from gateway.ingest.problem import Problem

T = TypeVar("T", bound=BaseModel)


async def order_of(request: web.Request, kind: type[T]) -> T:
    """Return the order that the request's body holds; raises Problem 400 naming the field and the rule."""
    try:
        return kind.model_validate_json(await request.read() or b"{}")
    except ValidationError as problem:
        error = problem.errors(include_input=False, include_url=False)[0]
        # Of an unknown field not even the name is repeated: it is text that came with the request.
        place = "" if error["type"] == "extra_forbidden" else "/" + "/".join(map(str, error["loc"]))
        message = error["msg"].removeprefix("Value error, ")
        raise Problem(400, "bad_request", f"{place}: {message}".removeprefix(": ")) from None


def json_of(content: Mapping[str, Any]) -> web.Response:
    """Return the answer."""
    return web.Response(body=orjson.dumps(content), content_type="application/json")


def time_of(moment: int) -> str:
    """Return a time in ms as RFC 3339 text, UTC, with milliseconds."""
    text = datetime.fromtimestamp(moment / 1000, UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")
