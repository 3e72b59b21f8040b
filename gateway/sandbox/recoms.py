"""What is read back about contacts: recommendations, and what they did with messages."""

from datetime import datetime

from aiohttp import web

from gateway.sandbox.answers import bad, told
from gateway.sandbox.gate import State
from gateway.sandbox.identity import Body
from gateway.sandbox.journal import Request

_IDENTIFIERS = {"contactId", "email", "phone", "externalCustomerId", "webId", "webI"}
"""One of them is needed; the page's table prints webId without its last letter."""
_SHOWN = 10
_ROWS = 1000


async def recommend(state: State, request: Request) -> web.Response:
    """`GET /v2/contacts/recoms/{dataSourceId}`: products in stock, the newest first, for whoever is named.

    Fields are those of docs page 29728470608. An algorithm is not played: `products` are left out of what
    comes back, `category` must be among its categories.
    """
    if not any(request.query.get(name) for name in _IDENTIFIERS):
        return bad("contactId, email, phone, externalCustomerId or webId is required")
    bought = set(filter(None, request.query.get("products", "").split(",")))
    wanted = set(filter(None, request.query.get("category", "").split(",")))
    found = [
        product
        for product in state.catalog.products()
        if product.get("isInStock") == 1
        and product["productId"] not in bought
        and (not wanted or wanted & set(_categories(product)))
    ]
    found.sort(key=lambda product: str(product["updatedDate"]), reverse=True)
    return told([_recommended(product) for product in found[:_SHOWN]])


def _categories(product: Body) -> list[str]:
    return [str(one.get("name") or one.get("id")) for one in product.get("categories", [])]


def _recommended(product: Body) -> Body:
    known = {
        "id": product["productId"],
        "name": product.get("name", ""),
        "url": product.get("url", ""),
        "price": product.get("price", 0),
        "descr": product.get("description", ""),
        "brand": product.get("brand", ""),
        "category": _categories(product),
        "isInStock": product.get("isInStock", 0),
    }
    return known | {f"tags_{name}": values for name, values in product.get("tags", {}).items()}


async def activity(state: State, request: Request) -> web.Response:
    """`GET /v2/contacts/activity`: what became of messages between dateFrom and dateTo, 1000 rows at most.

    The stand-in sends no messages: there is what /_sandbox/activity was given. As a production client found,
    `startindex` is ignored, and `maxrows` past 1000 brings no more; the `offset` of the last row leads on.
    """
    try:
        start, end = (_naive(request.query.get(name, "")) for name in ("dateFrom", "dateTo"))
        rows = min(int(request.query.get("maxrows") or _ROWS), _ROWS)
    except ValueError:
        return bad("dateFrom and dateTo must be dates, maxrows a number")
    offset = request.query.get("offset") or ""
    found = [
        row | {"offset": f"{place:012}"}
        for place, row in enumerate(state.activity)
        if start <= _naive(str(row["activityDateTime"])) <= end
    ]
    return told([row for row in found if row["offset"] > offset][:rows])


def _naive(value: str) -> datetime:
    return datetime.fromisoformat(value).replace(tzinfo=None)


CALLS = [
    ("GET", "/v2/contacts/recoms/{id}", recommend),
    ("GET", "/v2/contacts/activity", activity),
]
