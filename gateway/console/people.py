"""The operator's routes about people: look up, merge, unmerge, forget."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

from aiohttp import hdrs, web
from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from gateway import identifiers
from gateway.clock import Clock
from gateway.config import Config, Site
from gateway.console.answers import json_of, order_of, time_of
from gateway.erasure import erase
from gateway.identity import audit, changes
from gateway.identity.changes import ChangeRefused, Forgotten
from gateway.identity.facts import CUSTOMER, EMAIL, PHONE
from gateway.identity.owners import person_of
from gateway.identity.people import Contact, Cookie, CookieLink, Person, look_up_cookie, look_up_person
from gateway.identity.settings import settings_of
from gateway.ingest.problem import Problem
from gateway.ingest.routes import Route
from gateway.store import Store

_KINDS = {"customer": CUSTOMER, "email": EMAIL, "phone": PHONE}
_LONGEST = 200


def _without_contacts(text: str) -> str:
    if not text.isprintable():
        raise ValueError("may hold printable characters only")
    if "@" in text or sum(letter.isdigit() for letter in text) >= 7:
        raise ValueError("may not hold an email or a phone: it stays in the audit trail")
    return text


ForTheTrail = Annotated[str, Field(min_length=1, max_length=_LONGEST), AfterValidator(_without_contacts)]
"""Words of the operator's that stay in the audit trail."""


class _Change(BaseModel):
    """What every change says of itself."""

    model_config = ConfigDict(extra="forbid", strict=True)

    site: str
    who: ForTheTrail


class MergeOrder(_Change):
    """Which customer becomes which."""

    customer: str
    into: str
    reason: ForTheTrail


class UnmergeOrder(_Change):
    """Which customer is himself again."""

    customer: str
    reason: ForTheTrail


class LiftOrder(_Change):
    """Which placeholder names people again: exactly one of email and phone."""

    email: str = ""
    phone: str = ""
    reason: ForTheTrail


class ForgetOrder(_Change):
    """Who is to be erased: exactly one of customer, email, phone and cookie."""

    customer: str = ""
    email: str = ""
    phone: str = ""
    cookie: str = ""
    dry_run: bool = False


class People:
    """What the routes need."""

    def __init__(self, config: Config, store: Store, clock: Clock) -> None:
        self.change(config)
        self._store = store
        self._clock = clock

    def change(self, config: Config) -> None:
        """Take over what is said of sites."""
        self._sites = {site.id: site for site in config.sites}

    def routes(self) -> list[Route]:
        """Return method, path and handler of each route; whoever serves them asks for the operator's key."""
        return [
            (hdrs.METH_GET, "/v1/people", self.get_people),
            (hdrs.METH_POST, "/v1/people/merge", self.post_merge),
            (hdrs.METH_POST, "/v1/people/unmerge", self.post_unmerge),
            (hdrs.METH_POST, "/v1/people/lift", self.post_lift),
            (hdrs.METH_POST, "/v1/people/forget", self.post_forget),
        ]

    async def get_people(self, request: web.Request) -> web.Response:
        """Return what is known of a cookie, a customer, an email or a phone of a site."""
        site = self._site(request.query.get("site", ""))
        kind, text = _the_one({name: request.query.get(name, "") for name in ("cookie", *_KINDS)})
        settings, now_ms = settings_of(site), self._clock.now_ms()
        head = {"site": site.id, kind: text}
        if kind == "cookie":
            cookie = await look_up_cookie(self._store, site.id, _cookie_in(site, text), settings)
            return json_of(head | _cookie(site.id, cookie, now_ms))
        person = await look_up_person(self._store, site.id, _name(site, kind, text), settings)
        return json_of(head | _person(site.id, person, now_ms))

    async def post_merge(self, request: web.Request) -> web.Response:
        """Make one customer another."""
        order = await order_of(request, MergeOrder)
        site = self._site(order.site)
        customer, into = (_customer(site, field, getattr(order, field)) for field in ("customer", "into"))
        now_ms = self._clock.now_ms()
        await _asked(changes.merge(self._store, site.id, customer, into, order.who, order.reason, now_ms))
        return json_of({"merged": customer, "into": into})

    async def post_unmerge(self, request: web.Request) -> web.Response:
        """Undo a merge."""
        order = await order_of(request, UnmergeOrder)
        site = self._site(order.site)
        customer = _customer(site, "customer", order.customer)
        now_ms = self._clock.now_ms()
        await _asked(changes.unmerge(self._store, site.id, customer, order.who, order.reason, now_ms))
        return json_of({"unmerged": customer})

    async def post_lift(self, request: web.Request) -> web.Response:
        """Let a placeholder name people again."""
        order = await order_of(request, LiftOrder)
        site = self._site(order.site)
        kind, text = _the_one({"email": order.email, "phone": order.phone})
        name = _name(site, kind, text)
        now_ms = self._clock.now_ms()
        await _asked(changes.lift(self._store, site.id, name, order.who, order.reason, now_ms))
        return json_of({"lifted": name.removeprefix(_KINDS[kind])})

    async def post_forget(self, request: web.Request) -> web.Response:
        """Erase a person, his dead letters included; a dry run says what would go."""
        order = await order_of(request, ForgetOrder)
        site = self._site(order.site)
        kind, text = _the_one({name: getattr(order, name) for name in ("cookie", *_KINDS)})
        name = await self._owner_of(site, text) if kind == "cookie" else _name(site, kind, text)
        found, dead = await erase(
            self._store, site.id, name, settings_of(site), order.who, self._clock.now_ms(), order.dry_run
        )
        return json_of(_forgotten(found, dead, order.dry_run))

    async def _owner_of(self, site: Site, cookie: str) -> str:
        known = await look_up_cookie(self._store, site.id, _cookie_in(site, cookie), settings_of(site))
        if not known.links or known.shared:
            raise Problem(404, "not_found", "cookie: no one person is known behind it")
        return known.links[-1].link.owner

    def _site(self, site_id: str) -> Site:
        site = self._sites.get(site_id)
        if site is None:
            raise Problem(400, "bad_request", "site: must be the id of a configured site")
        return site


async def _asked(change: Any) -> None:
    try:
        await change
    except ChangeRefused as refused:
        raise Problem(409, "change_refused", str(refused)) from None


def _the_one(given: Mapping[str, str]) -> tuple[str, str]:
    """Return the one of the fields that is given."""
    present = [(name, text) for name, text in given.items() if text]
    if len(present) != 1:
        raise Problem(400, "bad_request", f"exactly one of {', '.join(given)} must be given")
    return present[0]


def _name(site: Site, kind: str, text: str) -> str:
    """Return the owner's name that an identifier is, normalised as an event's is."""
    blocked = identifiers.blocked_values(site.blocked_ids)
    screens: dict[str, Callable[[], str | None]] = {
        "customer": lambda: identifiers.customer(text, blocked),
        "email": lambda: identifiers.email(text, blocked),
        "phone": lambda: identifiers.phone(text, site.country, blocked),
    }
    value = screens[kind]()
    if value is None:
        raise Problem(400, "bad_request", f"{kind}: this is a value that identifies nobody")
    return _KINDS[kind] + value


def _cookie_in(site: Site, text: str) -> str:
    value = identifiers.cookie(text, identifiers.blocked_values(site.blocked_ids))
    if value is None:
        raise Problem(400, "bad_request", "cookie: this is a value that identifies nobody")
    return value


def _customer(site: Site, field: str, text: str) -> str:
    try:
        return _name(site, "customer", text).removeprefix(CUSTOMER)
    except Problem:
        raise Problem(400, "bad_request", f"{field}: this is a value that identifies nobody") from None


def _cookie(site: str, cookie: Cookie, now_ms: int) -> dict[str, Any]:
    return {
        "visitor": cookie.visitor,
        "shared": cookie.shared is not None,
        "shared_since": time_of(cookie.shared.at) if cookie.shared else None,
        "links": [_link(site, each, now_ms) for each in cookie.links],
        "trail": _trail(cookie.trail),
    }


def _person(site: str, person: Person, now_ms: int) -> dict[str, Any]:
    return {
        **_owner(person.owner),
        "person": person.person,
        "placeholder_since": time_of(person.placeholder_since) if person.placeholder_since else None,
        "merged": list(person.merged),
        "contacts": [_contact(contact) for contact in person.contacts],
        "cookies": person.cookies,
        "links": [{"cookie": each.cookie, **_link(site, each, now_ms)} for each in person.links],
        "conflicts": sum(entry.word == "set_aside" for entry in person.trail),
        "trail": _trail(person.trail),
    }


def _owner(owner: str) -> dict[str, str | None]:
    """Return whom a name is: a customer, or somebody of whom only a contact key is known."""
    kind, _, value = owner.partition("/")
    return {"customer": value} if kind == "customer" else {"customer": None, kind: value}


def _link(site: str, each: CookieLink, now_ms: int) -> dict[str, Any]:
    link = each.link
    is_open = link.closed_by is None and link.end >= now_ms
    return {
        **_owner(link.owner),
        "from": time_of(link.start),
        "to": None if is_open else time_of(link.end),
        "opened_by": link.opened_by._asdict(),
        "closed_by": link.closed_by._asdict() if link.closed_by else None,
        "ended_by": None if is_open else link.why,
        "last_seen": time_of(link.seen),
        "reaches_back_to": time_of(link.reaches_back),
        "person": str(person_of(site, link.owner)),
    }


def _contact(contact: Contact) -> dict[str, Any]:
    kind, _, value = contact.name.partition("/")
    return {kind: value, "held": contact.held, "last_seen": time_of(contact.seen)}


def _trail(entries: Sequence[audit.Entry]) -> list[dict[str, Any]]:
    shown = []
    for entry in entries:
        line = {name: value for name, value in entry._asdict().items() if value and name != "site"}
        shown.append(line | {"at": time_of(entry.at)})
    return shown


def _forgotten(found: Forgotten, dead_letters: int, dry_run: bool) -> dict[str, Any]:
    return {
        "dry_run": dry_run,
        "person": found.person,
        "found": {
            "names": len(found.names),
            "cookies": found.cookies,
            "sightings": found.sightings,
            "claims": found.claims,
            "merges": found.merges,
            "trail": found.trail,
            "dead_letters": dead_letters,
        },
    }
