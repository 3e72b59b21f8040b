"""What is decided for a site once and for all: by its operators, and of contact keys that a crowd shares.

It is read again when the site's epoch is raised.
"""

import hashlib
import os
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from gateway.event import Record
from gateway.identity.facts import CUSTOMER
from gateway.identity.fill import without_contacts, without_identity
from gateway.identity.rules import Decision, names_in, without_contact_keys
from gateway.store import Store, Transaction, bulk

_KNOWN = "INSERT INTO identity_sites (site, epoch, salt) VALUES ($1, 1, $2) ON CONFLICT DO NOTHING"
_SITE = "SELECT epoch, salt FROM identity_sites WHERE site = $1"
_RAISE = "UPDATE identity_sites SET epoch = epoch + 1 WHERE site = $1"
_MERGES = "SELECT customer, into_customer FROM merges WHERE site = $1"
_TOMBSTONES = "SELECT digest, erased_at FROM tombstones WHERE site = $1"
_CROWDED = "SELECT contact FROM crowded_contacts WHERE site = $1"
_CROWDED_SINCE = "SELECT at FROM crowded_contacts WHERE site = $1 AND contact = $2"
_CROWD = """
    INSERT INTO crowded_contacts (site, contact, at)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint) FROM rows($1) WHERE true
    ON CONFLICT DO NOTHING RETURNING contact
"""
_UNCLAIM = "DELETE FROM claims WHERE (site, contact) IN (SELECT value->>0, value->>1 FROM rows($1))"
_UNSEE = """
    WITH found AS MATERIALIZED (
        SELECT site, cookie, at, event_id, owner FROM sightings
        WHERE site = $1 AND owner IN (SELECT value->>0 FROM rows($2)) LIMIT $3)
    DELETE FROM sightings
    WHERE (site, cookie, at, event_id, owner) IN (SELECT site, cookie, at, event_id, owner FROM found)
    RETURNING cookie
"""
# Without those sightings a cookie may be shared later or not at all, so it is read whole once more.
_UNSHARE = """
    DELETE FROM shared_cookies WHERE (site, cookie) IN (SELECT value->>0, value->>1 FROM rows($1))
"""
_ROWS = 2000
"""Sightings that one transaction removes: the database answers in time, however many there are."""
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
        return without_contact_keys(record, state.crowded)

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


async def crowded_since(transaction: Transaction, site: str, name: str) -> int | None:
    """Return since when the name is a contact key that stands for nobody, ms; None where it is not."""
    found = await transaction.fetch(_CROWDED_SINCE, site, name)
    return found[0][0] if found else None


async def set_aside(store: Store, site: str, contacts: Collection[str], now_ms: int) -> int:
    """Let these contact keys stand for nobody, as if nobody had ever been seen with them or by them.

    Returns how many were not set aside before. Raises Unreachable; done again it goes on where it was.
    """
    names = bulk(sorted((contact,) for contact in contacts))
    while True:
        async with store.transaction() as transaction:
            await change_state(transaction, site)
            if await _unsee(transaction, site, names) < _ROWS:
                rows = bulk(sorted((site, contact, now_ms) for contact in contacts))
                await transaction.execute(_UNCLAIM, rows)
                return len(await transaction.fetch(_CROWD, rows))


async def _unsee(transaction: Transaction, site: str, names: str) -> int:
    """Forget some of the sightings by those names; return how many."""
    gone = await transaction.fetch(_UNSEE, site, names, _ROWS)
    cookies = sorted({cookie for (cookie,) in gone})
    await transaction.execute(_UNSHARE, bulk((site, cookie) for cookie in cookies))
    return len(gone)


def digest(salt: bytes, name: str) -> str:
    """Return what a tombstone holds of a name: nobody can tell the name from it without the site's salt."""
    return hashlib.blake2b(name.encode(), key=salt, digest_size=16).hexdigest()


def _root(name: str, edges: Mapping[str, str]) -> str:
    while name in edges:
        name = edges[name]
    return name
