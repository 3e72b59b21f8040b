"""One result per event, and the status that sums them up."""

from collections.abc import Container, Sequence
from typing import Any

import orjson
from aiohttp import web

Result = dict[str, Any]
"""Accepted: index, id, status, durable, warnings, and duplicate (true) on a known repeat; refused: index,
status, code, errors."""

_JSON = {"Content-Type": "application/json"}
WRONG_SITE = "wrong_site"


def batch_reply(results: Sequence[Result]) -> web.Response:
    """Return 202 with all accepted, 207 mixed, 403 with every event of another site, else 400."""
    refused = sum(result["status"] == "refused" for result in results)
    if not refused:
        status = 202
    elif refused < len(results):
        status = 207
    else:
        status = 403 if all(result["code"] == WRONG_SITE for result in results) else 400
    return _reply(results, refused, status)


def tracker_reply(result: Result) -> web.Response:
    """Return 200 for an accepted event, 403 for one of another site, else 400, as eSputnik's tracker does."""
    refused = result["status"] == "refused"
    status = 200 if not refused else 403 if result["code"] == WRONG_SITE else 400
    return _reply([result], int(refused), status)


def tell_on_disk(results: Sequence[Result], ids: Container[str]) -> None:
    """Say of those events that they are durable on this machine's disk, on their way to the stream."""
    for result in results:
        if result.get("id") in ids:
            result["durable"] = "disk"


def _reply(results: Sequence[Result], refused: int, status: int) -> web.Response:
    body = orjson.dumps({"accepted": len(results) - refused, "refused": refused, "results": results})
    return web.Response(body=body, status=status, headers=_JSON)
