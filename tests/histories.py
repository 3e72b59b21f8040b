"""Generated histories of a small shop: few people, few cookies, times that meet or lie just around a limit.

A history is what reaches the gateway, step by step: batches in any order of event time with repeats among
them, restarts, and operators' merges. It is printed as the code that makes it, for the report of a failure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import permutations, product
from typing import Any, NamedTuple

from hypothesis import strategies as st

from gateway.event import Record
from tests.contracts.shop import DAY, HOUR, NOON, event
from tests.oracle import Limits

LIMITS = Limits(link_age_ms=3 * DAY, back_stitch_ms=DAY, cookies=2, emails=2, phones=1, kiosk=3)
"""So small that every rule comes into play within a dozen events."""
AGE = LIMITS.link_age_ms
MIDNIGHT = DAY - NOON % DAY
"""In ms after noon."""

COOKIES = ("C", "D", "E")
CUSTOMERS = ("A", "B", "M", "N")
EMAILS = ("one@x.ua", "two@x.ua", "three@x.ua")
PHONES = ("+380501111111", "+380502222222")


class Post(NamedTuple):
    """A batch arrives."""

    records: tuple[Record, ...]

    def __repr__(self) -> str:
        return f"Post(({', '.join(map(_code, self.records))},))"


class Restart(NamedTuple):
    """Another process goes on, on the same store."""


class Merge(NamedTuple):
    """An operator says that the customer is the other one."""

    customer: str
    into: str


class Unmerge(NamedTuple):
    """An operator takes that back."""

    customer: str


Step = Post | Restart | Merge | Unmerge


def _said(*values: Sequence[str | None]) -> list[dict[str, Any]]:
    """Return everything that events may say: of each field one of its values, as often as it stands there."""
    fields = ("kind", "cookie", "customer", "email", "phone")
    return [dict(zip(fields, said, strict=True)) for said in product(*values)]


_VIEWS = (*["PageView"] * 5, "Logout")
_SCENES = (
    # a visitor and his customer on one cookie: silence, logout, what lies before the login
    _said(_VIEWS, ("C",), (None, None, "A"), (None, None, None, "one@x.ua"), (None,)),
    # one customer everywhere: his cookies retire
    _said(("PageView",), (None, *COOKIES * 4), (None, "A", "A"), (None, None, "one@x.ua"), (None,)),
    # anybody on one or two cookies: owners change, and at last the cookie is shared
    _said(
        _VIEWS, (*["C"] * 6, "D", None), (None, None, *CUSTOMERS), (None, None, None, *EMAILS[:2]), (None,)
    ),
    # a family and its contact keys: claimed, set aside, retired, passed on
    _said(("PageView", "CustomerData"), (None, "C"), (None, "A", "A", "B"), (None, *EMAILS), (None, *PHONES)),
    # all of it
    _said(_VIEWS, (None, *COOKIES), (None, None, *CUSTOMERS), (None, None, *EMAILS), (None, None, *PHONES)),
)
_LANDMARKS = (0, 0, HOUR, DAY - HOUR, DAY, DAY + HOUR, 2 * DAY, AGE, AGE + DAY, 2 * AGE)
_TIMES = [landmark + around for landmark in _LANDMARKS for around in (0, 1, 2, -1, -2)]
_DELAYS = (*[0] * 9, 5, DAY, AGE, AGE + 1)
_WHEN = list(product(_TIMES, _DELAYS))
_BETWEEN: list[Step | None] = [
    *[None] * 10,
    *[Restart()] * 5,
    *(Merge(customer, into) for customer, into in permutations(CUSTOMERS[:3], 2)),
    *(Unmerge(customer) for customer in CUSTOMERS[:3] * 4),
]


@st.composite
def events(draw: st.DrawFn, most: int = 16) -> list[Record]:
    """Some events of one scene, in any order of time."""
    said = st.sampled_from(draw(st.sampled_from(_SCENES)))
    when = st.sampled_from(_WHEN)
    made = []
    for number in range(draw(st.integers(1, most))):
        at, late = draw(when)
        made.append(event(number, MIDNIGHT + at, late=late, **draw(said)))
    return made


@st.composite
def arrivals(draw: st.DrawFn, history: Sequence[Record]) -> list[Post]:
    """The events in some order with repeats among them, cut into batches."""
    repeats = draw(st.lists(st.sampled_from(history), max_size=3))
    shuffled = draw(st.permutations([*history, *repeats]))
    batches = []
    while shuffled:
        size = draw(st.integers(1, 7))
        batches.append(Post(tuple(shuffled[:size])))
        shuffled = shuffled[size:]
    return batches


@st.composite
def histories(draw: st.DrawFn) -> list[Step]:
    """Batches of events, with restarts and what operators do between them."""
    steps: list[Step] = []
    merged: dict[str, str] = {}
    for batch in draw(arrivals(draw(events()))):
        steps.append(batch)
        match draw(st.sampled_from(_BETWEEN)):
            case Merge(customer, into) as merge if customer not in merged and into not in merged:
                merged[customer] = into
                steps.append(merge)
            case Unmerge(customer) as unmerge if customer in merged:
                del merged[customer]
                steps.append(unmerge)
            case Restart() as restart:
                steps.append(restart)
    return steps


def on_site(records: Iterable[Record], site: str) -> list[Record]:
    """Return the records as those of another site; the given ones are left as they are."""
    return [replace(record, site=site) for record in records]


def _code(record: Record) -> str:
    """Return the call of `event` that makes the record."""
    said: dict[str, object] = {"kind": record.type} if record.type != "PageView" else {}
    said["cookie"] = record.cookie
    names = {"customer": record.customer, "email": record.email, "phone": record.phone}
    said |= {name: value for name, value in names.items() if value}
    if record.accepted_at != record.occurred_at:
        said["late"] = record.accepted_at - record.occurred_at
    number, at = int(record.id[-12:], 16), record.occurred_at - NOON - MIDNIGHT
    return (
        f"event({number}, MIDNIGHT + {at}, {', '.join(f'{name}={value!r}' for name, value in said.items())})"
    )
