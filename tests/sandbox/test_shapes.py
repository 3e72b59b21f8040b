"""Whatever comes in whatever form, each call of the stand-in answers in words and never breaks."""

import itertools
from collections.abc import Iterator
from typing import Any

import pytest

from gateway.sandbox import api
from gateway.sandbox.account import Group
from gateway.sandbox.gate import State
from gateway.sandbox.journal import Request
from tests.sandbox.conftest import OLENA, Account

CALLS = [call for room in api.ROOMS for call in room.CALLS]
ID = 1_000_001  # of the first contact, and of a segment
ODD = [None, True, -1, 2.5, "", " ", "x", [], {}, [None], [[]], {"x": [1]}, {"id": {}}]

RICH = OLENA | {"address": {"town": "Київ"}, "fields": [{"id": 1, "value": "x"}], "groups": [{"name": "VIP"}]}
ITEM = {"externalItemId": "1", "name": "T", "quantity": 1, "cost": 2, "url": "https://x.ua", "imageUrl": "x"}
ORDER = {"externalOrderId": "1", "email": "o@x.ua", "totalCost": 5, "status": "DELIVERED", "items": [ITEM]}
ORDER |= {"date": "2026-05-14T10:11:10", "discount": "", "phone": "380501234567"}
LISTED = [{"name": name, "value": value} for name, value in ORDER.items()]
LISTED += [{"name": "contactJson", "value": RICH}]
PRODUCT = {
    "action": "create",
    "productId": "1",
    "updatedDate": "2026-11-01T12:00:00Z",
    "name": "T",
    "price": 5,
}
PRODUCT |= {
    "url": "https://x.ua",
    "imageUrl": "https://x.ua",
    "isInStock": 1,
    "currency": "UAH",
    "oldPrice": 9,
}
PRODUCT |= {"categories": [{"id": "8", "path": ["A"]}], "tags": {"Color": ["Red"]}, "remove": {"fields": []}}
PRODUCT |= {"price": 5, "oldPrice": 9, "translations": [{"en": {"name": "T", "url": "https://x.ua"}}]}
BODIES: list[Any] = [
    RICH,
    {"contact": RICH, "groups": ["A"], "formType": "f"},
    {
        "contacts": [RICH],
        "dedupeOn": "fieldId",
        "fieldId": 1,
        "contactFields": ["sms"],
        "customFieldsIDs": [1],
        "groupNames": ["A"],
        "groupNamesExclude": ["B"],
        "restoreDeleted": True,
        "eventKeyForNewContacts": "new",
    },
    {"orders": [ORDER]},
    {"from": "2026-05-14T00:00:00", "to": "2026-05-14T10:00:00"},
    {"eventTypeKey": "orderCreated", "params": LISTED},
    {"eventTypeKey": "orderUpdated", "keyValue": "1", "params": ORDER},
    {"events": [{"eventTypeKey": "orderCreated", "params": LISTED, "occurred": "2026-05-14"}]},
    {"contactIds": [1], "emails": ["o@x.ua"], "email": "o@x.ua", "link": "x"},
    {"domain": "https://x.ua", "serviceWorkerName": "s", "serviceWorkerPath": "/"},
    {"domains": [{"domain": "https://x.ua", "serviceWorkerName": "s", "serviceWorkerPath": "/"}]},
    {"languageCode": "uk", "products": [PRODUCT]},
    {"markets": [{"marketId": "ca", "products": [PRODUCT | {"urls": {"en": "https://x.ua"}}]}]},
]


def spoilt(whole: Any) -> Iterator[Any]:
    """Yield the value with each of its parts in turn replaced by each odd one."""
    yield from ODD
    places = whole.items() if isinstance(whole, dict) else enumerate(whole if isinstance(whole, list) else [])
    for place, part in places:
        for other in spoilt(part):
            copy = whole.copy()
            copy[place] = other
            yield copy


@pytest.mark.parametrize(("method", "path", "_"), CALLS)
async def test_every_call_is_there_in_four_spellings_and_behind_the_key(account: Account, method, path, _):
    """FAQ: with /api; API_URL of the Shopify plugin ends in /v1; ok-esputnik's paths end in a slash."""
    for prefix, slash in itertools.product(("/api", ""), ("/", "")):
        spelt = prefix + path.replace("{id}", "5") + slash
        assert (await account.call(method, spelt, auth=None))[0] == 401


@pytest.mark.parametrize("body", BODIES, ids=lambda body: "-".join(list(body)[:2]))
async def test_no_value_anywhere_in_a_body_breaks_a_call(body):
    state = State("key", None, None)
    state.account.groups[ID] = Group(ID, "VIP")
    changes = [call for method, _, call in CALLS if method != "GET"]
    taking = [call for call in changes if await send(state, call, body) < 400]
    assert taking
    for other in spoilt(body):
        assert max([await send(state, call, other) for call in taking]) < 500
        while state.imports.run_next(state.account, ""):
            pass
    query = {"email": "x", "firstname": "x", "webId": "c-1", "dateFrom": "2026-01-01", "dateTo": "2026-02-01"}
    for call in (call for method, _, call in CALLS if method == "GET"):
        assert await send(state, call, None, query) < 500
    list(state.journal.find(names={"x"}))  # whom each of them is about


async def send(state: State, call: Any, body: Any, query: Any = None) -> int:
    request = Request("", "POST", "/", query or {}, {}, body, 0, match={"id": str(ID)})
    state.journal.add(request)
    return (await call(state, request)).status
