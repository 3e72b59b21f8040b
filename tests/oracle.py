"""The rules of identity a second time, the slow and obvious way, to hold the gateway against.

The whole history of one site stands in a list, in order of event time, and every question is answered from
its beginning: nothing is updated, and nothing is taken from the gateway but the event itself.

A moment is (event time, event id); whatever is said of order is said of moments. A name is `customer/<id>`,
`email/<address>` or `phone/<E.164>`; an owner is a name too.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from gateway.event import Record

DAY_MS = 24 * 3600 * 1000

Moment = tuple[int, str]
END_OF_TIME: Moment = (2**62, "")


class Limits(NamedTuple):
    """What a site decides about its links."""

    link_age_ms: int
    back_stitch_ms: int
    cookies: int = 50
    """Of one customer; past this many others the one unseen longest retires."""
    emails: int = 5
    phones: int = 5
    kiosk: int = 200
    """So many owners on one cookie in a day make it shared."""
    crowd: int = 200
    """So many customer ids with one contact key make it a placeholder."""


class Cause(NamedTuple):
    """The event that opened or closed a link."""

    event: str
    type: str


class Link(NamedTuple):
    """A cookie belongs to an owner, from a time to a time."""

    owner: str
    start: int
    opened_by: Cause
    seen: int
    end: int
    closed_by: Cause | None
    why: str
    reaches_back: int


class Identity(NamedTuple):
    """What an anonymous event is filled in with."""

    customer: str | None = None
    email: str | None = None
    phone: str | None = None


class Decision(NamedTuple):
    """What becomes of an event, and why."""

    word: str
    reason: str
    identity: Identity | None = None
    cookie: str | None = None
    conflict: bool = False


def moment_of(event: Record) -> Moment:
    """Return the place of the event in the order of everything."""
    return event.occurred_at, event.id


def is_logout(event: Record) -> bool:
    """Return whether the event says that somebody left; whatever it names is ignored."""
    return event.type == "Logout"


def contacts_of(event: Record) -> list[str]:
    """Return the contact keys that the event names."""
    contacts = [("email/", event.email), ("phone/", event.phone)]
    return [kind + value for kind, value in contacts if value]


def names_of(event: Record) -> list[str]:
    """Return every name in the event; the first one says whom it is about."""
    if is_logout(event):
        return []
    return (["customer/" + event.customer] if event.customer else []) + contacts_of(event)


def kind_of(contact: str) -> str:
    """Return `email` or `phone`."""
    return contact.partition("/")[0]


class Oracle:
    """Knows the events of one site that have arrived, in whatever order and however often."""

    def __init__(
        self, arrived: Iterable[Record], limits: Limits, merged: Mapping[str, str] | None = None
    ) -> None:
        """`merged` tells of each customer whom an operator merged into which other one he was merged."""
        self._limits = limits
        self._merged = merged or {}
        once = {event.id: event for event in arrived}
        in_order = sorted(once.values(), key=moment_of)
        self.placeholders = {
            contact
            for event in in_order
            for contact in contacts_of(event)
            if len(self._customers_with(contact, in_order)) >= limits.crowd
        }
        """Contact keys that name nobody, in no event."""
        self._events = [self._without_placeholders(event) for event in in_order]
        self._valid = [event for event in self._events if not self.is_too_old(event)]

    def is_too_old(self, event: Record) -> bool:
        """Return whether the event came too late to change any fact."""
        return event.accepted_at - event.occurred_at > self._limits.link_age_ms

    def _customers_with(self, contact: str, events: Iterable[Record]) -> set[str]:
        """Return the ids of all customers who came with the contact key, and in time."""
        return {
            event.customer
            for event in events
            if event.customer
            and contact in contacts_of(event)
            and not is_logout(event)
            and not self.is_too_old(event)
        }

    def _without_placeholders(self, event: Record) -> Record:
        """Return the event as if it did not name contact keys that too many customers came with."""
        email = None if f"email/{event.email}" in self.placeholders else event.email
        phone = None if f"phone/{event.phone}" in self.placeholders else event.phone
        return replace(event, email=email, phone=phone)

    # Who a name stands for.

    def root(self, customer: str) -> str:
        """Return the customer whom this one has become by operators' merges."""
        while customer in self._merged:
            customer = self._merged[customer]
        return customer

    def claims(self) -> list[tuple[str, Record]]:
        """Return contact keys with the events in which a customer came with them, the first of each day."""
        counted = []
        days = set()
        for event in self._valid:
            for contact in contacts_of(event):
                day = contact, event.customer, event.occurred_at // DAY_MS
                if event.customer and not is_logout(event) and day not in days:
                    days.add(day)
                    counted.append((contact, event))
        return counted

    def has_retired_contact(self, customer: str, contact: str, last: Moment, until: Moment) -> bool:
        """Return whether the customer came with so many others since that this one counts no more."""
        others = {
            other
            for other, event in self.claims()
            if other != contact
            and kind_of(other) == kind_of(contact)
            and self.root(event.customer or "") == customer
            and last < moment_of(event) <= until
        }
        limit = self._limits.emails if kind_of(contact) == "email" else self._limits.phones
        return len(others) >= limit

    def holder(self, contact: str, moment: Moment) -> str | None:
        """Return the customer whose contact key it is; at moments before the first claim, its customer."""
        held: str | None = None
        last: Moment = (0, "")
        for claimed, event in self.claims():
            if claimed != contact:
                continue
            if held is not None and moment_of(event) > moment:
                break
            claimant = self.root(event.customer or "")
            if (
                held is None
                or claimant == held
                or event.occurred_at - last[0] > self._limits.link_age_ms
                or self.has_retired_contact(held, contact, last, moment_of(event))
            ):
                held, last = claimant, moment_of(event)
        if held is not None and moment > last and self.has_retired_contact(held, contact, last, moment):
            return None
        return held

    def owner(self, name: str, moment: Moment) -> str:
        """Return whom the name stands for at that moment."""
        if name.startswith("customer/"):
            return "customer/" + self.root(name.removeprefix("customer/"))
        holder = self.holder(name, moment)
        return name if holder is None else "customer/" + holder

    def identity(self, owner: str) -> Identity:
        """Return what is known of an owner: of several emails or phones the one he came with last."""
        if not owner.startswith("customer/"):
            return Identity(**{kind_of(owner): owner.partition("/")[2]})
        customer = owner.removeprefix("customer/")
        known = {"customer": customer}
        for contact, event in self.claims():
            if self.root(event.customer or "") == customer and self.holder(contact, END_OF_TIME) == customer:
                known[kind_of(contact)] = contact.partition("/")[2]
        return Identity(**known)

    # Whose a cookie is. `before` leaves out every sighting from that moment on.

    def sightings(self, before: Moment) -> list[Record]:
        """Return the events that show somebody on a cookie, or that somebody left it."""
        return [
            event
            for event in self._valid
            if event.cookie and (names_of(event) or is_logout(event)) and moment_of(event) < before
        ]

    def seen(self, owner: str, before: Moment) -> list[Record]:
        """Return the events that show this owner on any cookie."""
        return [
            event
            for event in self.sightings(before)
            if not is_logout(event) and self.owner(names_of(event)[0], moment_of(event)) == owner
        ]

    def retired_cookie(self, owner: str, cookie: str, last: Moment, before: Moment) -> Record | None:
        """Return the event by which the owner has been on too many other cookies since, if there is one."""
        if not owner.startswith("customer/"):
            return None
        others = set()
        for event in self.seen(owner, before):
            if moment_of(event) > last and event.cookie != cookie:
                others.add(event.cookie)
                if len(others) >= self._limits.cookies:
                    return event
        return None

    def shared(self, cookie: str, before: Moment) -> Record | None:
        """Return the event with which the cookie had too many owners within a day, if there is one."""
        people = [
            event for event in self.sightings(before) if event.cookie == cookie and not is_logout(event)
        ]
        for event in people:
            within_a_day = {
                names_of(other)[0]
                for other in people
                if event.occurred_at - DAY_MS < other.occurred_at and moment_of(other) <= moment_of(event)
            }
            if len(within_a_day) >= self._limits.kiosk:
                return event
        return None

    def links(self, cookie: str, before: Moment = END_OF_TIME) -> list[Link]:
        """Return the links of the cookie, oldest first."""
        links: list[Link] = []
        last_seen: Moment = (0, "")
        shared = self.shared(cookie, before)
        for event in self.sightings(before):
            if event.cookie != cookie:
                continue
            self._retire(links, cookie, last_seen, moment_of(event), before)
            was_open = bool(links) and is_open(links[-1], event)
            if shared and moment_of(shared) <= moment_of(event):
                if was_open:
                    links[-1] = closed(links[-1], shared, "shared")
                break
            if is_logout(event):
                if was_open:
                    links[-1] = closed(links[-1], event, "logout")
                continue
            owner = self.owner(names_of(event)[0], moment_of(event))
            last_seen = moment_of(event)
            silent_at = event.occurred_at + self._limits.link_age_ms
            if was_open and links[-1].owner == owner:
                links[-1] = links[-1]._replace(seen=event.occurred_at, end=silent_at)
                continue
            if was_open:
                links[-1] = closed(links[-1], event, "another_owner")
            reaches_back = event.occurred_at - self._limits.back_stitch_ms
            if links:
                reaches_back = max(reaches_back, links[-1].end)
            at, by = event.occurred_at, cause(event)
            links.append(Link(owner, at, by, at, silent_at, None, "silence", reaches_back))
        self._retire(links, cookie, last_seen, END_OF_TIME, before)
        return links

    def _retire(
        self, links: list[Link], cookie: str, last_seen: Moment, until: Moment, before: Moment
    ) -> None:
        """Close the last link where its owner has been on too many other cookies by then, within its age."""
        if not links or links[-1].closed_by:
            return
        retired = self.retired_cookie(links[-1].owner, cookie, last_seen, before)
        if retired and moment_of(retired) <= until and retired.occurred_at <= links[-1].end:
            links[-1] = closed(links[-1], retired, "limit")

    # What becomes of an event.

    def decide(self, event: Record) -> Decision:
        """Return what becomes of a tracking event, with everything known that has arrived."""
        event = self._without_placeholders(event)
        if is_logout(event):
            return Decision("dropped", "logout")
        if not names_of(event):
            return self._anonymous(event)
        decision = self._named_on_cookie(event) if event.cookie else self._named_without_cookie(event)
        return decision._replace(conflict=self._conflict(event))

    def _anonymous(self, event: Record) -> Decision:
        if not event.cookie:
            return Decision("anonymous", "no_cookie")
        if self._is_shared(event.cookie, event):
            return Decision("anonymous", "shared_cookie")
        earlier = self.links(event.cookie, before=moment_of(event))
        if earlier and is_open(earlier[-1], event):
            return Decision("linked", "inside_link", identity=self.identity(earlier[-1].owner))
        for link in self.links(event.cookie):
            if (link.start, link.opened_by.event) > moment_of(event):  # the first link after it
                if link.reaches_back <= event.occurred_at:
                    return Decision("anonymous", "back_stitched")
                break
        if not earlier:
            return Decision("anonymous", "no_link")
        ended = {"silence": "link_ended", "logout": "logged_out", "limit": "cookie_retired"}
        return Decision("anonymous", ended[earlier[-1].why])

    def _named_on_cookie(self, event: Record) -> Decision:
        cookie: Any = event.cookie
        if self.is_too_old(event):
            return Decision("refused", "older_than_link_age")
        if self._is_shared(cookie, event):
            return Decision("refused", "shared_cookie")
        earlier = self.links(cookie, before=moment_of(event))
        if not earlier:
            return Decision("created", "first_owner")
        if is_open(earlier[-1], event):
            if earlier[-1].owner == self.owner(names_of(event)[0], moment_of(event)):
                return Decision("kept", "same_owner")
            return Decision("created", "another_owner")
        ended = {"silence": "after_silence", "logout": "after_logout", "limit": "after_retirement"}
        return Decision("created", ended[earlier[-1].why])

    def _named_without_cookie(self, event: Record) -> Decision:
        owner = self.owner(names_of(event)[0], moment_of(event))
        candidates = []
        for cookie in {other.cookie for other in self._events if other.cookie}:
            if self._is_shared(cookie, event):
                continue
            for link in self.links(cookie, before=moment_of(event))[-1:]:
                if link.owner == owner and is_open(link, event):
                    candidates.append((link.start, link.opened_by.event, cookie))
        if not candidates:
            return Decision("kept", "no_open_link")
        return Decision("linked", "latest_cookie", cookie=max(candidates)[2])

    def _is_shared(self, cookie: str, event: Record) -> bool:
        shared = self.shared(cookie, END_OF_TIME)
        return shared is not None and moment_of(shared) <= moment_of(event)

    def _conflict(self, event: Record) -> bool:
        """Return whether the event's customer came with a contact key that is not his."""
        if not event.customer:
            return False
        customer, *contacts = (self.owner(name, moment_of(event)) for name in names_of(event))
        return any(owner != customer for owner in contacts)


def cause(event: Record) -> Cause:
    """Return the event as a link names it."""
    return Cause(event.id, event.type)


def closed(link: Link, by: Record, why: str) -> Link:
    """Return the link as that event ended it."""
    return link._replace(end=by.occurred_at, closed_by=cause(by), why=why)


def is_open(link: Link, event: Record) -> bool:
    """Return whether the link, as it was before the event, still holds at it."""
    return link.closed_by is None and event.occurred_at <= link.end
