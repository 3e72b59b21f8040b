"""What has been seen on one site, as far as one batch of records needs it.

An owner is a text: `customer/<externalCustomerId>`, or a contact key, `email/<address>` or `phone/<E.164>`.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

CUSTOMER = "customer/"
EMAIL = "email/"
PHONE = "phone/"


class Sighting(NamedTuple):
    """An owner was seen on a cookie; sorts by time, ties by event id."""

    at: int
    """Event time, ms."""
    event: str
    owner: str


class Claim(NamedTuple):
    """A customer was seen with a contact key; sorts by time, ties by event id."""

    at: int
    event: str
    owner: str


class Facts:
    """Sightings by cookie and the first claim on each contact key; remembers which of them are new."""

    def __init__(self) -> None:
        self.new_sightings: list[tuple[str, Sighting]] = []
        """Each with its cookie."""
        self.new_claims: dict[str, Claim] = {}
        """By contact key."""
        self._history: dict[str, list[Sighting]] = {}
        self._cookies: defaultdict[str, set[str]] = defaultdict(set)
        self._claims: dict[str, Claim] = {}
        self._contacts: defaultdict[str, set[str]] = defaultdict(set)

    def see(self, cookie: str, sighting: Sighting) -> None:
        """Take in an owner seen on a cookie; a fact already known changes nothing."""
        if self.recall_sighting(cookie, sighting):
            self.new_sightings.append((cookie, sighting))

    def claim(self, contact: str, claim: Claim) -> None:
        """Take in a customer seen with a contact key; only the first one counts."""
        if self.recall_claim(contact, claim):
            self.new_claims[contact] = claim

    def history(self, cookie: str) -> Sequence[Sighting]:
        """Return who was seen on the cookie, in order of event time."""
        return self._history.get(cookie, ())

    def owner(self, name: str) -> str:
        """Return whom a name stands for: a contact key for the customer first seen with it, else itself."""
        claim = self._claims.get(name)
        return claim.owner if claim else name

    def contacts(self, owner: str) -> list[tuple[Claim, str]]:
        """Return the contact keys that are the customer's, the one first seen latest at the end."""
        mine = ((self._claims[contact], contact) for contact in self._contacts.get(owner, ()))
        return sorted(pair for pair in mine if pair[0].owner == owner)

    def cookies(self, owner: str) -> set[str]:
        """Return the cookies on which the owner was ever seen, by any of his names."""
        names = [owner, *(contact for _, contact in self.contacts(owner))]
        return set().union(*(self._cookies.get(name, ()) for name in names))

    def recall_sighting(self, cookie: str, sighting: Sighting) -> bool:
        """Take in what the store holds; return whether it was not known yet."""
        history = self._history.setdefault(cookie, [])
        place = bisect_left(history, sighting)
        if place < len(history) and history[place] == sighting:
            return False
        history.insert(place, sighting)
        self._cookies[sighting.owner].add(cookie)
        return True

    def recall_claim(self, contact: str, claim: Claim) -> bool:
        """Take in what the store holds; return whether it comes before what was known."""
        known = self._claims.get(contact)
        if known is not None and known <= claim:
            return False
        self._claims[contact] = claim
        self._contacts[claim.owner].add(contact)
        return True
