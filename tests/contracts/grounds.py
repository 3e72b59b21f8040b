"""Grounds to play a history on: the rules alone, and the stitcher on either database.

A ground is one shop with nothing in it yet. On a database each has a site of its own, so that one store,
opened once, and one event loop serve all of them.
"""

import asyncio
import itertools
from collections.abc import Callable, Coroutine, Iterable, Sequence
from dataclasses import replace
from typing import Any, Protocol, TypeVar

import uvloop

from gateway.event import Record
from gateway.identity import changes
from gateway.identity.facts import CUSTOMER, Facts
from gateway.identity.rules import Decision, Rules, observe, without_contact_keys
from gateway.identity.settings import StitchSettings
from gateway.identity.timelines import Link
from gateway.store import open_store
from tests.contracts.shop import NOON, SETTINGS, Shop
from tests.histories import Merge, Post, Restart, Step, Unmerge
from tests.oracle import Limits

T = TypeVar("T")


class Ground(Protocol):
    """One shop, as it takes events, operators' merges and restarts."""

    def post(self, records: Sequence[Record]) -> list[Decision]:
        """Take a batch; return what was decided on each."""

    def merge(self, customer: str, into: str) -> None:
        """Say that the customer is the other one."""

    def unmerge(self, customer: str) -> None:
        """Take that back."""

    def restart(self) -> None:
        """Forget everything that is not stored."""

    def links(self, cookies: Iterable[str]) -> dict[str, list[Link]]:
        """Return the links of each of the cookies."""


Grounds = Callable[[Limits], Ground]
"""Returns a new ground each time, with those limits."""


def play(ground: Ground, steps: Iterable[Step]) -> None:
    """Do step after step."""
    for step in steps:
        match step:
            case Post(records):
                ground.post(records)
            case Merge(customer, into):
                ground.merge(customer, into)
            case Unmerge(customer):
                ground.unmerge(customer)
            case Restart():
                ground.restart()


def settings_of(limits: Limits) -> StitchSettings:
    """Return the site's settings with those limits."""
    return replace(SETTINGS, **limits._asdict())


class RulesAlone:
    """The pure rules, with the facts in memory."""

    def __init__(self, limits: Limits) -> None:
        self._settings = settings_of(limits)
        self._merged: dict[str, str] = {}
        self._arrived: list[Record] = []
        self._placeholders: set[str] = set()
        self._facts = Facts()

    def post(self, records: Sequence[Record]) -> list[Decision]:
        self._arrived += records
        self._learn(records)
        rules = Rules(self._facts, self._settings)
        if crowded := rules.crowded(self._shown(records)):
            self._placeholders |= crowded
            self.restart()
            rules = Rules(self._facts, self._settings)
        return [rules.decide(record, tracking=True) for record in self._shown(records)]

    def merge(self, customer: str, into: str) -> None:
        self._merged[customer] = into
        self.restart()

    def unmerge(self, customer: str) -> None:
        del self._merged[customer]
        self.restart()

    def restart(self) -> None:
        self._facts = Facts(
            {CUSTOMER + customer: CUSTOMER + self._root(customer) for customer in self._merged}
        )
        self._learn(self._arrived)

    def links(self, cookies: Iterable[str]) -> dict[str, list[Link]]:
        timelines = Rules(self._facts, self._settings).timelines
        return {cookie: timelines.links(cookie) for cookie in cookies}

    def _learn(self, records: Iterable[Record]) -> None:
        for record in self._shown(records):
            observe(record, self._facts, self._settings)

    def _shown(self, records: Iterable[Record]) -> list[Record]:
        return [without_contact_keys(record, self._placeholders) for record in records]

    def _root(self, customer: str) -> str:
        return self._root(self._merged[customer]) if customer in self._merged else customer


class Market:
    """A store that stays open, with room for any number of shops."""

    def __init__(self, url: str) -> None:
        self._runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        self._numbers = itertools.count()
        self.store = self.run(open_store(url))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Return what the coroutine returns."""
        return self._runner.run(work)

    def ground(self, limits: Limits) -> "OnStore":
        """Return a shop whose site nobody has used."""
        return OnStore(self, f"site{next(self._numbers)}", limits)

    def close(self) -> None:
        """Close the store and the loop."""
        self.run(self.store.close())
        self._runner.close()


class OnStore:
    """The stitcher on a store."""

    def __init__(self, market: Market, site: str, limits: Limits) -> None:
        self._market = market
        self._site = site
        self._settings = settings_of(limits)
        self.restart()

    def post(self, records: Sequence[Record]) -> list[Decision]:
        there = [replace(record, site=self._site) for record in records]
        return [stitched.decision for stitched in self._market.run(self._shop.post(*there))]

    def merge(self, customer: str, into: str) -> None:
        store = self._market.store
        self._market.run(changes.merge(store, self._site, customer, into, "test", "the same", NOON))

    def unmerge(self, customer: str) -> None:
        store = self._market.store
        self._market.run(changes.unmerge(store, self._site, customer, "test", "not the same", NOON))

    def restart(self) -> None:
        self._shop = Shop(self._market.store, self._site, settings=self._settings)

    def links(self, cookies: Iterable[str]) -> dict[str, list[Link]]:
        return {cookie: self._market.run(self._shop.links(cookie, self._site)) for cookie in cookies}
