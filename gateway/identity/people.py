"""Looking people up: what is known of a cookie, a customer or a contact key, and what it follows from."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from gateway.identity import audit
from gateway.identity.facts import CUSTOMER, Moment, Sighting
from gateway.identity.links import read
from gateway.identity.owners import person_of
from gateway.identity.questions import Question
from gateway.identity.rules import Rules
from gateway.identity.settings import StitchSettings
from gateway.identity.sites import SiteState, crowded_since, read_state
from gateway.identity.timelines import Link
from gateway.store import Store, Transaction

_BEGINNING = -(2**53)
END: Moment = (2**53, "")
"""Behind everything that is known."""


class CookieLink(NamedTuple):
    """A link with its cookie."""

    cookie: str
    link: Link


class Contact(NamedTuple):
    """A contact key that somebody was seen with."""

    name: str
    """As an owner's name: `email/...` or `phone/...`."""
    held: bool
    """Whether it is his now; otherwise it is set aside or has retired."""
    seen: int
    """When he was last seen with it, by day."""


@dataclass(frozen=True, slots=True)
class Cookie:
    """What is known of a cookie."""

    visitor: str
    shared: Sighting | None
    """What marked it as shared by too many."""
    links: Sequence[CookieLink]
    """Oldest first."""
    trail: Sequence[audit.Entry]


@dataclass(frozen=True, slots=True)
class Person:
    """What is known of an owner."""

    owner: str
    person: str
    """The uuid of `person_of`."""
    merged: Sequence[str]
    """Ids of customers that an operator merged into this one."""
    contacts: Sequence[Contact]
    links: Sequence[CookieLink]
    """Oldest first; of very many cookies the newest."""
    cookies: int
    """On how many cookies he was ever seen."""
    trail: Sequence[audit.Entry]
    placeholder_since: int | None
    """Since when so many customers had the contact key that it stands for nobody, ms."""


async def look_up_cookie(store: Store, site: str, cookie: str, settings: StitchSettings) -> Cookie:
    """Return what is known of the cookie, as of everything stored. Raises Unreachable."""
    async with store.transaction() as transaction:
        asked = Question({site}, {(site, cookie): _BEGINNING}, set(), set(), _BEGINNING)
        rules = await _rules(transaction, asked, site, settings)
        visitor = str(person_of(site, None, cookie))
        trail = await audit.of_cookie(transaction, site, visitor)
    links = [CookieLink(cookie, link) for link in rules.timelines.links(cookie)]
    return Cookie(visitor, rules.timelines.shared(cookie), links, trail)


async def look_up_person(store: Store, site: str, name: str, settings: StitchSettings) -> Person:
    """Return what is known of whom the name stands for now, as of everything stored. Raises Unreachable.

    `name` is an owner's: `customer/...`, `email/...` or `phone/...`.
    """
    async with store.transaction() as transaction:
        rules = await rules_for(transaction, site, name, settings)
        owner = rules.owners.owner(name, END)
        person = str(person_of(site, owner))
        trail = await audit.of_person(transaction, site, person)
        placeholder_since = await crowded_since(transaction, site, name)
    return Person(
        owner=owner,
        person=person,
        merged=[other.removeprefix(CUSTOMER) for other in rules.facts.group(owner)[1:]],
        contacts=_contacts(rules, owner),
        links=_links(rules, owner),
        cookies=rules.timelines.spread(owner),
        trail=trail,
        placeholder_since=placeholder_since,
    )


async def rules_for(transaction: Transaction, site: str, name: str, settings: StitchSettings) -> Rules:
    """Return the rules with every fact about whom the name stands for. Raises Unreachable."""
    asked = Question({site}, {}, {(site, name)}, {(site, name)}, _BEGINNING)
    return await _rules(transaction, asked, site, settings)


async def links_of_cookie(store: Store, site: str, cookie: str, settings: StitchSettings) -> list[Link]:
    """Return every link of the cookie, oldest first. Raises Unreachable."""
    return [link for _, link in (await look_up_cookie(store, site, cookie, settings)).links]


async def _rules(transaction: Transaction, asked: Question, site: str, settings: StitchSettings) -> Rules:
    state: SiteState = await read_state(transaction, site)
    known = await read(transaction, asked, {site: settings}, {site: state.merged})
    return Rules(known.facts[site], settings)


def _contacts(rules: Rules, owner: str) -> list[Contact]:
    latest: dict[str, int] = {}
    for name in rules.facts.group(owner):
        for contact, (at, _) in rules.facts.claimed(name):
            latest[contact] = max(at, latest.get(contact, at))
    found = [
        Contact(contact, rules.owners.holder(contact, END) == owner, at) for contact, at in latest.items()
    ]
    return sorted(found, key=lambda contact: contact.seen)


def _links(rules: Rules, owner: str) -> list[CookieLink]:
    found = [
        CookieLink(cookie, link)
        for cookie in {seen.cookie for seen in rules.timelines.seen(owner)}
        for link in rules.timelines.links(cookie)
        if link.owner == owner
    ]
    return sorted(found, key=lambda each: (each.link.opened, each.cookie))
