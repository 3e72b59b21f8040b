"""Which customers have a contact at eSputnik, as far as the gateway has seen: one row for each.

A row that is claimed says that somebody is making the contact now; a claim that was left behind by a crash
ends with its lease. No row is needed for a customer of whom nothing is known.
"""

from collections.abc import Collection
from enum import StrEnum

from gateway.clock import Clock
from gateway.recent import RecentIds
from gateway.store import Store, bulk

LEASE_MS = 60_000
"""Longer than a look-up and a call take, each with its timeout."""
_REMEMBERED = 100_000
_FOR_MS = 24 * 3600 * 1000


class ContactState(StrEnum):
    """What is known of a customer's contact."""

    CLAIMED = "claimed"
    """Somebody is making it now."""
    KNOWN = "known"
    """eSputnik has answered for it."""
    REFUSED = "refused"
    """eSputnik would not take it."""
    DELETED = "deleted"
    """A deletion went through the gateway; no contact is made until the store makes one."""


_CLAIM = """
    INSERT INTO contacts (site, customer, state, until) VALUES ($1, $2, 'claimed', $4)
    ON CONFLICT (site, customer) DO UPDATE SET until = excluded.until
        WHERE contacts.state = 'claimed' AND contacts.until < $3
    RETURNING state
"""
_STATE = "SELECT state FROM contacts WHERE site = $1 AND customer = $2"
_SETTLE_CLAIM = (
    "UPDATE contacts SET state = $3, until = 0 WHERE site = $1 AND customer = $2 AND state = 'claimed'"
)
_SETTLE = """
    INSERT INTO contacts (site, customer, state, until) VALUES ($1, $2, $3, 0)
    ON CONFLICT (site, customer) DO UPDATE SET state = excluded.state, until = 0
"""
_RELEASE = "DELETE FROM contacts WHERE site = $1 AND customer = $2 AND state = 'claimed'"
_FORGET = "DELETE FROM contacts WHERE site = $1 AND customer IN (SELECT value->>0 FROM rows($2))"


class Contacts:
    """What is known of one site's contacts; every method that asks the database may raise Unreachable."""

    def __init__(self, store: Store, site: str, clock: Clock) -> None:
        self._store = store
        self._site = site
        self._clock = clock
        self._settled = RecentIds(_REMEMBERED, _FOR_MS)

    def are_settled(self, customer: str) -> bool:
        """Return whether this process knows that nothing is left to do for the customer."""
        return self._settled.knows(customer, self._clock.now_ms())

    async def claim(self, customer: str) -> ContactState | None:
        """Return None where the contact is the caller's to make, else what is known of it."""
        now = self._clock.now_ms()
        async with self._store.transaction() as transaction:
            if await transaction.fetch(_CLAIM, self._site, customer, now, now + LEASE_MS):
                return None
            rows = await transaction.fetch(_STATE, self._site, customer)
        state = ContactState(rows[0][0]) if rows else ContactState.CLAIMED
        if state in (ContactState.KNOWN, ContactState.REFUSED):
            self._settled.add(customer, now)
        return state

    async def made(self, customer: str, state: ContactState) -> None:
        """Note how the caller's claim has ended, unless a deletion came between."""
        async with self._store.transaction() as transaction:
            await transaction.execute(_SETTLE_CLAIM, self._site, customer, state.value)
        self._settled.add(customer, self._clock.now_ms())

    async def release(self, customer: str) -> None:
        """Give up the caller's claim; somebody will try again."""
        async with self._store.transaction() as transaction:
            await transaction.execute(_RELEASE, self._site, customer)

    async def answered(self, customer: str) -> None:
        """Note that eSputnik has answered for the contact in a call of the store's own."""
        if not self.are_settled(customer):
            await self._settle(customer, ContactState.KNOWN)
            self._settled.add(customer, self._clock.now_ms())

    async def deleted(self, customer: str) -> None:
        """Note that a deletion went through us."""
        self._settled.drop(customer)
        await self._settle(customer, ContactState.DELETED)

    async def _settle(self, customer: str, state: ContactState) -> None:
        async with self._store.transaction() as transaction:
            await transaction.execute(_SETTLE, self._site, customer, state.value)


async def forget(store: Store, site: str, customers: Collection[str]) -> None:
    """Remove all that is known of these customers' contacts. Raises Unreachable."""
    async with store.transaction() as transaction:
        await transaction.execute(_FORGET, site, bulk((customer,) for customer in customers))
