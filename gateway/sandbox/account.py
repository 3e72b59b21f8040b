"""One account at eSputnik: all that it holds, and what each cookie did before anybody knew whose it was.

What joins what is told by docs page 29829152407 ("External ID") and 29339534465 ("Identification of
contacts"): a visitor without a contact leaves cookie history only; an event that names a contact that exists
gives that contact the cookie and its history; CustomerData matches, it creates nobody.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.cards import HISTORY, Cards, Contact, Deed
from gateway.sandbox.identity import Body, Identity, channels, elements, of_contact, of_tracker, text

VISITORS = 100_000
ORDERS = 250_000
EVENTS = 100_000
"""What is kept at most; the oldest goes first."""

_CREATES_A_CONTACT = "PurchasedItems"  # CMS integration guide: "creates contact and order"


@dataclass
class Group:
    """A segment of the type List, by contacts' ids."""

    id: int
    name: str
    contacts: dict[int, None] = field(default_factory=dict)


@dataclass
class Site:
    """What was set up for the web site."""

    domains: dict[str, str] = field(default_factory=dict)
    """siteId of each host."""
    push_domains: dict[str, Body] = field(default_factory=dict)
    """What was said of each host's worker."""
    script_made: bool = False


@dataclass
class _Visitor:
    contact: int | None = None
    history: deque[Deed] = field(default_factory=lambda: deque(maxlen=HISTORY))


class Account:
    """Contacts and visitors, and what came for them: orders, events, segments, unsubscribed addresses."""

    def __init__(self) -> None:
        self.cards = Cards()
        self.groups: dict[int, Group] = {}
        self.orders: OrderedDict[str, Body] = OrderedDict()
        self.events: deque[Body] = deque(maxlen=EVENTS)
        self.required_params: dict[str, list[str]] = {}
        """Parameters that events of a type must have, where their validation is switched on."""
        self.refused: dict[str, str] = {}
        """Why this account takes nothing of whoever has that identifier."""
        self.unsubscribed: dict[str, None] = {}
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()

    def add(self, call: Body) -> Contact:
        """Create, update or restore a contact as `POST /v1/contact` does, and return it.

        An external id that is known updates its contact, deleted or not; one that is unknown creates a
        contact; without one, email and then phone decide (docs page 29829152407, "External ID").
        """
        identity = of_contact(call)
        sought = Identity(customer=identity.customer) if identity.customer else identity
        contact = self.cards.find(sought, deleted=bool(identity.customer)) or self.cards.new()
        self.update(contact, call)
        return contact

    def update(self, contact: Contact, call: Body) -> None:
        """Write what the call holds onto the card, which is restored by that; what it leaves out stays.

        Segments are named by id or name. No page tells whether a missing one is made here, so none is.
        """
        contact.deleted = False
        contact.customer = text(call.get("externalCustomerId")) or contact.customer
        contact.take(channels(call))
        apart = ("id", "channels", "externalCustomerId", "groups")
        contact.fields |= {name: value for name, value in call.items() if name not in apart}
        self.cards.touch(contact)
        for named in elements(call.get("groups")):
            for group in self.groups.values():
                if isinstance(named, dict) and (
                    text(named.get("id")) == str(group.id) or named.get("name") == group.name
                ):
                    group.contacts[contact.id] = None

    def refusal(self, identity: Identity) -> str:
        """Return why nothing of that person is taken, "" when it is."""
        return next((self.refused[name] for name in identity if name in self.refused), "")

    def delete(self, contact: Contact, erase: bool) -> None:
        """Mark the contact as deleted, or with `erase` forget it and take its name from its orders.

        CMS integration guide 1.4: erase removes all data and anonymises orders; without it the profile and
        its links to orders stay, and it can be restored.
        """
        contact.deleted = True
        if not erase:
            return
        for order in filter(None, map(self.orders.get, contact.orders)):
            order["contact"] = None
            for name in _PERSONAL & order.keys():
                del order[name]
        for group in self.groups.values():
            group.contacts.pop(contact.id, None)
        for event in self.events:
            if event["contact"] == contact.id:
                event |= {"contact": None, "keyValue": "", "params": {}}
        for cookie in contact.cookies:
            self._visitors.pop(cookie, None)
        self.cards.forget(contact)

    def group(self, name: str) -> Group:
        """Return the segment of that name, made when it is missing."""
        for group in self.groups.values():
            if group.name == name:
                return group
        group = Group(len(self.groups) + 501, name)
        self.groups[group.id] = group
        return group

    def raised(self, event: Body, contact: Contact | None, at: str) -> None:
        """Write an event down, with the contact that it is about."""
        self.events.append({"at": at, "contact": contact.id if contact else None} | event)
        if contact is not None:
            contact.remember({"at": at, "event": event["eventTypeKey"], "cookie": None})

    def track(self, event: str, message: Body, at: str) -> None:
        """Write down what a tracker message tells, and join its cookie to the contact that it names."""
        identity = of_tracker(message)
        contact = self.cards.find(identity)
        if contact is None and event == _CREATES_A_CONTACT and any(identity.ids()):
            contact = self.create(identity)
        deed: Deed = {"at": at, "event": event, "cookie": identity.cookie or None}
        if identity.cookie:
            contact = self._join(identity.cookie, contact)
        if contact is not None:
            contact.remember(deed)
        elif identity.cookie:
            self._visitors[identity.cookie].history.append(deed)

    def create(self, identity: Identity, **fields: Any) -> Contact:
        """Return a new contact with those identifiers."""
        contact = self.cards.new()
        contact.customer = identity.customer
        typed = (("email", identity.email), ("sms", identity.phone))
        contact.channels = [{"type": kind, "value": value} for kind, value in typed if value]
        contact.fields = {name: value for name, value in fields.items() if value}
        self.cards.touch(contact)
        return contact

    def person(self, identity: Identity) -> Body:
        """Return who that is as far as eSputnik knows: {"kind": contact, customer, …, "id": …}."""
        contact = self.cards.find(identity)
        if contact is None and not any(identity.ids()):
            contact = self.visitor(identity.cookie)
        if contact is not None:
            return {"kind": "contact", "id": str(contact.id), "customer": contact.customer or None}
        kind, value = next(identity.ids(), ("visitor", identity.cookie))
        return {"kind": kind, "id": value, "customer": identity.customer or None}

    def visitor(self, cookie: str) -> Contact | None:
        """Return whose the cookie is."""
        visitor = self._visitors.get(cookie)
        return None if visitor is None or visitor.contact is None else self.cards.get(visitor.contact)

    def called(self, name: str) -> list[Contact]:
        """Return the contacts, deleted or not, of which `name` is an id, an email, a phone or a cookie."""
        kinds = ("contact", "customer", "email", "phone")
        found = [contact for kind in kinds for contact in self.cards.owners((kind, name))]
        found += filter(None, [self.visitor(name)])
        return list({contact.id: contact for contact in found}.values())

    def names(self, name: str) -> set[str]:
        """Return every identifier of the people of whom `name` is one."""
        found = {name}
        for contact in self.called(name):
            found |= {str(contact.id), *contact.cookies} | of_contact(contact.card()).names()
        return found

    def _join(self, cookie: str, contact: Contact | None) -> Contact | None:
        """Give the cookie and its history to the contact; return whose the cookie is by then."""
        visitor = self._visitors.setdefault(cookie, _Visitor())
        if len(self._visitors) > VISITORS:
            self._visitors.popitem(last=False)
        if contact is not None and visitor.contact != contact.id:
            visitor.contact = contact.id
            contact.cookies.append(cookie)
            contact.remember(*visitor.history)
            visitor.history.clear()
        return None if visitor.contact is None else self.cards.get(visitor.contact)


_PERSONAL = frozenset(
    {"externalCustomerId", "email", "phone", "firstName", "lastName", "deliveryAddress", "additionalInfo"}
)


def json_of(contact: Contact) -> dict[str, Any]:
    """Return all that is known of a contact, for `/_sandbox/contacts`."""
    known = {
        "cookies": contact.cookies,
        "orders": list(contact.orders),
        "confirmed": contact.confirmed,
        "deleted": contact.deleted,
        "history": contact.history,
    }
    return contact.card() | known
