"""What of one source's keys no other source knows; pure."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.product_keys.reading import Source
from gateway.product_keys.sample import SIZE
from gateway.product_keys.table import Rows

COMPARED = (Source.TRACKING, Source.ORDERS, Source.PRODUCTS)
ENOUGH = 20
"""Keys on either side below which nothing is concluded."""


class Standing(NamedTuple):
    """How one source's keys stand to those of the others together."""

    sampled: int
    """Keys kept of this source."""
    compared: int
    """Those of them that the others' samples hold if the others know them; 0 while there is no other."""
    unknown: tuple[str, ...]
    """Those of the compared that no other source has."""
    groups: int
    """How many of the unknown are itemGroupIds of products."""
    is_apart: bool
    """Whether less than half is shared of what could be: of the fewer keys, its own or the others'."""


def standings(rows: Rows) -> Mapping[Source, Standing]:
    """Return how each source stands.

    A full sample holds every key of its source up to its highest rank and says nothing of those beyond, so
    only keys up to the lowest such rank are compared. The fewer keys count, for most products of a shop are
    never ordered, and many are not looked at for days: that is no mismatch.
    """
    full = [rows[source][-1][0] for source in COMPARED if len(rows[source]) >= SIZE]
    within = {
        source: {key for rank, key in rows[source] if not full or rank <= min(full)} for source in COMPARED
    }
    groups = {key for _, key in rows[Source.GROUPS]}
    return {source: _standing(source, len(rows[source]), within, groups) for source in COMPARED}


def _standing(source: Source, sampled: int, within: Mapping[Source, set[str]], groups: set[str]) -> Standing:
    own = within[source]
    others = set[str]().union(*(keys for other, keys in within.items() if other is not source))
    if not others:
        return Standing(sampled, 0, (), 0, False)
    unknown = own - others
    fewer = min(len(own), len(others))
    shared = len(own) - len(unknown)
    is_apart = fewer >= ENOUGH and shared * 2 < fewer
    return Standing(sampled, len(own), tuple(sorted(unknown)), len(unknown & groups), is_apart)
