"""The gateway against the oracle on generated histories: each decision at its time, the links at the end."""

from collections import Counter
from collections.abc import Iterable, Sequence

import pytest
from hypothesis import Phase, example, given, seed, settings

from gateway.event import Record
from gateway.identity.rules import Decision
from tests import oracle
from tests.contracts.grounds import Ground, Grounds, play
from tests.contracts.shop import event
from tests.histories import (
    MANY,
    MIDNIGHT,
    TIGHT,
    History,
    Merge,
    Post,
    Restart,
    Step,
    Unmerge,
    histories,
    in_time,
    thorough,
)
from tests.oracle import Oracle

pytestmark = in_time


class Ask:
    """The oracle, told step by step what the gateway is told."""

    def __init__(self, limits: oracle.Limits) -> None:
        self._limits = limits
        self._arrived: list[Record] = []
        self._merged: dict[str, str] = {}

    def take(self, step: Step) -> None:
        """Take note of a step."""
        match step:
            case Post(records):
                self._arrived += records
            case Merge(customer, into):
                self._merged[customer] = into
            case Unmerge(customer):
                del self._merged[customer]

    def decisions(self, records: Sequence[Record]) -> list[oracle.Decision]:
        """Return what becomes of the records, by everything that has arrived."""
        told = Oracle(self._arrived, self._limits, self._merged)
        return [told.decide(record) for record in records]

    def placeholders(self) -> set[str]:
        """Return the contact keys that name nobody."""
        return Oracle(self._arrived, self._limits, self._merged).placeholders

    def links(self, cookies: Iterable[str]) -> dict[str, list[oracle.Link]]:
        """Return the links of each of the cookies."""
        told = Oracle(self._arrived, self._limits, self._merged)
        return {cookie: told.links(cookie) for cookie in cookies}


def in_the_oracles_words(decision: Decision) -> oracle.Decision:
    return oracle.Decision(**decision._asdict())


def compare(ground: Ground, history: History) -> None:
    """Assert that gateway and oracle agree on each decision at its time, and on the links at the end."""
    ask = Ask(history.limits)
    for step in history.steps:
        ask.take(step)
        if isinstance(step, Post):
            decided = [in_the_oracles_words(decision) for decision in ground.post(step.records)]
            assert decided == ask.decisions(step.records)
        else:
            play(ground, [step])
    links = ground.links(history.cookies)
    told = {cookie: [oracle.Link(**link._asdict()) for link in links[cookie]] for cookie in links}
    assert told == ask.links(history.cookies)


def seen_by_turns(*turns: str) -> list[Record]:
    """Return A seen on one cookie after another, a millisecond apart."""
    return [event(at, MIDNIGHT + at, cookie=cookie, customer="A") for at, cookie in enumerate(turns)]


C0, D1, C2, E3, C4 = seen_by_turns(*"CDCEC")
BETWEEN = event(9, MIDNIGHT + 3)
RETIRES_BUT_FOR_ONE_IN_THE_MIDDLE = History(TIGHT, [Post((C0, D1, C2, E3, C4)), Restart(), Post((BETWEEN,))])
RETIRES_BY_THE_BATCH_BUT_FOR_ONE = History(TIGHT, [Post((C0, D1, C2, C4)), Restart(), Post((BETWEEN, E3))])
B1 = event(8, MIDNIGHT + 1, cookie="C", customer="B")
ANOTHER_COMES_LATE_AMONG_MANY = History(TIGHT, [Post((C0, C2, C4)), Restart(), Post((B1, BETWEEN))])
COMES_WITH_AN_EMAIL = event(7, MIDNIGHT, cookie="D", customer="A", email="one@x.ua")
THE_BATCH_TELLS_MORE_OF_A_MERGED_ONE = History(
    TIGHT, [Merge("A", "B"), Post((C0,)), Post((BETWEEN, COMES_WITH_AN_EMAIL))]
)


def test_links_and_decisions_are_the_oracles(grounds: Grounds, request: pytest.FixtureRequest) -> None:
    compared = 0

    @thorough
    @given(histories())
    @example(RETIRES_BUT_FOR_ONE_IN_THE_MIDDLE)
    @example(RETIRES_BY_THE_BATCH_BUT_FOR_ONE)
    @example(ANOTHER_COMES_LATE_AMONG_MANY)
    @example(THE_BATCH_TELLS_MORE_OF_A_MERGED_ONE)
    def agree(history: History) -> None:
        nonlocal compared
        compare(grounds(history.limits), history)
        compared += 1

    agree()
    print(f"{compared} histories compared: {request.node.name}")  # shown by pytest -rP
    assert compared >= MANY


EVERY_RULE = {
    "dropped:logout",
    "anonymous:no_cookie",
    "anonymous:shared_cookie",
    "anonymous:back_stitched",
    "anonymous:no_link",
    "anonymous:link_ended",
    "anonymous:logged_out",
    "anonymous:cookie_retired",
    "linked:inside_link",
    "linked:latest_cookie",
    "refused:older_than_link_age",
    "refused:shared_cookie",
    "created:first_owner",
    "created:another_owner",
    "created:after_silence",
    "created:after_logout",
    "created:after_retirement",
    "kept:same_owner",
    "kept:no_open_link",
    "conflict",
    "silence",
    "another_owner",
    "logout",
    "shared",
    "limit",
    "placeholder",
}


def seeded_histories(number: int) -> list[History]:
    """Return 500 generated histories, others for another number.

    They are not the same in every process: hypothesis draws constants from whatever modules are loaded.
    """
    made = []

    @seed(number)
    @given(histories())
    @settings(thorough, max_examples=500, database=None, phases=[Phase.generate])
    def make(history: History) -> None:
        made.append(history)

    make()
    return made


def rules_in(history: History) -> Counter[str]:
    """Return what the oracle decides in a history, and what ends its links."""
    seen = Counter[str]()
    ask = Ask(history.limits)
    for step in history.steps:
        ask.take(step)
        for decision in ask.decisions(step.records) if isinstance(step, Post) else ():
            seen[f"{decision.word}:{decision.reason}"] += 1
            seen["conflict"] += decision.conflict
    seen["placeholder"] += len(ask.placeholders())
    seen.update(link.why for links in ask.links(history.cookies).values() for link in links)
    return seen


def test_the_generated_histories_bring_every_rule_into_play() -> None:
    seen = Counter[str]()
    for number in range(6):
        for history in seeded_histories(number):
            seen.update(rules_in(history))
        if set(+seen) == EVERY_RULE:
            break
    assert set(+seen) == EVERY_RULE
