"""The ledger against what arrived: lost, repeated, overtaken, delivered though it was refused. Pure."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Books:
    """What was posted, as the poster wrote it down."""

    accepted: dict[str, str] = field(default_factory=dict)
    """Place (`person/number`) of each event answered as accepted, by its id, in the order of the answers."""
    reused: int = 0
    """Events answered as accepted with the id of another one, which its books would hide."""
    refused: set[str] = field(default_factory=set)
    """Places of events answered as refused."""
    late: int = 0
    """Posts that were over, by an answer or without one, after the deadline."""

    def accept(self, event_id: str, place: str) -> None:
        """Write down an event that was answered as accepted."""
        self.reused += event_id in self.accepted
        self.accepted[event_id] = place


@dataclass(frozen=True)
class Verdict:
    """What the comparison shows; all but `repeated` has to be 0."""

    accepted: int
    lost: int
    """Events that did not arrive under the id they were accepted with."""
    reused: int
    """Events that were given an id which another one had."""
    overtaken: int
    """Persons whose events first arrived in another order than they were accepted."""
    doubled: int
    """Events that arrived under a second id."""
    refused_but_delivered: int
    late: int
    repeated: int
    """Arrivals with an id that had arrived before: at least once is what is promised."""

    @property
    def is_clean(self) -> bool:
        """Whether every promise was kept."""
        broken = self.lost, self.reused, self.overtaken, self.doubled, self.refused_but_delivered, self.late
        return not any(broken)


def audit(books: Books, arrivals: Sequence[tuple[str, str]]) -> Verdict:
    """Compare the books with the arrivals: (id, place) of each in the order of arrival."""
    arrived = set(arrivals)
    times = Counter(event_id for event_id, _ in arrivals)
    ids: dict[str, set[str]] = {}
    for event_id, place in arrivals:
        ids.setdefault(place, set()).add(event_id)
    return Verdict(
        accepted=len(books.accepted),
        lost=sum(one not in arrived for one in books.accepted.items()),
        reused=books.reused,
        overtaken=_overtaken(books.accepted, times),
        doubled=sum(len(found) > 1 for found in ids.values()),
        refused_but_delivered=len(books.refused & ids.keys()),
        late=books.late,
        repeated=sum(times.values()) - len(times),
    )


def _overtaken(accepted: Mapping[str, str], arrived: Mapping[str, int]) -> int:
    """Count persons out of order; `arrived` has its ids in the order of their first arrival."""
    return sum(
        [event_id for event_id in posted if event_id in arrived] != found
        for posted, found in _by_person(accepted, accepted, arrived)
    )


def _by_person(
    accepted: Mapping[str, str], posted: Mapping[str, str], arrived: Mapping[str, int]
) -> list[tuple[list[str], list[str]]]:
    persons: dict[str, tuple[list[str], list[str]]] = {}
    for place, ids in ((0, posted), (1, arrived)):
        for event_id in ids:
            if event_id in accepted:
                person = accepted[event_id].partition("/")[0]
                persons.setdefault(person, ([], []))[place].append(event_id)
    return list(persons.values())
