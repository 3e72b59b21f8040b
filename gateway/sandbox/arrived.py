"""What arrived, and what it made of the account: /_sandbox/contacts, /_sandbox/orders and so on."""

from typing import Any

import orjson
from aiohttp import web

from gateway.sandbox.account import json_of
from gateway.sandbox.gate import STATE, State


def routes() -> list[web.RouteDef]:
    """Return a route for each."""
    shown = (counts, contacts, orders, events, groups, unsubscribed, imports, products, site, feeds)
    return [web.get(f"/_sandbox/{call.__name__}", call) for call in shown]


def _settled(http: web.Request) -> State:
    """Return the state, after an import that is due."""
    state = http.app[STATE]
    state.settle()
    return state


async def counts(http: web.Request) -> web.Response:
    """How many there are of each, for whoever waits for many."""
    state = _settled(http)
    held = state.account
    return answer(
        {
            "contacts": sum(not contact.deleted for contact in held.cards),
            "orders": len(held.orders),
            "events": len(held.events),
            "imports_waiting": state.imports.waiting(),
            "products": len(state.catalog.products()),
        }
    )


async def contacts(http: web.Request) -> web.Response:
    """Every contact, deleted ones too, with its channels, cookies, orders and history; `person` chooses."""
    held, person = _settled(http).account, http.query.get("person")
    found = held.called(person) if person else held.cards
    return answer({"contacts": [json_of(contact) for contact in found]})


async def orders(http: web.Request) -> web.Response:
    """Every order as it stands, with the id of its contact."""
    return answer({"orders": list(_settled(http).account.orders.values())})


async def events(http: web.Request) -> web.Response:
    """What events came or were raised by other calls, the oldest first; `type` chooses."""
    wanted = http.query.get("type")
    found = _settled(http).account.events
    return answer({"events": [one for one in found if wanted in {None, one["eventTypeKey"]}]})


async def groups(http: web.Request) -> web.Response:
    """Every segment with the ids of its contacts."""
    found = _settled(http).account.groups.values()
    return answer({"groups": [vars(group) | {"contacts": list(group.contacts)} for group in found]})


async def unsubscribed(http: web.Request) -> web.Response:
    """The addresses that are unsubscribed."""
    return answer({"emails": list(http.app[STATE].account.unsubscribed)})


async def imports(http: web.Request) -> web.Response:
    """Every import session with its counts and failed rows, and how long the next ones take."""
    found = _settled(http).imports
    return answer({"seconds": found.seconds, "imports": [one.json() for one in found.sessions.values()]})


async def products(http: web.Request) -> web.Response:
    """Every product and market record as it stands."""
    catalog = _settled(http).catalog
    return answer({"products": catalog.products(), "markets": catalog.markets()})


async def site(http: web.Request) -> web.Response:
    """The domains with their siteId, those for web push with what was said of their worker."""
    return answer(vars(_settled(http).site))


async def feeds(http: web.Request) -> web.Response:
    """Every language's product feed: its last good version, and what was wrong with the newest."""
    return answer({"feeds": _settled(http).feeds.json()})


def answer(value: Any, status: int = 200) -> web.Response:
    """Return JSON in the stand-in's own form, without eSputnik's quirks."""
    return web.Response(body=orjson.dumps(value), status=status, content_type="application/json")
