"""The tracker: `POST /api/v2`, one message a request, no key needed.

What it takes is told by "How to transfer website behavior data through REST API" and by the official plugins,
which also post a link message and their log to it. Its error bodies are documented nowhere.
"""

from aiohttp import web

from gateway.sandbox.answers import refusal
from gateway.sandbox.gate import State
from gateway.sandbox.journal import Request

_LINK = "link"
_PLUGIN_LOG = {"errorMessage", "log_level"}


async def track(state: State, request: Request) -> web.Response:
    """Take one message: an event with GeneralInfo, WooCommerce's link message, or a plugin's log."""
    message = request.body
    if not isinstance(message, dict):
        return refusal(400, "Bad Request", request.path)
    info = message.get("GeneralInfo")
    if isinstance(info, dict):
        event = info.get("eventName")
        if not (isinstance(event, str) and event and info.get("siteId")):
            return refusal(400, "Bad Request", request.path)
        state.account.track(event, message, request.at)
    elif message.get("webId"):
        state.account.track(_LINK, message, request.at)
    elif not _PLUGIN_LOG & message.keys():
        return refusal(400, "Bad Request", request.path)
    return web.Response(status=200)
