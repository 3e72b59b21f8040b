"""How one row of a bulk call meets the contacts that are there.

The rules are those of docs page 29359639788 ("API Methods for Adding Contacts") and of
docs.reteno.com/reference/contactsbulkupdate-1. Where they are silent, the most careful reading holds:
- An external id is never taken from a contact or replaced, so a row with an unknown one passes over every
  contact that has another.
- With `dedupeOn=externalCustomerId` a row whose id is unknown makes a contact, and one without an id is
  looked up by email and then phone (page 29829152407, "External ID"); so is a row where `dedupeOn` is left
  out, as it is in the FAQ's example.
- A contact that is deleted is found by the other keys only where no living one is, and then `restoreDeleted`
  decides as it does for external ids. Left out, it is false.
- Without `customFieldsIDs` no additional field is touched.
- A new contact gets every channel of its row, listed or not: without a channel it would be none.
"""

from dataclasses import dataclass
from enum import Enum

from gateway.sandbox.account import Account
from gateway.sandbox.cards import Contact, Key, channel_key, field_key
from gateway.sandbox.identity import Body, channels, elements, text

DEDUPE = {
    "email": ("email",),
    "sms": ("sms",),
    "email_or_sms": ("sms", "email"),  # "sms first"
    "push": ("mobilepush",),
    "webpush": ("webpush",),
    "id": (),
    "fieldId": (),
    "externalCustomerId": (),
}
"""Values of dedupeOn, and which channels of a row each looks at, in that order."""
_OLDER_LOGIC = ("email", "sms")

_CHANNELS = ("email", "sms", "mobilepush", "webpush")
_ADDRESS = ("address", "town", "region", "postcode")
_PLAIN = ("firstName", "lastName", "contactKey", "ordersInfo", "languageCode", "timeZone")
FIELDS = frozenset(_CHANNELS + _ADDRESS + _PLAIN)
"""Values of contactFields."""


class Outcome(Enum):
    """What became of a row."""

    CREATED = "created"
    UPDATED = "updated"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Terms:
    """What a bulk call says beside its contacts."""

    dedupe_on: str | None = None
    field_id: str = ""
    contact_fields: frozenset[str] | None = None
    custom_fields: frozenset[str] = frozenset()
    groups: tuple[str, ...] = ()
    groups_exclude: tuple[str, ...] = ()
    restore_deleted: bool = False
    event_for_new: str = ""

    def keys(self, row: Body) -> list[tuple[str, Key]]:
        """Return what the row is looked up by, best first: (the field of contactFields, the key)."""
        if self.dedupe_on == "id":
            return [("", ("contact", text(row.get("id"))))] if text(row.get("id")) else []
        if self.dedupe_on == "fieldId":
            custom = [one for one in elements(row.get("fields")) if text(one.get("id")) == self.field_id]
            return [("", field_key(one)) for one in custom]
        by_address = self.dedupe_on is None or (
            self.dedupe_on == "externalCustomerId" and not text(row.get("externalCustomerId"))
        )
        types = _OLDER_LOGIC if by_address else DEDUPE[self.dedupe_on or ""]
        given = channels(row)
        return [(kind, channel_key(c)) for kind in types for c in given if c["type"] == kind]


def merge(account: Account, row: Body, terms: Terms, at: str) -> tuple[Outcome, Contact | None]:
    """Write the row onto the contact that it means, or onto a new one, unless it is to be skipped."""
    contact, used = meant(account, row, terms)
    outcome = Outcome.UPDATED
    if contact is None:
        contact, outcome = account.cards.new(), Outcome.CREATED
        contact.channels = channels(row)
    elif contact.deleted and not terms.restore_deleted:
        return Outcome.SKIPPED, None
    contact.deleted = False
    contact.customer = text(row.get("externalCustomerId")) or contact.customer
    _overwrite(contact, row, terms, kept=_CHANNELS if outcome is Outcome.CREATED else (used,))
    account.cards.touch(contact)
    for name in terms.groups:
        account.group(name).contacts[contact.id] = None
    for name in terms.groups_exclude:
        account.group(name).contacts.pop(contact.id, None)
    if outcome is Outcome.CREATED and terms.event_for_new:
        account.raised(_welcome(contact, terms.event_for_new), contact, at)
    return outcome, contact


def meant(account: Account, row: Body, terms: Terms) -> tuple[Contact | None, str]:
    """Return the contact that the row means, deleted or not, and the field that found it or would have."""
    keys = terms.keys(row)
    used = keys[0][0] if keys else ""
    customer = text(row.get("externalCustomerId"))
    if customer:
        known = next(account.cards.owners(("customer", customer)), None)
        if known is not None:
            return known, used
    deleted: tuple[Contact | None, str] = (None, used)
    for name, key in keys:
        for owner in account.cards.owners(key):
            if customer and owner.customer:
                continue
            if not owner.deleted:
                return owner, name
            if deleted[0] is None:
                deleted = (owner, name)
    return deleted


def _overwrite(contact: Contact, row: Body, terms: Terms, kept: tuple[str, ...]) -> None:
    """Give the contact the listed fields of the row: one that the row leaves out becomes empty."""
    listed = (FIELDS if terms.contact_fields is None else terms.contact_fields).difference(kept)
    if types := listed.intersection(_CHANNELS):
        others = [channel for channel in contact.channels if channel["type"] not in types]
        contact.channels = others + [channel for channel in channels(row) if channel["type"] in types]
    for name in listed.intersection(_PLAIN):
        _set(contact.fields, name, row.get(name))
    address, given = contact.fields.get("address") or {}, row.get("address") or {}
    if address or given:
        address = dict(address)
        for name in listed.intersection(_ADDRESS):
            _set(address, name, given.get(name))
        _set(contact.fields, "address", address)
    if terms.custom_fields:
        before, now = elements(contact.fields.get("fields")), elements(row.get("fields"))
        untouched = [one for one in before if text(one.get("id")) not in terms.custom_fields]
        written = [one for one in now if text(one.get("id")) in terms.custom_fields]
        _set(contact.fields, "fields", untouched + written)


def _set(fields: Body, name: str, value: object) -> None:
    if value:
        fields[name] = value
    else:
        fields.pop(name, None)


def _welcome(contact: Contact, event_type: str) -> Body:
    """Return the event of a new contact: its key is the email, else the phone (page 29359639788)."""
    email, phone = contact.value("email"), contact.value("sms")
    params = {"contactId": contact.id, "EmailAddress": email, "SMS": phone}
    return {"eventTypeKey": event_type, "keyValue": email or phone, "params": params}
