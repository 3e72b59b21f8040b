"""One account at eSputnik: its contacts, and what each cookie did before anybody knew whose it was.

What joins what is told by docs page 29829152407 ("External ID") and 29339534465 ("Identification of
contacts"): a visitor without a contact leaves cookie history only; an event that names a contact that exists
gives that contact the cookie and its history; CustomerData matches, it creates nobody.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass, field
from typing import Any, Literal

from gateway.sandbox.identity import Body, Identity, channels, of_contact, of_tracker

CONTACTS = 100_000
VISITORS = 100_000
HISTORY = 500
"""What is kept at most; the oldest goes first."""

_CREATES_A_CONTACT = "PurchasedItems"  # CMS integration guide: "creates contact and order"

Deed = dict[str, str | None]
"""What somebody did: {"at", "event", "cookie"}."""


def _history() -> deque[Deed]:
    return deque(maxlen=HISTORY)


@dataclass
class Contact:
    """A contact card."""

    id: int
    customer: str = ""
    fields: Body = field(default_factory=dict)
    channels: list[Body] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    history: deque[Deed] = field(default_factory=_history)
    deleted: bool = False

    def card(self) -> Body:
        """Return what `GET /v1/contact/{id}` tells."""
        own = {"id": self.id, "externalCustomerId": self.customer} if self.customer else {"id": self.id}
        return own | self.fields | {"channels": self.channels}


@dataclass
class _Visitor:
    contact: int | None = None
    history: deque[Deed] = field(default_factory=_history)


class Account:
    """Contacts by every id, and visitors by cookie."""

    def __init__(self) -> None:
        self._contacts: OrderedDict[int, Contact] = OrderedDict()
        self._ids: dict[tuple[str, str], int] = {}
        self._visitors: OrderedDict[str, _Visitor] = OrderedDict()
        self._next_id = 1_000_001

    def contacts(self) -> list[Contact]:
        """Return all contacts, oldest first, deleted ones among them."""
        return list(self._contacts.values())

    def contact(self, contact_id: str) -> Contact | None:
        """Return the contact with eSputnik's own id, unless it is deleted."""
        return self.find(Identity(contact=contact_id))

    def find(self, identity: Identity, deleted: bool = False) -> Contact | None:
        """Return the contact that the strongest known identifier names."""
        for key in identity.ids():
            contact = self._contacts.get(self._ids.get(key, 0))
            if contact is not None and (deleted or not contact.deleted):
                return contact
        return None

    def add(self, call: Body) -> Contact:
        """Create, update or restore a contact as `POST /v1/contact` does, and return it.

        An external id that is known updates its contact, deleted or not; one that is unknown creates a
        contact; without one, email and then phone decide (docs page 29829152407, "External ID").
        """
        identity = of_contact(call)
        sought = Identity(customer=identity.customer) if identity.customer else identity
        contact = self.find(sought, deleted=bool(identity.customer)) or self._new()
        contact.deleted = False
        if identity.customer:
            contact.customer = identity.customer
        for channel in channels(call):
            contact.channels = [c for c in contact.channels if c["type"] != channel["type"]] + [channel]
        ours = ("id", "channels", "externalCustomerId")
        contact.fields |= {name: value for name, value in call.items() if name not in ours}
        self._index(contact, identity)
        return contact

    def delete(self, customer: str, erase: bool) -> bool:
        """Mark the contact as deleted, or with `erase` forget all of it; False where there is none."""
        contact = self.find(Identity(customer=customer))
        if contact is None:
            return False
        contact.deleted = True
        if erase:
            self._forget(contact)
        return True

    def track(self, event: str, message: Body, at: str) -> None:
        """Write down what a tracker message tells, and join its cookie to the contact that it names."""
        identity = of_tracker(message)
        contact = self.find(identity)
        if contact is None and event == _CREATES_A_CONTACT and any(identity.ids()):
            contact = self._new()
            contact.customer = identity.customer
            typed = (("email", identity.email), ("sms", identity.phone))
            contact.channels = [{"type": kind, "value": value} for kind, value in typed if value]
            self._index(contact, identity)
        deed: Deed = {"at": at, "event": event, "cookie": identity.cookie or None}
        if identity.cookie:
            contact = self._join(identity.cookie, contact)
        if contact is not None:
            contact.history.append(deed)
        elif identity.cookie:
            self._visitors[identity.cookie].history.append(deed)

    def person(self, identity: Identity) -> Body:
        """Return who that is as far as eSputnik knows: {"kind": contact, customer, …, "id": …}."""
        contact = self.find(identity)
        visitor = self._visitors.get(identity.cookie)
        if (
            contact is None
            and visitor is not None
            and visitor.contact is not None
            and not any(identity.ids())
        ):
            contact = self._contacts.get(visitor.contact)
        if contact is not None:
            return {"kind": "contact", "id": str(contact.id), "customer": contact.customer or None}
        kind, value = next(identity.ids(), ("visitor", identity.cookie))
        return {"kind": kind, "id": value, "customer": identity.customer or None}

    def names(self, name: str) -> set[str]:
        """Return every identifier of the person that `name` is one of."""
        found = {name}
        visitor = self._visitors.get(name)
        kinds: tuple[Literal["contact", "customer", "email", "phone"], ...] = (
            "contact",
            "customer",
            "email",
            "phone",
        )
        contacts = [self._contacts.get(self._ids.get((kind, name), 0)) for kind in kinds]
        if visitor is not None and visitor.contact is not None:
            contacts.append(self._contacts.get(visitor.contact))
        for contact in filter(None, contacts):
            found |= {str(contact.id), *contact.cookies} | of_contact(contact.card()).names()
        return found

    def _new(self) -> Contact:
        contact = Contact(self._next_id)
        self._next_id += 1
        self._contacts[contact.id] = contact
        self._ids["contact", str(contact.id)] = contact.id
        if len(self._contacts) > CONTACTS:
            self._forget(next(iter(self._contacts.values())))
        return contact

    def _index(self, contact: Contact, identity: Identity) -> None:
        for key in identity.ids():
            self._ids[key] = contact.id

    def _forget(self, contact: Contact) -> None:
        del self._contacts[contact.id]
        self._ids = {key: owner for key, owner in self._ids.items() if owner != contact.id}
        for cookie in contact.cookies:
            self._visitors.pop(cookie, None)

    def _join(self, cookie: str, contact: Contact | None) -> Contact | None:
        """Give the cookie and its history to the contact; return whose the cookie is by then."""
        visitor = self._visitors.setdefault(cookie, _Visitor())
        if len(self._visitors) > VISITORS:
            self._visitors.popitem(last=False)
        if contact is not None and visitor.contact != contact.id:
            visitor.contact = contact.id
            contact.cookies.append(cookie)
            contact.history.extend(visitor.history)
            visitor.history.clear()
        return self._contacts.get(visitor.contact) if visitor.contact is not None else None


def json_of(contact: Contact) -> dict[str, Any]:
    """Return all that is known of a contact, for `/_sandbox/contacts`."""
    known = {"cookies": contact.cookies, "deleted": contact.deleted, "history": list(contact.history)}
    return contact.card() | known
