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
    """What a batch shows of a name."""

    together: set[Key]
    """Names that came together with it."""
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
    """What the batch shows of each name."""


def question(sites: Iterable[str], records: Sequence[Record], staying: Container[str] = ()) -> Question:
    """Return what has to be known to decide on these records; those of a type in `staying` want no cookie."""
    cookies: dict[Key, int] = {}
    wanted: set[Key] = set()
    groups: list[set[Key]] = []
    shown: defaultdict[Key, Shown] = defaultdict(lambda: Shown(set(), set()))
    for record in records:
        names = set() if record.type == LOGOUT else {(record.site, name) for name in names_in(record)}
        if names:
            groups.append(names)
        for name in names:
            shown[name].together.update(names)
            if record.cookie:
                shown[name].cookies.add(record.cookie)
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
            ids = known.group(root)
            contacts = (contact for one in ids for contact, _ in known.claimed(one))
            names = {(site, name) for name in [*ids, *contacts]}
            names = names.union(*(asked.shown[name].together for name in names if name in asked.shown))
            cookies = {seen.cookie for _, name in names for seen in known.seen(name)}
            cookies = cookies.union(*(asked.shown[name].cookies for name in names if name in asked.shown))
            if len(cookies) > settings[site].cookies:
                near |= names
    return near


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
