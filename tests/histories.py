"""Generated histories of a small shop: few people, few cookies, times that meet or lie just around a limit.

A history is what reaches the gateway, step by step: batches in any order of event time with repeats among
them, restarts, and operators' merges. It is printed as the code that makes it, for the report of a failure.
"""

from collections.abc import Mapping, Sequence
from itertools import permutations, product
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from gateway.event import Record
from tests.contracts.shop import DAY, HOUR, NOON, event
from tests.oracle import Limits

MANY = max(500, settings().max_examples)
"""Histories that a test tries: 500, or what the profile wants (`nightly`)."""
thorough = settings(max_examples=MANY, deadline=None, suppress_health_check=[HealthCheck.too_slow])
in_time = pytest.mark.timeout(MANY)
"""A second for each history, on a busy machine."""

AGE = 3 * DAY
TIGHT = Limits(link_age_ms=AGE, back_stitch_ms=HOUR, cookies=2, emails=2, phones=1, kiosk=3)
"""So small that every rule comes into play within a dozen events."""
CROWDED = TIGHT._replace(crowd=3)
"""The same, and a contact key is soon a placeholder."""
ROOMY = Limits(link_age_ms=AGE, back_stitch_ms=AGE, cookies=4, emails=5, phones=5, kiosk=200)
"""As a site has them, but that a customer's cookies retire within a dozen events."""
MIDNIGHT = DAY - NOON % DAY
"""In ms after noon."""

COOKIES = ("C", "D", "E", "F", "G", "H")
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


Says = dict[str, Any]
"""What an event says, as `event` takes it."""


def _scene(
    limits: Limits,
    cookies: Sequence[str | None],
    customers: Sequence[str | None],
    emails: Sequence[str | None] = (None,),
    phones: Sequence[str | None] = (None,),
    kinds: Sequence[str] = ("PageView",),
) -> tuple[Limits, list[Says]]:
    """Return limits, and all that events may say: of each field one value, as often as it stands there."""
    fields = ("kind", "cookie", "customer", "email", "phone")
    values = product(kinds, cookies, customers, emails, phones)
    return limits, [dict(zip(fields, said, strict=True)) for said in values]


_FEW = COOKIES[:3]
_MAYBE = (None, None)
_LOGOUTS = (*["PageView"] * 5, "Logout")
_SCENES = (
    # a visitor and his customer on one cookie: silence, logout, what lies before the login
    _scene(TIGHT, ("C",), (*_MAYBE, "A"), (None, *_MAYBE, "one@x.ua"), kinds=_LOGOUTS),
    # one customer everywhere: his cookies retire
    _scene(TIGHT, (None, *_FEW * 2), (None, "A", "A"), (*_MAYBE, "one@x.ua")),
    # a guest everywhere: his never do
    _scene(TIGHT, _FEW, (None,), ("one@x.ua",)),
    # one customer with many names, and more cookies than are his at once
    _scene(ROOMY, (*["C"] * 4, *COOKIES), (None, *"AAB"), (*_MAYBE, *EMAILS)),
    # anybody on one cookie or two: owners change, and at last the cookie is shared
    _scene(
        TIGHT, (*["C"] * 6, "D", None), (*_MAYBE, *CUSTOMERS), (None, *_MAYBE, *EMAILS[:2]), kinds=_LOGOUTS
    ),
    # a family and its contact keys: claimed, set aside, retired, passed on
    _scene(TIGHT, (None, "C"), (None, *"AAB"), EMAILS, kinds=("CustomerData",)),
    _scene(TIGHT, (None, "C"), (None, *"AB"), (None, "one@x.ua"), PHONES, ("CustomerData",)),
    # a contact key that everybody comes with
    _scene(CROWDED, (None, *_FEW), (None, *CUSTOMERS), (None, *EMAILS[:1] * 3, EMAILS[1]), kinds=_LOGOUTS),
    _scene(CROWDED, ("C", "D"), (None, *CUSTOMERS), phones=(None, *PHONES[:1] * 2, PHONES[1])),
    # all of it
    _scene(TIGHT, (None, *_FEW), (*_MAYBE, *CUSTOMERS), (*_MAYBE, *EMAILS), (*_MAYBE, *PHONES), _LOGOUTS),
    _scene(ROOMY, (None, *_FEW), (*_MAYBE, *CUSTOMERS), (*_MAYBE, *EMAILS), kinds=_LOGOUTS),
)
_LANDMARKS = (0, 0, HOUR, DAY - HOUR, DAY, DAY + HOUR, 2 * DAY, AGE, AGE + DAY, 2 * AGE)
_TIMES = [landmark + around for landmark in _LANDMARKS for around in (0, 0, 0, 0, 1, -1)]
_DELAYS = (*[0] * 9, 5, DAY, AGE, AGE + 1)
_WHEN = list(product(_TIMES, _DELAYS))
_BETWEEN: list[Step | None] = [
    *[None] * 10,
    *[Restart()] * 5,
    *(Merge(customer, into) for customer, into in permutations(CUSTOMERS[:3], 2)),
    *(Unmerge(customer) for customer in CUSTOMERS[:3] * 4),
]


class History(NamedTuple):
    """What a site has decided, and what happens to it."""

    limits: Limits
    steps: list[Step]

    @property
    def records(self) -> list[Record]:
        """Return every event once, in order of event time."""
        posts = (step for step in self.steps if isinstance(step, Post))
        once = {record.id: record for post in posts for record in post.records}
        return sorted(once.values(), key=lambda record: (record.occurred_at, record.id))

    @property
    def cookies(self) -> list[str]:
        """Return the cookies that occur."""
        return sorted({record.cookie for record in self.records if record.cookie})

    @property
    def merged(self) -> dict[str, str]:
        """Return the merges that are left at the end."""
        merged = {}
        for step in self.steps:
            if isinstance(step, Merge):
                merged[step.customer] = step.into
            elif isinstance(step, Unmerge):
                del merged[step.customer]
        return merged


@st.composite
def histories(draw: st.DrawFn) -> History:
    """Batches of events of one scene, in any order and with repeats among them; what happens between them."""
    limits, scene = draw(st.sampled_from(_SCENES))
    records = draw(_events(scene))
    repeats = draw(st.lists(st.sampled_from(records), max_size=3))
    arriving = draw(st.permutations(records + repeats))
    history = History(limits, [])
    while arriving:
        size = draw(st.integers(1, 7))
        history.steps.append(Post(tuple(arriving[:size])))
        arriving = arriving[size:]
        step = draw(st.sampled_from(_BETWEEN))
        if step is not None and _is_possible(step, history.merged):
            history.steps.append(step)
    return history


@st.composite
def _events(draw: st.DrawFn, scene: Sequence[Says]) -> list[Record]:
    what, when = st.sampled_from(scene), st.sampled_from(_WHEN)
    records = []
    for number in range(draw(st.integers(1, 16))):
        at, late = draw(when)
        records.append(event(number, MIDNIGHT + at, late=late, **draw(what)))
    return records


def _is_possible(step: Step, merged: Mapping[str, str]) -> bool:
    """Return whether an operator may do that: a customer is merged once, and not into himself."""
    match step:
        case Merge(customer, into):
            while into in merged:
                into = merged[into]
            return customer not in merged and into != customer
        case Unmerge(customer):
            return customer in merged
    return True


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
