"""What a call is answered: eSputnik's own words where they are there in time, else that it is queued."""

from collections.abc import Mapping
from typing import Any

import orjson
from aiohttp import web

from gateway.calls import ApiCall
from gateway.ingest.api_desk import Judged
from gateway.outcomes import Outcome

WARNINGS_HEADER = "X-Gateway-Warnings"


def call_reply(judged: Judged, outcomes: Mapping[str, Outcome]) -> web.Response:
    """Return eSputnik's status and body of a call that it has answered; 200 and `queued` of any other.

    Of a call with many orders the answer lists every one that failed, here or at eSputnik.
    """
    records = judged.records
    if records[0].type == ApiCall.ADD_ORDERS and (len(records) > 1 or judged.bad_orders):
        return _orders_reply(judged, outcomes)
    outcome = outcomes.get(records[0].id)
    if outcome is None:
        return _json(200, _queued(judged), judged)
    return as_given(outcome.status, outcome.body, _headers(judged))


def as_given(status: int, body: bytes, headers: Mapping[str, str]) -> web.Response:
    """Return an answer with its body unchanged, as JSON or as the plain sentence that it is."""
    kind = "application/json" if _document(body) is not None else "text/plain; charset=utf-8"
    return web.Response(status=status, body=body, headers={"Content-Type": kind, **headers})


def _orders_reply(judged: Judged, outcomes: Mapping[str, Outcome]) -> web.Response:
    ids = [record.id for record in judged.records]
    answered = [outcomes[event_id] for event_id in ids if event_id in outcomes]
    if len(answered) == len(ids) and not judged.bad_orders and all(o.status >= 400 for o in answered):
        return as_given(answered[0].status, answered[0].body, _headers(judged))
    failed: list[Any] = [
        {"externalOrderId": order.order_id, "message": order.errors[0].message, "errors": order.errors}
        for order in judged.bad_orders
    ]
    content: dict[str, Any] = {}
    for record in judged.records:
        if record.id in outcomes:
            document = _document(outcomes[record.id].body)
            said = document if isinstance(document, dict) else {}
            failed += _failed(record.body, outcomes[record.id], said)
            content |= {name: value for name, value in said.items() if name != "failedOrders"}
    if len(answered) < len(ids):
        content |= _queued(judged)
    return _json(200, {**content, "failedOrders": failed}, judged)


def _failed(body: bytes, outcome: Outcome, said: Mapping[str, Any]) -> list[Any]:
    if outcome.status >= 400:
        words = said.get("message") or outcome.body.decode("utf-8", "replace")
        return [{"externalOrderId": orjson.loads(body)["externalOrderId"], "message": words}]
    element = said.get("failedOrders")
    return element if isinstance(element, list) else [] if element is None else [element]


def _queued(judged: Judged) -> dict[str, Any]:
    return {"queued": True, "requestId": judged.records[0].id}


def _json(status: int, content: Mapping[str, Any], judged: Judged) -> web.Response:
    headers = {"Content-Type": "application/json", **_headers(judged)}
    return web.Response(status=status, body=orjson.dumps(content), headers=headers)


def _headers(judged: Judged) -> dict[str, str]:
    """Return the request's id, and the warnings in a header: the body is eSputnik's."""
    headers = {"X-Request-Id": judged.records[0].id}
    if judged.warnings:
        # A pointer may hold any name that a caller gave a member, a header only visible ASCII.
        told = [f"{warning.code} {warning.pointer}" for warning in judged.warnings]
        headers[WARNINGS_HEADER] = ", ".join(told).encode("ascii", "backslashreplace").decode()[:2000]
    return headers


def _document(body: bytes) -> Any:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
