"""Whom names stand for on one site: holders of contact keys, merged customers. Pure (rules 2 and 9)."""

import uuid
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from operator import itemgetter
from typing import NamedTuple

from gateway.identity.facts import CUSTOMER, EMAIL, PHONE, Facts, Moment
from gateway.identity.settings import StitchSettings

_END: Moment = (2**62, "")
_moment: Callable[[tuple[Moment, str]], Moment] = itemgetter(0)


class Identity(NamedTuple):
    """What is known of who somebody is."""

    customer: str | None = None
    email: str | None = None
    phone: str | None = None


class _Tenure(NamedTuple):
    """A customer holds a contact key, from a moment on until the next tenure."""

    customer: str
    seen: list[Moment]
    """When he was seen with it; the first one begins the tenure."""


class Owners:
    """Answers whom a name stands for, by the facts as they are when it is made."""

    def __init__(self, facts: Facts, settings: StitchSettings) -> None:
        self._facts = facts
        self._settings = settings
        self._limits = {EMAIL: settings.emails, PHONE: settings.phones}
        self._tenures: dict[str, list[_Tenure]] = {}
        self._identities: dict[str, Identity] = {}
        self._claimants: dict[str, set[str]] = {}
        self._ordered: dict[tuple[str, str], Sequence[tuple[Moment, str]]] = {}

    def owner(self, name: str, moment: Moment) -> str:
        """Return whom the name stands for at that moment: a customer, else the contact key itself."""
        if name.startswith(CUSTOMER):
            return self._facts.root(name)
        return self.holder(name, moment) or name

    def holder(self, contact: str, moment: Moment) -> str | None:
        """Return the customer who holds the contact key at that moment, if any.

        Before anybody was seen with it, it is already his who was first: a guest known by it becomes him.
        """
        tenures = self._tenures_of(contact)
        if not tenures:
            return None
        place = bisect_right(tenures, moment, key=lambda tenure: tenure.seen[0])
        tenure = tenures[max(place - 1, 0)]
        at = bisect_right(tenure.seen, moment)
        if at and self._has_retired(tenure.customer, contact, tenure.seen[at - 1], moment):
            return None
        return tenure.customer

    def claimants(self, contact: str) -> set[str]:
        """Return every customer who was ever seen with the contact key."""
        known = self._claimants.get(contact)
        if known is None:
            claims = self._facts.claims(contact)
            known = self._claimants[contact] = {self._facts.root(claim.owner) for claim in claims}
        return known

    def names(self, owner: str) -> list[str]:
        """Return every name by which the owner may have been seen: merged ids, and contact keys."""
        if not owner.startswith(CUSTOMER):
            return [owner]
        contacts = dict.fromkeys(contact for contact, _ in self._claimed(owner))
        return [*self._facts.group(owner), *contacts]

    def identity(self, owner: str) -> Identity:
        """Return what is known of an owner by now; of several emails or phones the one last seen."""
        known = self._identities.get(owner)
        if known is None:
            known = self._identities[owner] = self._identity(owner)
        return known

    def _identity(self, owner: str) -> Identity:
        if not owner.startswith(CUSTOMER):
            return _named([owner])
        latest: dict[str, Moment] = {}
        for contact, moment in self._claimed(owner):
            latest[contact] = max(moment, latest.get(contact, moment))
        mine = [contact for contact in latest if self.holder(contact, _END) == owner]
        return _named([owner, *sorted(mine, key=latest.__getitem__)])

    def _claimed(self, customer: str) -> Iterator[tuple[str, Moment]]:
        for name in self._facts.group(customer):
            yield from self._facts.claimed(name)

    def _tenures_of(self, contact: str) -> list[_Tenure]:
        """Return who held the contact key, one after another.

        It passes to another customer only when its holder has not been seen with it for the link age, or has
        more recent ones up to the limit; before that the other's claim is set aside.
        """
        known = self._tenures.get(contact)
        if known is not None:
            return known
        tenures: list[_Tenure] = []
        for claim in self._facts.claims(contact):
            customer = self._facts.root(claim.owner)
            last = tenures[-1] if tenures else None
            if last is not None and last.customer == customer:
                last.seen.append(claim.moment)
            elif last is None or self._passes_on(last, contact, claim.moment):
                tenures.append(_Tenure(customer, [claim.moment]))
        self._tenures[contact] = tenures
        return tenures

    def _passes_on(self, tenure: _Tenure, contact: str, moment: Moment) -> bool:
        last = tenure.seen[-1]
        return moment[0] - last[0] > self._settings.link_age_ms or self._has_retired(
            tenure.customer, contact, last, moment
        )

    def _has_retired(self, customer: str, contact: str, last: Moment, moment: Moment) -> bool:
        """Return whether the customer was seen with so many others since that this one has retired."""
        kind = contact[: contact.index("/") + 1]
        claimed = self._in_order(customer, kind)
        others = set[str]()
        for place in range(bisect_right(claimed, last, key=_moment), len(claimed)):
            seen, other = claimed[place]
            if seen > moment:
                break
            if other != contact:
                others.add(other)
            if len(others) >= self._limits[kind]:
                return True
        return False

    def _in_order(self, customer: str, kind: str) -> Sequence[tuple[Moment, str]]:
        """Return when the customer was seen with contact keys of that kind, and with which."""
        known = self._ordered.get((customer, kind))
        if known is None:
            mine = ((seen, contact) for contact, seen in self._claimed(customer) if contact.startswith(kind))
            known = self._ordered[customer, kind] = sorted(mine)
        return known


def person_of(site: str, owner: str | None, cookie: str | None = None) -> uuid.UUID:
    """Return the person: the same for one owner, else for one cookie, on every worker and in every replay."""
    return uuid.uuid5(uuid.uuid5(uuid.NAMESPACE_URL, site), owner or f"cookie/{cookie}")


def _named(names: list[str]) -> Identity:
    named = {}
    for name in names:
        field, _, value = name.partition("/")
        named[field] = value
    return Identity(**named)
