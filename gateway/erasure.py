"""Erasure that a store asks for: the customer leaves eSputnik, then all that is kept of him here."""

from typing import Any

import orjson

from gateway import contacts
from gateway.calls import ApiCall
from gateway.config import Config
from gateway.console import letters
from gateway.event import Record
from gateway.identity import changes
from gateway.identity.changes import Forgotten, customers_of
from gateway.identity.facts import CUSTOMER
from gateway.identity.settings import StitchSettings, settings_of
from gateway.jobs import table
from gateway.store import Store

_WHO = "store"
"""Who it was, in the audit trail."""


def is_erasure(record: Record) -> bool:
    """Return whether the record is a deletion that leaves nothing: `DELETE /v1/contact` with erase=true."""
    return record.type == ApiCall.DELETE_CONTACT and orjson.loads(record.body).get("erase") == "true"


class Erasure:
    """Erases customers of some sites, or shows what would go."""

    def __init__(self, config: Config, store: Store) -> None:
        self.change(config)
        self._store = store

    def change(self, config: Config) -> None:
        """Take over what is said of sites."""
        self._sites = {site.id: site for site in config.sites}

    async def follow(self, record: Record) -> None:
        """Erase whom a delivered deletion was about: facts, audit trail, dead letters; his tombstone stays.

        What was accepted before the deletion is dropped from then on, what came later is a new acquaintance.
        Done again it does no harm. Raises Unreachable.
        """
        if is_erasure(record) and record.customer:
            await self._forget(record.site, record.customer, record.accepted_at, dry_run=False)

    async def preview(self, site: str, customer: str) -> dict[str, Any]:
        """Return how much would go of that customer, in numbers. Raises Unreachable."""
        found, dead = await self._forget(site, customer, 0, dry_run=True)
        counts = {
            name: getattr(found, name) for name in ("cookies", "sightings", "claims", "merges", "trail")
        }
        return {"dry_run": True, "person": found.person, "found": {**counts, "dead_letters": dead}}

    async def _forget(self, site: str, customer: str, at: int, dry_run: bool) -> tuple[Forgotten, int]:
        settings = settings_of(self._sites[site])
        return await erase(self._store, site, CUSTOMER + customer, settings, _WHO, at, dry_run)


async def erase(
    store: Store, site: str, name: str, settings: StitchSettings, who: str, at: int, dry_run: bool
) -> tuple[Forgotten, int]:
    """Erase whom the name stands for from every room, and return what went, and how many dead letters.

    What is known of his other names goes last: broken off and begun again it still finds all of it. Raises
    Unreachable.
    """
    found = await changes.forget(store, site, name, settings, who, at, dry_run=True)
    dead = await letters.naming(store, site, found.names)
    if not dry_run:
        await letters.remove(store, dead)
        await contacts.forget(store, site, customers_of(found))
        await table.forget(store, site, customers_of(found))
        found = await changes.forget(store, site, name, settings, who, at)
        await letters.remove(store, await letters.naming(store, site, found.names))  # kept meanwhile
    return found, len(dead)
