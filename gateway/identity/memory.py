"""What a worker remembers of cookies, so that most events need no look at the database. Bounded.

All events of a cookie come through one worker, in one lane, so nobody else changes its links; what it
remembers of a cookie is right until it changes it itself. Of the owner (his other cookies, his contact keys)
other workers learn too: so a memory is good for `seconds` only. An operator's change ends all of them.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

from gateway.event import Record
from gateway.identity.facts import CUSTOMER, DAY_MS, EMAIL, NOBODY, PHONE, Moment
from gateway.identity.rules import Decision, Rules
from gateway.identity.settings import StitchSettings

Key = tuple[str, str]
"""A site, and a cookie or a name on it."""

Claimed = tuple[str | None, int]
"""The contact key that an owner was last seen with, and the first time on the last day on which he was."""

_EVER = 2**62
_BEGINNING: Moment = (-_EVER, "")
_KEPT = Decision("kept", "same_owner")


@dataclass(slots=True)
class Remembered:
    """How events of one cookie are decided that lie behind a moment, as long as nothing new is seen on it."""

    since: Moment
    until: int
    anonymous: Decision
    """On an event that does not say whom it is about."""
    owner: str = NOBODY
    customer: str | None = None
    """The id by which the owner was last seen here: an event with it keeps the link."""
    email: "Claimed" = (None, 0)
    phone: "Claimed" = (None, 0)
    touches: "set[Key]" = field(default_factory=set)
    """The cookie itself, and the names of which something new ends this."""
    expires: float = 0.0

    def decide(self, record: Record, link_age_ms: int) -> Decision | None:
        """Return the decision on a tracking event with the cookie, or None where the facts must be asked."""
        at = record.occurred_at
        if at > self.until or (at, record.id) <= self.since:
            return None
        if record.customer is None:
            return self.anonymous if record.email is None and record.phone is None else None
        if record.customer != self.customer or record.accepted_at - at > link_age_ms:
            return None
        if _is_news(record.email, at, self.email) or _is_news(record.phone, at, self.phone):
            return None
        return _KEPT

    def names(self) -> list[str]:
        """Return the names of which something new ends this."""
        contacts = [EMAIL + self.email[0]] if self.email[0] else []
        if self.phone[0]:
            contacts.append(PHONE + self.phone[0])
        return [self.owner, *contacts] if self.owner else []


def _is_news(contact: str | None, at: int, known: Claimed) -> bool:
    """Return whether a contact key seen at that time is one that the facts may lack."""
    if contact is None:
        return False
    return contact != known[0] or at <= known[1] or at // DAY_MS != known[1] // DAY_MS


class Memory:
    """Remembers cookies, at most `size` of them, the ones learned last, for `seconds` each."""

    def __init__(self, size: int, seconds: float) -> None:
        self._size = size
        self._seconds = seconds
        self._cookies: dict[Key, Remembered] = {}
        self._by_name: defaultdict[Key, set[Key]] = defaultdict(set)

    def __len__(self) -> int:
        return len(self._cookies)

    def recall(self, cookie: Key, now: float) -> Remembered | None:
        """Return what is remembered of the cookie and still good."""
        known = self._cookies.get(cookie)
        return known if known is not None and known.expires > now else None

    def remember(self, cookie: Key, remembered: Remembered | None, now: float) -> None:
        """Take in what is known of a cookie now; None forgets it."""
        self._drop(cookie)
        if remembered is None or not self._size:
            return
        remembered.expires = now + self._seconds
        self._cookies[cookie] = remembered
        for name in remembered.names():
            self._by_name[cookie[0], name].add(cookie)
        remembered.touches = {cookie, *((cookie[0], name) for name in remembered.names())}
        if len(self._cookies) > self._size:
            self._drop(next(iter(self._cookies)))

    def extend(self, cookie: Key, seen: int, settings: StitchSettings) -> None:
        """Take in that the cookie's owner was seen on it at that time."""
        known = self._cookies.get(cookie)
        if known is not None:
            known.until = max(known.until, seen + settings.link_age_ms)

    def forget(self, names: Iterable[Key]) -> None:
        """Forget every cookie of those owners, or of owners with those contact keys."""
        for name in names:
            for cookie in list(self._by_name.get(name, ())):
                self._drop(cookie)

    def clear(self) -> None:
        """Forget everything."""
        self._cookies.clear()
        self._by_name.clear()

    def _drop(self, cookie: Key) -> None:
        known = self._cookies.pop(cookie, None)
        if known is None:
            return
        for name in known.names():
            cookies = self._by_name[cookie[0], name]
            cookies.discard(cookie)
            if not cookies:
                del self._by_name[cookie[0], name]


def to_remember(rules: Rules, cookie: str, settings: StitchSettings) -> Remembered | None:
    """Return what to remember of a cookie whose facts are known, None where it is better asked again."""
    shared = rules.timelines.shared(cookie)
    if shared is not None:
        return Remembered(shared.moment, _EVER, Decision("anonymous", "shared_cookie"))
    links = rules.timelines.links(cookie)
    if not links:
        return Remembered(_BEGINNING, _EVER, Decision("anonymous", "no_link"))
    last = links[-1]
    if rules.timelines.spread(last.owner) > settings.cookies:
        return None
    if last.why == "logout" and last.closed_by is not None:
        since = last.end, last.closed_by.event
        return Remembered(since, _EVER, Decision("anonymous", "logged_out"), last.owner)
    if last.closed_by is not None:
        return None
    identity = rules.owners.identity(last.owner)
    name = rules.facts.history(cookie)[-1].owner
    claimed: dict[str, int] = {}
    for contact, (at, _) in rules.facts.claimed(name):
        claimed[contact] = max(at, claimed.get(contact, 0))
    return Remembered(
        since=last.opened,
        until=last.end,
        anonymous=Decision("linked", "inside_link", identity=identity),
        owner=last.owner,
        customer=name.removeprefix(CUSTOMER) if name.startswith(CUSTOMER) else None,
        email=(identity.email, claimed.get(f"{EMAIL}{identity.email}", 0)),
        phone=(identity.phone, claimed.get(f"{PHONE}{identity.phone}", 0)),
    )
