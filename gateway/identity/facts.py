"""What has been seen on one site, as far as one batch of records needs it.

An owner is a text: `customer/<externalCustomerId>`, or a contact key, `email/<address>` or `phone/<E.164>`.
"""

from bisect import bisect_left, insort
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

CUSTOMER = "customer/"
EMAIL = "email/"
PHONE = "phone/"
NOBODY = ""
"""Who is seen on a cookie by a logout."""

DAY_MS = 24 * 3600 * 1000

Moment = tuple[int, str]
"""When something happened: event time in ms, ties broken by the event's id."""


class Sighting(NamedTuple):
    """Somebody was seen, on a cookie or with a contact key; sorts by moment."""

    at: int
    """Event time, ms."""
    event: str
    owner: str
    type: str = ""
    """Of the event."""

    @property
    def moment(self) -> Moment:
        """When it was."""
        return self.at, self.event


class Seen(NamedTuple):
    """A name was seen on a cookie; sorts by moment."""

    at: int
    event: str
    cookie: str
    type: str = ""

    @property
    def moment(self) -> Moment:
        """When it was."""
        return self.at, self.event


class Facts:
    """Who was seen on cookies and with contact keys. Sets that only grow, so that no order matters.

    A cookie's sightings all count. A customer's sightings with a contact key (claims) count once a UTC day,
    the earliest: nothing that follows from them is finer than days.
    """

    def __init__(self, merged: Mapping[str, str] | None = None) -> None:
        """`merged` names, for each customer that an operator merged, the one he is now, both as owners."""
        self.new_sightings: list[tuple[str, Sighting]] = []
        """Those that the store does not hold yet, each with its cookie."""
        self.new_claims: dict[tuple[str, str, int], Sighting] = {}
        """The same of claims, by contact key, customer and day."""
        self.newly_shared: dict[str, Moment] = {}
        """Cookies of which the store does not hold since when they are shared."""
        self._shared: dict[str, Moment] = {}
        self._merged = merged or {}
        self.has_merged = bool(self._merged)
        self._members: dict[str, list[str]] = defaultdict(list)
        for name, root in self._merged.items():
            self._members[root].append(name)
        self._history: dict[str, list[Sighting]] = {}
        self._seen: defaultdict[str, list[Seen]] = defaultdict(list)
        self._claims: defaultdict[str, list[Sighting]] = defaultdict(list)
        self._claimed: defaultdict[str, dict[tuple[str, int], Moment]] = defaultdict(dict)

    def see(self, cookie: str, sighting: Sighting) -> None:
        """Take in who was seen on a cookie; a fact already known changes nothing."""
        if self.recall_sighting(cookie, sighting):
            self.new_sightings.append((cookie, sighting))

    def claim(self, contact: str, sighting: Sighting) -> None:
        """Take in a customer seen with a contact key; only the earliest of a day counts."""
        if self.recall_claim(contact, sighting):
            self.new_claims[contact, sighting.owner, sighting.at // DAY_MS] = sighting

    def share(self, cookie: str, moment: Moment) -> None:
        """Take in that the cookie is shared from that moment on; its later sightings are not read again."""
        if cookie not in self._shared or moment < self._shared[cookie]:
            self._shared[cookie] = self.newly_shared[cookie] = moment

    def history(self, cookie: str) -> Sequence[Sighting]:
        """Return who was seen on the cookie, in order of event time."""
        return self._history.get(cookie, ())

    def seen_until(self, cookie: str) -> Moment | None:
        """Return when somebody was last seen on the cookie, as far as is known now."""
        history = self._history.get(cookie)
        return history[-1].moment if history else None

    def claims(self, contact: str) -> Sequence[Sighting]:
        """Return who was seen with the contact key, in order of event time."""
        return self._claims.get(contact, ())

    def seen(self, name: str) -> Sequence[Seen]:
        """Return where the name was seen, in order of event time."""
        return self._seen.get(name, ())

    def claimed(self, customer: str) -> Iterable[tuple[str, Moment]]:
        """Yield the contact keys that the customer was seen with, one day after another."""
        return ((contact, moment) for (contact, _), moment in self._claimed.get(customer, {}).items())

    def names(self) -> set[str]:
        """Return every name of an owner that the facts tell of."""
        return {*self._seen, *self._claimed}

    def root(self, name: str) -> str:
        """Return the customer that an operator has merged this one into, else itself."""
        return self._merged.get(name, name)

    def group(self, root: str) -> list[str]:
        """Return every name of the customer: his own, and those merged into him."""
        return [root, *self._members.get(root, ())]

    def recall_shared(self, cookie: str, moment: Moment) -> None:
        """Take in since when the store says that the cookie is shared."""
        self._shared[cookie] = moment

    def recall_sighting(self, cookie: str, sighting: Sighting) -> bool:
        """Take in what the store holds; return whether it was not known yet."""
        history = self._history.setdefault(cookie, [])
        place = bisect_left(history, sighting.moment)
        if place < len(history) and history[place].moment == sighting.moment:
            return False
        history.insert(place, sighting)
        self.recall_seen(sighting.owner, Seen(sighting.at, sighting.event, cookie, sighting.type))
        return True

    def recall_seen(self, name: str, seen: Seen) -> None:
        """Take in where the store says that a name was seen."""
        places = self._seen[name]
        place = bisect_left(places, seen)
        if place == len(places) or places[place] != seen:
            places.insert(place, seen)

    def recall_claim(self, contact: str, claim: Sighting) -> bool:
        """Take in what the store holds; return whether it comes before what was known of that day."""
        days = self._claimed[claim.owner]
        day = contact, claim.at // DAY_MS
        known = days.get(day)
        if known is not None and known <= claim.moment:
            return False
        days[day] = claim.moment
        claims = self._claims[contact]
        if known is not None:
            claims.remove(next(c for c in claims if c.owner == claim.owner and c.moment == known))
        insort(claims, claim)
        return True
