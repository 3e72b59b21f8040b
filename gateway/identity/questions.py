"""What a batch of records needs to know, and what more to ask once some of it is known. Pure."""

from collections import defaultdict
from collections.abc import Container, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple

from gateway.event import LOGOUT, Record
from gateway.identity.facts import CUSTOMER, Facts
from gateway.identity.rules import names_in
from gateway.identity.settings import StitchSettings

Key = tuple[str, str]
"""A site, and a cookie or a name on it."""


class Shown(NamedTuple):
    """What a batch shows of whom its events are about."""

    contacts: set[str]
    """Contact keys that came with his first name."""
    cookies: set[str]


class Question(NamedTuple):
    """What a batch needs to know."""

    sites: set[str]
    cookies: dict[Key, int]
    """Each with the time of its earliest event."""
    wanted: set[Key]
    """Names of owners whose latest cookie an event lacks."""
    named: set[Key]
    """Every name in the batch."""
    since: int
    """Time of the earliest event."""
    shown: Mapping[Key, Shown] = MappingProxyType({})
    """What the batch shows, by the first name of an event."""


def question(sites: Iterable[str], records: Sequence[Record], staying: Container[str] = ()) -> Question:
    """Return what has to be known to decide on these records; those of a type in `staying` want no cookie."""
    cookies: dict[Key, int] = {}
    wanted: set[Key] = set()
    groups: list[set[Key]] = []
    shown: defaultdict[Key, Shown] = defaultdict(lambda: Shown(set(), set()))
    for record in records:
        ordered = [] if record.type == LOGOUT else names_in(record)
        names = {(record.site, name) for name in ordered}
        if ordered:
            groups.append(names)
            shows = shown[record.site, ordered[0]]
            shows.contacts.update(ordered[1:])
            if record.cookie:
                shows.cookies.add(record.cookie)
        if record.cookie:
            key = record.site, record.cookie
            cookies[key] = min(record.occurred_at, cookies.get(key, record.occurred_at))
        elif record.type not in staying:
            wanted |= names
    named = set().union(*groups)
    since = min((record.occurred_at for record in records), default=0)
    return Question(set(sites), cookies, _with_other_names(wanted, groups), named, since, shown)


def with_merged(asked: Question, facts: Mapping[str, Facts]) -> Question:
    """Return the question with every name of the merged customers that the facts tell of."""
    named, wanted = set(asked.named), set(asked.wanted)
    for site, known in facts.items():
        if not known.has_merged:
            continue
        met = known.names() | {name for holder, name in asked.named if holder == site}
        named |= {(site, name) for one in met for name in _group(known, one)}
        for name in [name for holder, name in asked.wanted if holder == site]:
            people = [name, *(claim.owner for claim in known.claims(name))]
            wanted |= {(site, other) for one in people for other in _group(known, one)}
    return asked._replace(named=named, wanted=wanted)


def near_limit(
    asked: Question, facts: Mapping[str, Facts], settings: Mapping[str, StitchSettings]
) -> set[Key]:
    """Return every name of the customers who may be on more cookies than the limit, the batch's among them.

    Whether a cookie of theirs retires hangs on each sighting of it; of others' the first and last ones tell.
    """
    near = set[Key]()
    for site, known in facts.items():
        named = known.names() | {name for holder, name in asked.named if holder == site}
        for root in {known.root(name) for name in named if name.startswith(CUSTOMER)}:
            names = _names(asked, known, site, root)
            cookies = {seen.cookie for name in names for seen in known.seen(name)}
            shown = [asked.shown[site, name] for name in names if (site, name) in asked.shown]
            cookies.update(*(shows.cookies for shows in shown))
            if len(cookies) > settings[site].cookies:
                near |= {(site, name) for name in names}
    return near


def _names(asked: Question, facts: Facts, site: str, root: str) -> set[str]:
    """Return the customer's ids, and the contact keys that he was seen with before or is now."""
    ids = facts.group(root)
    names = {*ids, *(contact for one in ids for contact, _ in facts.claimed(one))}
    return names.union(*(asked.shown[site, one].contacts for one in ids if (site, one) in asked.shown))


def _group(facts: Facts, name: str) -> list[str]:
    """Return every name of a merged customer, none for anybody else."""
    group = facts.group(facts.root(name))
    return group if len(group) > 1 else []


def _with_other_names(wanted: set[Key], groups: Sequence[set[Key]]) -> set[Key]:
    """Return the names with those that events of the batch show to be the same owner's."""
    while True:
        met = set().union(*(group for group in groups if not wanted.isdisjoint(group)))
        if met <= wanted:
            return wanted
        wanted = wanted | met
