"""The rules of identity, pure: what follows from the facts for one event. No I/O, no clock of its own.

1. Identifiers arrive normalised and screened (`gateway.identifiers`); None takes no part.
2. A customer id is one customer, for ever: nothing here joins two of them.
3. A cookie with an identity opens a link at the event's time.
4. Another owner on the same cookie closes the link; the first owner's past never moves.
5. An anonymous event inside a link is the owner's; what the event says itself is never overwritten.
6. A link ends after the site's link age without its owner being seen on the cookie.
8. A backend event without a cookie gets the newest of its owner's links that is open at the event's time.
9. A contact key is the customer's who was first seen with it; for any other it is set aside.
10. Event time decides, ties break by event id; arrival decides nothing. A fact that is older than the link
    age when it arrives changes nothing any more.
"""

import uuid
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from gateway.event import Record
from gateway.identity.facts import CUSTOMER, EMAIL, PHONE, Claim, Facts, Sighting


@dataclass(frozen=True, slots=True)
class StitchSettings:
    """What a site decides about its links."""

    link_age_ms: int
    """A link ends after this time without its owner being seen on the cookie."""


class Identity(NamedTuple):
    """What is known of who somebody is."""

    customer: str | None = None
    email: str | None = None
    phone: str | None = None


class Link(NamedTuple):
    """A cookie belongs to an owner, from a time to a time."""

    owner: str
    start: int
    opened_by: str
    """Id of the event."""
    seen: int
    """When the owner was last seen on the cookie."""
    end: int
    """When another owner was seen, or when the link age passes with nobody seen."""
    closed_by: str | None = None
    """Id of the event that showed another owner; None where only silence ends the link."""


Word = Literal["created", "linked", "kept", "refused", "anonymous", "dropped"]


class Decision(NamedTuple):
    """What becomes of an event, and why."""

    word: Word
    reason: str
    identity: Identity | None = None
    """To be filled in where the event has none."""
    cookie: str | None = None
    """To be given to an event that has none."""
    conflict: bool = False
    """Whether a contact key of the event is another customer's and was set aside."""

    def __str__(self) -> str:
        aside = ",contact_key_set_aside" if self.conflict else ""
        return f"{self.word}:{self.reason}{aside}"


def contacts_in(record: Record) -> list[str]:
    """Return the contact keys that the event names, the better one first."""
    contacts = []
    if record.email:
        contacts.append(EMAIL + record.email)
    if record.phone:
        contacts.append(PHONE + record.phone)
    return contacts


def names_in(record: Record) -> list[str]:
    """Return every name by which the event says whom it is about; the first one is its owner."""
    contacts = contacts_in(record)
    return [CUSTOMER + record.customer, *contacts] if record.customer else contacts


def person_of(site: str, owner: str | None, cookie: str) -> uuid.UUID:
    """Return the person: the same for one owner, else for one cookie, on every worker and in every replay."""
    return uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, site), owner or f"cookie/{cookie}")


def observe(record: Record, facts: Facts, settings: StitchSettings) -> None:
    """Add to the facts what the event shows of who is who (rules 3, 9, 10)."""
    names = names_in(record)
    if not names or _too_old(record, settings):
        return
    if record.cookie:
        facts.see(record.cookie, Sighting(record.occurred_at, record.id, names[0]))
    if record.customer:
        claim = Claim(record.occurred_at, record.id, names[0])
        for contact in names[1:]:
            facts.claim(contact, claim)


def decide(record: Record, facts: Facts, settings: StitchSettings, tracking: bool) -> Decision:
    """Return what becomes of the event, by the facts that were observed, its own among them.

    Only a tracking event is given identity or a cookie; any other passes as it is.
    """
    names = names_in(record)
    if not names:
        return _whose(record, facts, settings) if tracking else Decision("kept", "not_tracking")
    owner = facts.owner(names[0])
    conflict = record.customer is not None and any(facts.owner(name) != owner for name in names[1:])
    decision = (
        _seen_on_cookie(record, record.cookie, owner, facts, settings)
        if record.cookie
        else _latest_cookie(record, owner, facts, settings, tracking)
    )
    return decision._replace(conflict=conflict) if conflict else decision


def links_of(
    history: Iterable[Sighting], owner_of: Callable[[str], str], settings: StitchSettings
) -> list[Link]:
    """Return the links of one cookie, oldest first, from who was seen on it in order of event time."""
    age = settings.link_age_ms
    links: list[Link] = []
    for at, event, name in history:
        owner = owner_of(name)
        last = links[-1] if links else None
        if last is None or at > last.end:
            links.append(Link(owner, at, event, at, at + age))
        elif last.owner == owner:
            links[-1] = last._replace(seen=at, end=at + age)
        else:
            links[-1] = last._replace(end=at, closed_by=event)
            links.append(Link(owner, at, event, at, at + age))
    return links


def _whose(record: Record, facts: Facts, settings: StitchSettings) -> Decision:
    """Decide on an event that does not say whom it is about (rules 5, 6)."""
    if not record.cookie:
        return Decision("anonymous", "no_cookie")
    last = _last_seen(record, facts.history(record.cookie))
    if last is None:
        return Decision("anonymous", "no_link")
    if record.occurred_at - last.at > settings.link_age_ms:
        return Decision("anonymous", "link_ended")
    return Decision("linked", "inside_link", identity=_identity(facts.owner(last.owner), facts))


def _seen_on_cookie(
    record: Record, cookie: str, owner: str, facts: Facts, settings: StitchSettings
) -> Decision:
    """Decide on an event that says whom it is about and has a cookie (rules 3, 4)."""
    if _too_old(record, settings):
        return Decision("refused", "older_than_link_age")
    last = _last_seen(record, facts.history(cookie))
    if last is None:
        return Decision("created", "first_owner")
    if record.occurred_at - last.at > settings.link_age_ms:
        return Decision("created", "after_silence")
    if facts.owner(last.owner) != owner:
        return Decision("created", "another_owner")
    return Decision("kept", "same_owner")


def _latest_cookie(
    record: Record, owner: str, facts: Facts, settings: StitchSettings, tracking: bool
) -> Decision:
    """Decide on an event that says whom it is about and has no cookie (rule 8)."""
    if not tracking:
        return Decision("kept", "not_tracking")
    newest = max(_open_links(record, owner, facts, settings), default=None)
    if newest is None:
        return Decision("kept", "no_open_link")
    return Decision("linked", "latest_cookie", cookie=newest[-1])


def _open_links(
    record: Record, owner: str, facts: Facts, settings: StitchSettings
) -> Iterator[tuple[int, str, str]]:
    """Yield start, opening event and cookie of each link of the owner that is open at the event's time."""
    for cookie in facts.cookies(owner):
        past = _before(record, facts.history(cookie))
        for link in links_of(past, facts.owner, settings)[-1:]:
            if link.owner == owner and record.occurred_at <= link.end:
                yield link.start, link.opened_by, cookie


def _identity(owner: str, facts: Facts) -> Identity:
    """Return what is known of an owner; of several emails or phones the one that came last."""
    if not owner.startswith(CUSTOMER):
        return Identity(**_named([owner]))
    contacts = [contact for _, contact in facts.contacts(owner)]
    return Identity(customer=owner.removeprefix(CUSTOMER), **_named(contacts))


def _named(contacts: Iterable[str]) -> dict[str, str]:
    named = {}
    for contact in contacts:
        field, _, value = contact.partition("/")
        named[field] = value
    return named


def _before(record: Record, history: Sequence[Sighting]) -> Sequence[Sighting]:
    """Return the sightings that precede the event; its own is not among them."""
    return history[: bisect_left(history, (record.occurred_at, record.id))]


def _last_seen(record: Record, history: Sequence[Sighting]) -> Sighting | None:
    place = bisect_left(history, (record.occurred_at, record.id))
    return history[place - 1] if place else None


def _too_old(record: Record, settings: StitchSettings) -> bool:
    return record.occurred_at < record.accepted_at - settings.link_age_ms
