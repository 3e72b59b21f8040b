"""The rules of identity, pure: what follows from the facts for one event. No I/O, no clock of its own.

1.  Identifiers arrive normalised and screened (`gateway.identifiers`); None takes no part.
2.  A customer id is one customer, for ever: only an operator's merge joins two of them (`owners`).
3.  A cookie with an identity opens a link at the event's time.
4.  Another owner on the same cookie closes the link; the first owner's past never moves.
5.  An anonymous event inside a link is the owner's; what the event says itself is never overwritten.
6.  A link ends at a logout, or after the site's link age without its owner being seen on the cookie.
7.  A link reaches back: the visitor's anonymous events since the link before it, at most the site's
    back-stitch window, are its owner's. eSputnik joins them itself by the cookie: they are not sent again.
8.  A backend event without a cookie gets the newest of its owner's links that is open at the event's time.
9.  A contact key is the customer's who was first seen with it; for any other it is set aside, until it passes
    on. Past their limits a customer's cookies and contact keys retire, the one unseen longest first. A cookie
    with too many owners in a day is shared and links nobody any more. A contact key with too many customers
    is a placeholder: identity does not see it, in events that came before neither.
10. Event time decides, ties break by event id; arrival decides nothing. A fact that is older than the link
    age when it arrives changes nothing any more.
11. Every decision has a word and a reason.
"""

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Literal, NamedTuple

from gateway.event import LOGOUT, Record
from gateway.identity.facts import CUSTOMER, EMAIL, NOBODY, PHONE, Facts, Moment, Sighting
from gateway.identity.owners import Identity, Owners
from gateway.identity.settings import StitchSettings
from gateway.identity.timelines import Timelines

Word = Literal["created", "linked", "kept", "refused", "anonymous", "dropped"]

_ENDED = {"silence": "link_ended", "logout": "logged_out", "limit": "cookie_retired"}
_AFTER = {"silence": "after_silence", "logout": "after_logout", "limit": "after_retirement"}


class Decision(NamedTuple):
    """What becomes of an event, and why."""

    word: Word
    reason: str
    identity: Identity | None = None
    """To be filled in where the event has none."""
    cookie: str | None = None
    """To be given to an event that has none."""
    conflict: bool = False
    """Whether a contact key of the event is another customer's and was set aside."""

    def __str__(self) -> str:
        aside = ",contact_key_set_aside" if self.conflict else ""
        return f"{self.word}:{self.reason}{aside}"


def contacts_in(record: Record) -> list[str]:
    """Return the contact keys that the event names, the better one first."""
    contacts = []
    if record.email:
        contacts.append(EMAIL + record.email)
    if record.phone:
        contacts.append(PHONE + record.phone)
    return contacts


def names_in(record: Record) -> list[str]:
    """Return every name by which the event says whom it is about; the first one is its owner."""
    contacts = contacts_in(record)
    return [CUSTOMER + record.customer, *contacts] if record.customer else contacts


def without_contact_keys(record: Record, contacts: Container[str]) -> Record:
    """Return the record without those contact keys in its head; its body stays."""
    email = None if record.email and EMAIL + record.email in contacts else record.email
    phone = None if record.phone and PHONE + record.phone in contacts else record.phone
    is_same = (email, phone) == (record.email, record.phone)
    return record if is_same else replace(record, email=email, phone=phone)


def is_evidence(record: Record, settings: StitchSettings) -> bool:
    """Return whether the event came in time to change facts (rule 10)."""
    return record.accepted_at - record.occurred_at <= settings.link_age_ms


def observe(record: Record, facts: Facts, settings: StitchSettings) -> None:
    """Add to the facts what the event shows of who is who (rules 3, 6, 9, 10)."""
    if not is_evidence(record, settings):
        return
    observe_on_cookie(record, facts)
    if record.customer and record.type != LOGOUT:
        owner = CUSTOMER + record.customer
        claim = Sighting(record.occurred_at, record.id, owner, record.type)
        for contact in contacts_in(record):
            facts.claim(contact, claim)


def observe_on_cookie(record: Record, facts: Facts) -> None:
    """Add to the facts who the event shows on its cookie, a logout that nobody is."""
    if not record.cookie:
        return
    names = [NOBODY] if record.type == LOGOUT else names_in(record)
    if names:
        facts.see(record.cookie, Sighting(record.occurred_at, record.id, names[0], record.type))


class Rules:
    """Decides on the events of one site, by the facts that were observed, the event's own among them."""

    def __init__(self, facts: Facts, settings: StitchSettings) -> None:
        self.facts = facts
        self.owners = Owners(facts, settings)
        self.timelines = Timelines(facts, self.owners, settings)
        self._settings = settings

    def decide(self, record: Record, tracking: bool) -> Decision:
        """Return what becomes of the event.

        Only a `tracking` event is given identity or a cookie; any other passes as it is.
        """
        if record.type == LOGOUT:
            return Decision("dropped", "logout")
        moment = record.occurred_at, record.id
        names = names_in(record)
        if not names:
            return self._whose(record.cookie, moment) if tracking else Decision("kept", "not_tracking")
        owner = self.owners.owner(names[0], moment)
        decision = (
            self._seen_on_cookie(record, record.cookie, owner, moment)
            if record.cookie
            else self._latest_cookie(owner, moment, tracking)
        )
        if record.customer and any(self.owners.owner(name, moment) != owner for name in names[1:]):
            return decision._replace(conflict=True)
        return decision

    def touched(self, records: Iterable[Record]) -> set[str]:
        """Return every owner and every contact key of which the events may have shown something new."""
        touched = set[str]()
        contacts = set[str]()
        for record in records:
            names = names_in(record)
            if names:
                touched.add(self.owners.owner(names[0], (record.occurred_at, record.id)))
                touched.update(names)
                contacts.update(names[1:])
        return touched.union(*(self.owners.claimants(contact) for contact in contacts))

    def crowded(self, records: Iterable[Record]) -> set[str]:
        """Return the events' contact keys with which so many customers were seen that they name nobody.

        Ids count as they came: a merge that is made or undone changes nothing.
        """
        contacts = {contact for record in records for contact in contacts_in(record)}
        return {contact for contact in contacts if self._is_crowded(contact)}

    def _is_crowded(self, contact: str) -> bool:
        return len({claim.owner for claim in self.facts.claims(contact)}) >= self._settings.crowd

    def is_shared(self, cookie: str, moment: Moment) -> bool:
        """Return whether the cookie links nobody any more at that moment."""
        shared = self.timelines.shared(cookie)
        return shared is not None and shared.moment <= moment

    def _whose(self, cookie: str | None, moment: Moment) -> Decision:
        """Decide on an event that does not say whom it is about (rules 5, 6, 7)."""
        if not cookie:
            return Decision("anonymous", "no_cookie")
        if self.is_shared(cookie, moment):
            return Decision("anonymous", "shared_cookie")
        link = self.timelines.before(cookie, moment)
        if link is not None and link.is_open(moment):
            return Decision("linked", "inside_link", identity=self.owners.identity(link.owner))
        following = self.timelines.after(cookie, moment)
        if following is not None and following.reaches_back <= moment[0]:
            return Decision("anonymous", "back_stitched")
        return Decision("anonymous", _ENDED[link.why] if link else "no_link")

    def _seen_on_cookie(self, record: Record, cookie: str, owner: str, moment: Moment) -> Decision:
        """Decide on an event that says whom it is about and has a cookie (rules 3, 4)."""
        if not is_evidence(record, self._settings):
            return Decision("refused", "older_than_link_age")
        if self.is_shared(cookie, moment):
            return Decision("refused", "shared_cookie")
        link = self.timelines.before(cookie, moment)
        if link is None:
            return Decision("created", "first_owner")
        if not link.is_open(moment):
            return Decision("created", _AFTER[link.why])
        return Decision("kept", "same_owner") if link.owner == owner else Decision("created", "another_owner")

    def _latest_cookie(self, owner: str, moment: Moment, tracking: bool) -> Decision:
        """Decide on an event that says whom it is about and has no cookie (rule 8)."""
        if not tracking:
            return Decision("kept", "not_tracking")
        newest = self.newest_open_link(owner, moment)
        if newest is None:
            return Decision("kept", "no_open_link")
        return Decision("linked", "latest_cookie", cookie=newest)

    def newest_open_link(self, owner: str, moment: Moment) -> str | None:
        """Return the cookie of the owner's link that opened last of those open at that moment."""
        cookies = {seen.cookie for seen in self.timelines.seen(owner)}
        links = ((self.timelines.before(cookie, moment), cookie) for cookie in cookies)
        his = (
            (link.opened, cookie)
            for link, cookie in links
            if link is not None and link.owner == owner and link.is_open(moment)
        )
        newest = max(his, default=None)
        return newest[1] if newest else None
