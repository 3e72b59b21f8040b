"""`POST /v1/products`, `DELETE /v1/products`, `POST /v1/markets`.

The contract is Yespo-CDP/yespo-shopify, docs/yespo-api-products-markets.md, in the newer form of its
.cursor/rules/yespo-api.mdc: the site comes from the key, `siteId` and `languageChanged` are passed over, a
languageCode other than the first one is no 409. "Accepted" means validated and queued, so what is stale is
accepted too. A batch may be sent again as it is: identical requests are no repeats here.
"""

import uuid
from collections.abc import Callable, Iterable
from typing import Any

from aiohttp import web

from gateway.sandbox.answers import as_esputnik
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body
from gateway.sandbox.journal import Request
from gateway.sandbox.product_rules import Rejected, deletion, market_patch, moment, product

ITEMS = 1000
BYTES = 10_000_000

Check = Callable[[Any], None]


async def put(state: State, request: Request) -> web.Response:
    """`POST /v1/products`: create or update up to 1000 products, each with its own result."""
    body, refused = _readable(state, request, "products")
    if refused is not None:
        return refused
    language = body.get("languageCode")
    if not isinstance(language, str) or not language:
        return _error(400, "INVALID_PAYLOAD", "languageCode is required")
    state.catalog.language = state.catalog.language or language
    results = _checked(body["products"], product, ("action",), lambda item: item["productId"])
    for item, result in zip(body["products"], results, strict=True):
        if result["status"] == "accepted":
            state.catalog.put(item, moment(item["updatedDate"]))
    return _results(results)


async def delete(state: State, request: Request) -> web.Response:
    """`DELETE /v1/products`: remove products; one that is not there is accepted as well."""
    body, refused = _readable(state, request, "products")
    if refused is not None:
        return refused
    results = _checked(body["products"], deletion, (), lambda item: item["productId"])
    for item, result in zip(body["products"], results, strict=True):
        if result["status"] == "accepted":
            state.catalog.delete(item["productId"], moment(item["updatedDate"]))
    return _results(results)


async def put_markets(state: State, request: Request) -> web.Response:
    """`POST /v1/markets`: change prices, stock and addresses in markets; 1000 products in all."""
    body, refused = _readable(state, request, "markets")
    if refused is not None:
        return refused
    items = []
    for market in body["markets"]:
        listed = market.get("products") if isinstance(market, dict) else None
        if not isinstance(listed, list) or not isinstance(market.get("marketId"), str):
            return _error(400, "INVALID_PAYLOAD", "a market needs marketId and products")
        items += [
            item | {"marketId": market["marketId"]} if isinstance(item, dict) else item for item in listed
        ]
    if len(items) > ITEMS:
        return _too_many()
    results = _checked(items, market_patch, ("marketId",), lambda item: (item["marketId"], item["productId"]))
    for item, result in zip(items, results, strict=True):
        if result["status"] == "accepted":
            rest = {name: value for name, value in item.items() if name != "marketId"}
            state.catalog.put_market(item["marketId"], rest, moment(item["updatedDate"]))
    return _results(results)


def _readable(state: State, request: Request, name: str) -> tuple[Body, web.Response | None]:
    """Return the body, and an answer where it is refused as a whole."""
    if state.product_rate.is_over():
        return {}, _error(429, "RATE_LIMITED", "Rate limit exceeded")
    if request.length > BYTES:
        return {}, _error(413, "PAYLOAD_TOO_LARGE", "Request body is larger than 10 MB")
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get(name), list):
        return {}, _error(400, "INVALID_PAYLOAD", f"{name} must be a list")
    if len(body[name]) > ITEMS:
        return {}, _too_many()
    return body, None


def _too_many() -> web.Response:
    return _error(413, "BATCH_SIZE_EXCEEDED", f"More than {ITEMS} items")


def _error(status: int, code: str, message: str) -> web.Response:
    """Return a refusal of the whole request; its shape is that of the contract's language mismatch."""
    return web.json_response({"errorCode": code, "message": message}, status=status)


def _checked(
    items: Iterable[Any], check: Check, named: tuple[str, ...], key_of: Callable[[Body], Any]
) -> list[Body]:
    """Return one result per item; of items with the same key the first counts."""
    results, keys = [], set()
    for item in items:
        held = item if isinstance(item, dict) else {}
        shown = {name: held[name] for name in ("productId", *named) if name in held}
        try:
            check(item)
            if key_of(item) in keys:
                raise Rejected("DUPLICATE_KEY_IN_BATCH", "The same key is there already in this request")
            keys.add(key_of(item))
        except Rejected as reason:
            results.append(shown | {"status": "rejected", "code": reason.code, "message": str(reason)})
        else:
            results.append(shown | {"status": "accepted"})
    return results


def _results(results: list[Body]) -> web.Response:
    """Return the results with their summary: 200 when all were accepted, else 207.

    A single result comes as a bare object (Yespo-CDP/yespo-shopify, normalize-yespo-items); the contract
    prints the counts as numbers, so they are.
    """
    request_id = str(uuid.uuid4())
    accepted = sum(result["status"] == "accepted" for result in results)
    summary = {"received": len(results), "accepted": accepted, "rejected": len(results) - accepted}
    return web.json_response(
        {"requestId": request_id, "summary": summary, "items": as_esputnik(results)},
        status=200 if accepted == len(results) else 207,
        headers={"X-Request-Id": request_id},
    )


CALLS = [
    ("POST", "/v1/products", put),
    ("DELETE", "/v1/products", delete),
    ("POST", "/v1/markets", put_markets),
]
