"""The links of each cookie, one after another: what opens and what closes them. Pure (rules 3 to 7, 9)."""

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from gateway.identity.facts import CUSTOMER, DAY_MS, NOBODY, Facts, Moment, Seen, Sighting
from gateway.identity.owners import Owners
from gateway.identity.settings import StitchSettings

_BEGINNING: Moment = (-(2**62), "")
_LAST = "\U0010ffff"
"""Sorts behind every event id."""

Why = Literal["silence", "another_owner", "logout", "shared", "limit"]


class Cause(NamedTuple):
    """An event that opened or closed a link."""

    event: str
    type: str


class Link(NamedTuple):
    """A cookie belongs to an owner, from a time to a time."""

    owner: str
    start: int
    opened_by: Cause
    seen: int
    """When the owner was last seen on the cookie."""
    end: int
    """When it was closed, or when the link age passes with nobody seen."""
    closed_by: Cause | None
    """None where only silence ends it."""
    why: Why
    """What ends it."""
    reaches_back: int
    """From when on the visitor's earlier anonymous events are the owner's too."""

    @property
    def opened(self) -> Moment:
        """When it opened."""
        return self.start, self.opened_by.event

    def is_open(self, moment: Moment) -> bool:
        """Return whether it, having opened before that moment, is still open then."""
        if self.closed_by is None:
            return moment[0] <= self.end
        return moment <= (self.end, self.closed_by.event)


class Timelines:
    """Answers what links the cookies have, by the facts as they are when it is made."""

    def __init__(self, facts: Facts, owners: Owners, settings: StitchSettings) -> None:
        self._facts = facts
        self._owners = owners
        self._settings = settings
        self._links: dict[str, list[Link]] = {}
        self._shared: dict[str, Sighting | None] = {}
        self._seen: dict[str, list[Seen]] = {}
        self._spread: dict[str, int] = {}
        """On how many cookies an owner in `_seen` was seen."""

    def links(self, cookie: str) -> list[Link]:
        """Return the links of the cookie, oldest first."""
        known = self._links.get(cookie)
        if known is None:
            known = self._links[cookie] = self._walk(cookie)
        return known

    def before(self, cookie: str, moment: Moment) -> Link | None:
        """Return the latest link that opened before that moment; `is_open` tells whether it still is."""
        links = self.links(cookie)
        place = bisect_left(links, moment, key=lambda link: link.opened)
        return links[place - 1] if place else None

    def after(self, cookie: str, moment: Moment) -> Link | None:
        """Return the first link that opened after that moment."""
        links = self.links(cookie)
        place = bisect_right(links, moment, key=lambda link: link.opened)
        return links[place] if place < len(links) else None

    def shared(self, cookie: str) -> Sighting | None:
        """Return the sighting that marks the cookie as shared, the first with too many owners in a day."""
        if cookie not in self._shared:
            self._shared[cookie] = self._first_of_a_crowd(self._facts.history(cookie))
        return self._shared[cookie]

    def seen(self, owner: str) -> list[Seen]:
        """Return where the owner was seen, by any of his names, in order of event time."""
        known = self._seen.get(owner)
        if known is None:
            mine = (
                seen
                for name in self._owners.names(owner)
                for seen in self._facts.seen(name)
                if self._owners.owner(name, seen.moment) == owner
            )
            known = self._seen[owner] = sorted(mine)
            self._spread[owner] = len({seen.cookie for seen in known})
        return known

    def spread(self, owner: str) -> int:
        """Return on how many cookies the owner was seen."""
        self.seen(owner)
        return self._spread[owner]

    def _walk(self, cookie: str) -> list[Link]:
        shared = self.shared(cookie)
        links: list[Link] = []
        last: Link | None = None
        seen: Moment = _BEGINNING
        for sighting in self._facts.history(cookie):
            if last is not None:
                last = links[-1] = self._retired(cookie, last, seen, sighting.moment)
            is_open = last is not None and last.closed_by is None and sighting.at <= last.end
            if shared is not None and sighting.moment >= shared.moment:
                if last is not None and is_open:
                    links[-1] = _closed(last, shared, "shared")
                return links
            owner = sighting.owner and self._owners.owner(sighting.owner, sighting.moment)
            if last is not None and is_open:
                if last.owner == owner:
                    last = links[-1] = self._seen_again(last, sighting)
                    seen = sighting.moment
                    continue
                last = links[-1] = _closed(last, sighting, "another_owner" if owner else "logout")
            if owner:
                last = self._opened(owner, sighting, last)
                links.append(last)
                seen = sighting.moment
        if last is not None:
            links[-1] = self._retired(cookie, last, seen, (last.end, _LAST))
        return links

    def _opened(self, owner: str, sighting: Sighting, before: Link | None) -> Link:
        reaches_back = sighting.at - self._settings.back_stitch_ms
        return Link(
            owner=owner,
            start=sighting.at,
            opened_by=Cause(sighting.event, sighting.type),
            seen=sighting.at,
            end=sighting.at + self._settings.link_age_ms,
            closed_by=None,
            why="silence",
            reaches_back=reaches_back if before is None else max(reaches_back, before.end),
        )

    def _seen_again(self, link: Link, sighting: Sighting) -> Link:
        return link._replace(seen=sighting.at, end=sighting.at + self._settings.link_age_ms)

    def _retired(self, cookie: str, link: Link, last: Moment, until: Moment) -> Link:
        """Return the link closed where its owner, seen `last` on the cookie, had too many others by then."""
        if link.closed_by is not None or not link.owner.startswith(CUSTOMER):
            return link
        if self.spread(link.owner) <= self._settings.cookies:
            return link
        seen = self.seen(link.owner)
        others = set[str]()
        for sight in seen[bisect_right(seen, last, key=lambda sight: sight.moment) :]:
            if sight.moment > until or sight.at > link.end:
                break
            if sight.cookie != cookie:
                others.add(sight.cookie)
            if len(others) >= self._settings.cookies:
                return link._replace(end=sight.at, closed_by=Cause(sight.event, sight.type), why="limit")
        return link

    def _first_of_a_crowd(self, history: Sequence[Sighting]) -> Sighting | None:
        if len(history) < self._settings.kiosk:
            return None
        there: Counter[str] = Counter()
        first = 0
        for sighting in history:
            while history[first].at <= sighting.at - DAY_MS:
                there[history[first].owner] -= 1
                if not there[history[first].owner]:
                    del there[history[first].owner]
                first += 1
            there[sighting.owner] += 1
            if sighting.owner != NOBODY and len(there) - (NOBODY in there) >= self._settings.kiosk:
                return sighting
        return None


def _closed(link: Link, sighting: Sighting, why: Why) -> Link:
    return link._replace(end=sighting.at, closed_by=Cause(sighting.event, sighting.type), why=why)
