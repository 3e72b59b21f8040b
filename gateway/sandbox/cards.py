"""Contact cards, found by every identifier that they hold."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from gateway.sandbox.identity import Body, Identity, as_email, as_phone, text

CONTACTS = 250_000
HISTORY = 500
"""What is kept at most; the oldest goes first."""

Deed = dict[str, str | None]
"""What somebody did: {"at", "event", "cookie"}."""
Key = tuple[str, str]
"""Kind and value of what finds a card: customer, email, phone, contact, push, webpush, or `field <id>`."""

KINDS = {"email": "email", "sms": "phone", "mobilepush": "push", "webpush": "webpush"}
"""Which kind of key the value of a channel is."""


@dataclass(slots=True)
class Contact:
    """A contact card."""

    id: int
    customer: str = ""
    fields: Body = field(default_factory=dict)
    channels: list[Body] = field(default_factory=list)
    cookies: list[str] = field(default_factory=list)
    orders: dict[str, None] = field(default_factory=dict)
    history: list[Deed] = field(default_factory=list)
    confirmed: bool = True
    deleted: bool = False
    keys: frozenset[Key] = frozenset()
    """What finds it by now; kept by Cards."""

    def card(self) -> Body:
        """Return what `GET /v1/contact/{id}` tells."""
        own = {"id": self.id, "externalCustomerId": self.customer} if self.customer else {"id": self.id}
        return own | self.fields | {"channels": self.channels}

    def value(self, kind: str) -> str:
        """Return the first value of its channels of that type, "" without one."""
        return next((text(c["value"]) for c in self.channels if c["type"] == kind), "")

    def take(self, given: list[Body]) -> None:
        """Replace its channels of the types that are given."""
        types = {channel["type"] for channel in given}
        self.channels = [channel for channel in self.channels if channel["type"] not in types] + given

    def remember(self, *deeds: Deed) -> None:
        """Write down what the contact did."""
        self.history.extend(deeds)
        del self.history[:-HISTORY]


class Cards:
    """Contacts in order of creation, and who holds which identifier."""

    def __init__(self) -> None:
        self._cards: OrderedDict[int, Contact] = OrderedDict()
        self._owners: dict[Key, dict[int, None]] = {}
        self._next_id = 1_000_001

    def __iter__(self) -> Iterator[Contact]:
        return iter(self._cards.values())

    def __len__(self) -> int:
        return len(self._cards)

    def get(self, contact_id: int) -> Contact | None:
        """Return the contact with that id, deleted or not."""
        return self._cards.get(contact_id)

    def owners(self, key: Key) -> Iterator[Contact]:
        """Yield who holds the identifier, the one updated last first, deleted ones among them."""
        return (self._cards[owner] for owner in reversed(self._owners.get(key, {})))

    def find(self, identity: Identity, deleted: bool = False) -> Contact | None:
        """Return the contact that the strongest known identifier names."""
        for key in identity.ids():
            for contact in self.owners(key):
                if deleted or not contact.deleted:
                    return contact
        return None

    def holding(self, kind: str, part: str) -> Iterator[Contact]:
        """Yield who has an identifier of that kind with `part` somewhere in it."""
        found = (owners for key, owners in self._owners.items() if key[0] == kind and part in key[1])
        return (self._cards[owner] for owners in found for owner in owners)

    def new(self) -> Contact:
        """Return a new, empty card; the oldest one goes where there are too many."""
        contact = Contact(self._next_id)
        self._next_id += 1
        self._cards[contact.id] = contact
        if len(self._cards) > CONTACTS:
            self.forget(next(iter(self)))
        return contact

    def touch(self, contact: Contact) -> None:
        """Let the card be found by what it holds now, as the one that was updated last."""
        keys = frozenset(_keys(contact))
        for key in contact.keys - keys:
            self._release(key, contact)
        for key in keys:
            owners = self._owners.setdefault(key, {})
            owners.pop(contact.id, None)
            owners[contact.id] = None
        contact.keys = keys

    def forget(self, contact: Contact) -> None:
        """Remove the card with all that finds it."""
        del self._cards[contact.id]
        for key in contact.keys:
            self._release(key, contact)

    def _release(self, key: Key, contact: Contact) -> None:
        owners = self._owners[key]
        del owners[contact.id]
        if not owners:
            del self._owners[key]


def field_key(custom: Body) -> Key:
    """Return the key of an additional field: its value counts up to 50 characters.

    The limit is that of `dedupeOn=fieldId` (docs.reteno.com/reference/contactsbulkupdate-1).
    """
    return f"field {custom.get('id')}", str(custom.get("value"))[:50]


def channel_key(channel: Body) -> Key:
    """Return the key that a channel is."""
    kind = KINDS.get(channel["type"]) or str(channel["type"])
    normal = {"email": as_email, "phone": as_phone}.get(kind, text)
    return kind, normal(channel["value"])


def _keys(contact: Contact) -> Iterator[Key]:
    yield "contact", str(contact.id)
    if contact.customer:
        yield "customer", contact.customer
    for channel in contact.channels:
        yield channel_key(channel)
    custom: Any = contact.fields.get("fields")
    for one in custom if isinstance(custom, list) else ():
        if isinstance(one, dict):
            yield field_key(one)
