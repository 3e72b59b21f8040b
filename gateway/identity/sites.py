"""What is decided for a site once and for all: by its operators, and of contact keys that a crowd shares.

It is read again when the site's epoch is raised.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace

from gateway.event import Record
from gateway.identity.facts import CUSTOMER, EMAIL, PHONE
from gateway.identity.fill import without_contacts, without_identity
from gateway.identity.rules import Decision, names_in
from gateway.store import Transaction, bulk

_KNOWN = "INSERT INTO identity_sites (site, epoch, salt) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING"
_SITE = "SELECT epoch, salt FROM identity_sites WHERE site = $1"
_RAISE = "UPDATE identity_sites SET epoch = epoch + 1 WHERE site = $1"
_MERGES = "SELECT customer, into_customer FROM merges WHERE site = $1"
_TOMBSTONES = "SELECT digest, erased_at FROM tombstones WHERE site = $1"
_CROWDED = "SELECT contact FROM crowded_contacts WHERE site = $1"
_CROWD = """
    INSERT INTO crowded_contacts (site, contact, at)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint) FROM rows($1) WHERE true
    ON CONFLICT DO NOTHING
"""
_UNCLAIM = """
    DELETE FROM claims WHERE (site, contact) IN (SELECT value->>0, value->>1 FROM rows($1))
"""
_SALT_BYTES = 32

_DROPPED = Decision("dropped", "erased")
_ANONYMOUS = Decision("anonymous", "erased")
_NOTHING_LEFT = frozenset({"CustomerData"})
"""Types that say nothing but whom they are about."""


@dataclass(slots=True)
class SiteState:
    """One site, as its operators have left it."""

    epoch: int
    salt: bytes
    merged: dict[str, str] = field(default_factory=dict)
    """Each merged customer with the one he is now, both as names of owners."""
    erased: dict[str, int] = field(default_factory=dict)
    """When each digest of a name was erased, ms."""
    crowded: frozenset[str] = frozenset()
    """Contact keys that stand for nobody."""

    def erased_at(self, name: str) -> int | None:
        """Return when the owner of that name was erased."""
        return self.erased.get(digest(self.salt, name)) if self.erased else None


class Sites:
    """The state of every site that has been met, as of its epoch."""

    def __init__(self) -> None:
        self.merged: dict[str, Mapping[str, str]] = {}
        """Merges by site."""
        self._states: dict[str, SiteState] = {}

    async def are_current(
        self, transaction: Transaction, epochs: Mapping[str, int], sites: Iterable[str]
    ) -> bool:
        """Return whether what is known is of these epochs; else read it anew, and False."""
        current = True
        for site in sorted(sites):
            state = self._states.get(site)
            if state is None or state.epoch != epochs.get(site):
                state = self._states[site] = await read_state(transaction, site)
                self.merged[site] = state.merged
                current = False
        return current

    def has_erased(self, site: str) -> bool:
        """Return whether anybody of the site was ever erased."""
        state = self._states.get(site)
        return state is not None and bool(state.erased)

    def without_crowds(self, record: Record) -> Record:
        """Return the record without contact keys that stand for nobody, as identity is to see it."""
        state = self._states.get(record.site)
        if state is None or not state.crowded:
            return record
        email = None if record.email and EMAIL + record.email in state.crowded else record.email
        phone = None if record.phone and PHONE + record.phone in state.crowded else record.phone
        is_same = (email, phone) == (record.email, record.phone)
        return record if is_same else replace(record, email=email, phone=phone)

    def were_erased_since(self, record: Record) -> bool:
        """Return whether the record was accepted before whom it is about was erased."""
        state = self._states[record.site]
        names = names_in(record)
        erased_at = state.erased_at(names[0]) if names else None
        return erased_at is not None and record.accepted_at <= erased_at

    def screened(self, record: Record, tracking: bool) -> tuple[Record, Decision | None]:
        """Return the record without what names erased persons, and the decision where that settles it.

        What was accepted before the erasure is dropped. What happened before it and comes later stays
        anonymous and carries no identity on. What happened after it is a new acquaintance.
        """
        state = self._states[record.site]
        names = names_in(record)
        gone = {name: at for name in names if (at := state.erased_at(name)) is not None}
        if not gone:
            return record, None
        erased_at = gone.get(names[0])
        if erased_at is None:
            contacts = {name for name, at in gone.items() if record.occurred_at <= at}
            return (without_contacts(record, contacts) if tracking else record), None
        if record.accepted_at <= erased_at:
            return record, _DROPPED
        if record.occurred_at > erased_at:
            return record, None
        if not tracking or record.type in _NOTHING_LEFT:
            return record, _DROPPED
        return without_identity(record), _ANONYMOUS


async def read_state(transaction: Transaction, site: str) -> SiteState:
    """Return the state of the site, which is made known where it was not."""
    await transaction.execute(_KNOWN, site, os.urandom(_SALT_BYTES))
    ((epoch, salt),) = await transaction.fetch(_SITE, site)
    merged = await read_merged(transaction, site)
    tombstones = await transaction.fetch(_TOMBSTONES, site)
    crowded = frozenset(contact for (contact,) in await transaction.fetch(_CROWDED, site))
    return SiteState(epoch, bytes(salt), merged, {row[0]: row[1] for row in tombstones}, crowded)


async def read_merged(transaction: Transaction, site: str) -> dict[str, str]:
    """Return each merged customer of the site with the one he is now, both as names of owners."""
    merges = await transaction.fetch(_MERGES, site)
    edges = {CUSTOMER + customer: CUSTOMER + into for customer, into in merges}
    return {name: _root(name, edges) for name in edges}


async def change_state(transaction: Transaction, site: str) -> SiteState:
    """Return the state of the site with its epoch raised: no batch of that site is under way from here on."""
    await transaction.execute(_KNOWN, site, os.urandom(_SALT_BYTES))
    await transaction.execute(_RAISE, site)
    return await read_state(transaction, site)


async def set_aside(transaction: Transaction, site: str, contacts: Collection[str], now_ms: int) -> None:
    """Let these contact keys stand for nobody from the next batch on, whoever was seen with them."""
    await change_state(transaction, site)
    rows = bulk(sorted((site, contact, now_ms) for contact in contacts))
    await transaction.execute(_CROWD, rows)
    await transaction.execute(_UNCLAIM, rows)


def digest(salt: bytes, name: str) -> str:
    """Return what a tombstone holds of a name: nobody can tell the name from it without the site's salt."""
    return hashlib.blake2b(name.encode(), key=salt, digest_size=16).hexdigest()


def _root(name: str, edges: Mapping[str, str]) -> str:
    while name in edges:
        name = edges[name]
    return name
