"""What an operator changes about people: merge, unmerge, lift, forget. Each leaves a trail."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass

from gateway.errors import GatewayError
from gateway.identity import audit
from gateway.identity.facts import CUSTOMER
from gateway.identity.owners import person_of
from gateway.identity.people import END, rules_for
from gateway.identity.rules import Rules
from gateway.identity.settings import StitchSettings
from gateway.identity.sites import change_state, digest, read_state
from gateway.store import Store, Transaction, bulk

_MERGE = """
    INSERT INTO merges (site, customer, into_customer, at, who, reason) VALUES ($1, $2, $3, $4, $5, $6)
"""
_UNMERGE = "DELETE FROM merges WHERE site = $1 AND customer = $2"

_LIFT = "DELETE FROM crowded_contacts WHERE site = $1 AND contact = $2"

_NAMES = "(SELECT value->>0 FROM rows($2))"
_MINE = {
    # Without their sightings a cookie may be shared later or not at all, so it is read whole once more.
    "shared": "shared_cookies WHERE site = $1 AND cookie IN "  # noqa: S608 -- ours
    f"(SELECT cookie FROM sightings WHERE site = $1 AND owner IN {_NAMES})",
    "sightings": f"sightings WHERE site = $1 AND owner IN {_NAMES}",
    "claims": f"claims WHERE site = $1 AND owner IN {_NAMES}",
    "placeholders": f"crowded_contacts WHERE site = $1 AND contact IN {_NAMES}",
    "merges": f"merges WHERE site = $1 AND ('{CUSTOMER}' || customer IN {_NAMES} "
    f"OR '{CUSTOMER}' || into_customer IN {_NAMES})",
    "trail": "identity_audit WHERE site = $1 AND (person IN (SELECT value->>0 FROM rows($2)) "
    "OR other IN (SELECT value->>0 FROM rows($2)))",
}
_BURY = """
    INSERT INTO tombstones (site, digest, erased_at)
    SELECT value->>0, value->>1, CAST(value->>2 AS bigint) FROM rows($1) WHERE true
    ON CONFLICT (site, digest) DO UPDATE SET erased_at = excluded.erased_at
        WHERE excluded.erased_at > tombstones.erased_at
"""


class ChangeRefused(GatewayError):
    """The change makes no sense as things stand; its text says why, without naming anybody."""


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What an erasure found, and has removed unless it was a dry run."""

    person: str
    """The uuid of `person_of`."""
    names: frozenset[str]
    """Every name of theirs, as an owner's; personal data."""
    cookies: int
    """On how many cookies they were seen."""
    sightings: int
    claims: int
    """Days on which they were seen with contact keys."""
    merges: int
    trail: int
    """Entries of the audit trail."""


async def merge(
    store: Store, site: str, customer: str, into: str, who: str, reason: str, now_ms: int
) -> None:
    """Make one customer the other from now on, and for all that is known of both; `unmerge` undoes it.

    Raises ChangeRefused where he is merged already or both are one, Unreachable with nothing changed.
    """
    async with store.transaction() as transaction:
        state = await change_state(transaction, site)
        name, target = CUSTOMER + customer, CUSTOMER + into
        if name in state.merged:
            raise ChangeRefused("this customer is merged into another one already; unmerge him first")
        root = state.merged.get(target, target)
        if root == name:
            raise ChangeRefused("both are one customer already")
        await transaction.execute(_MERGE, site, customer, into, now_ms, who, reason)
        await _tell(transaction, site, "merged", root, name, who, reason, now_ms)


async def unmerge(store: Store, site: str, customer: str, who: str, reason: str, now_ms: int) -> None:
    """Undo the merge of that customer into another; everything is as if it had never been.

    Raises ChangeRefused where he is not merged, Unreachable with nothing changed.
    """
    async with store.transaction() as transaction:
        state = await change_state(transaction, site)
        name = CUSTOMER + customer
        if name not in state.merged:
            raise ChangeRefused("this customer is not merged into another one")
        await transaction.execute(_UNMERGE, site, customer)
        await _tell(transaction, site, "unmerged", name, state.merged[name], who, reason, now_ms)


async def lift(store: Store, site: str, contact: str, who: str, reason: str, now_ms: int) -> None:
    """Let a contact key that was a placeholder name people again; how many come with it counts from zero.

    `contact` is an owner's name: `email/...` or `phone/...`. Raises ChangeRefused where it is none,
    Unreachable with nothing changed.
    """
    async with store.transaction() as transaction:
        state = await change_state(transaction, site)
        if contact not in state.crowded:
            raise ChangeRefused("this contact key is no placeholder; nothing keeps it from naming somebody")
        await transaction.execute(_LIFT, site, contact)
        await _tell(transaction, site, "lifted", contact, None, who, reason, now_ms)


async def forget(
    store: Store, site: str, name: str, settings: StitchSettings, who: str, now_ms: int, dry_run: bool = False
) -> Forgotten:
    """Erase whom the name stands for: every merged id, his contact keys that are nobody else's, his links.

    Tombstones keep late events from bringing him back. Raises Unreachable with nothing changed.
    """
    async with store.transaction() as transaction:
        state = await (read_state if dry_run else change_state)(transaction, site)
        rules = await rules_for(transaction, site, name, settings)
        owner = rules.owners.owner(name, END)
        names = _names_of(rules, owner, name)
        persons = [str(person_of(site, one)) for one in names]
        found = Forgotten(
            person=str(person_of(site, owner)),
            names=frozenset(names),
            cookies=rules.timelines.spread(owner),
            sightings=await _count(transaction, "sightings", site, names),
            claims=await _count(transaction, "claims", site, names),
            merges=await _count(transaction, "merges", site, names),
            trail=await _count(transaction, "trail", site, persons),
        )
        if not dry_run:
            for what in ("shared", "sightings", "claims", "placeholders", "merges"):
                await _delete(transaction, what, site, names)
            await _delete(transaction, "trail", site, persons)
            rows = sorted((site, digest(state.salt, one), now_ms) for one in names)
            await transaction.execute(_BURY, bulk(rows))
            await _tell(transaction, site, "forgotten", owner, None, who, "erasure", now_ms)
    return found


def customers_of(found: Forgotten) -> list[str]:
    """Return the customer ids among the names that an erasure found."""
    return [name.removeprefix(CUSTOMER) for name in found.names if name.startswith(CUSTOMER)]


def _names_of(rules: Rules, owner: str, name: str) -> list[str]:
    """Return the names that are his alone; a contact key that others were seen with stays theirs."""
    mine = {owner, name, *rules.owners.names(owner)}
    return sorted(one for one in mine if rules.owners.claimants(one) <= {owner})


async def _count(transaction: Transaction, what: str, site: str, names: Collection[str]) -> int:
    rows = bulk((name,) for name in names)
    ((count,),) = await transaction.fetch(f"SELECT count(*) FROM {_MINE[what]}", site, rows)  # noqa: S608 -- ours
    return int(count)


async def _delete(transaction: Transaction, what: str, site: str, names: Collection[str]) -> None:
    await transaction.execute(f"DELETE FROM {_MINE[what]}", site, bulk((name,) for name in names))  # noqa: S608


async def _tell(
    transaction: Transaction,
    site: str,
    word: str,
    owner: str,
    other: str | None,
    who: str,
    reason: str,
    now_ms: int,
) -> None:
    entry = audit.Entry(
        site=site,
        at=now_ms,
        event=str(uuid.uuid4()),
        word=word,
        type="operator",
        reason=reason,
        person=str(person_of(site, owner)),
        other=str(person_of(site, other)) if other else "",
        who=who,
    )
    await transaction.write(audit.writes([entry]))
