"""What of one source's keys no other source knows; pure."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

from gateway.product_keys.reading import Source
from gateway.product_keys.sample import SIZE

Sampled = Sequence[tuple[int, str]]
"""Keys with their ranks, the lowest first."""
S = TypeVar("S", bound=str)

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


def standings(rows: Mapping[S, Sampled]) -> Mapping[S, Standing]:
    """Return how each source stands to the others; GROUPS among them only tells whose ids are unknown.

    A full sample holds every key of its source up to its highest rank and says nothing of those beyond, so
    only keys up to the lowest such rank are compared. The fewer keys count, for most products of a shop are
    never ordered, and many are not looked at for days: that is no mismatch.
    """
    compared = {source: sample for source, sample in rows.items() if source != Source.GROUPS}
    full = [sample[-1][0] for sample in compared.values() if len(sample) >= SIZE]
    within = {
        source: {key for rank, key in sample if not full or rank <= min(full)}
        for source, sample in compared.items()
    }
    groups = {key for source, sample in rows.items() if source == Source.GROUPS for _, key in sample}
    return {source: _standing(source, len(sample), within, groups) for source, sample in compared.items()}


def _standing(source: S, sampled: int, within: Mapping[S, set[str]], groups: set[str]) -> Standing:
    own = within[source]
    others = set[str]().union(*(keys for other, keys in within.items() if other != source))
    if not others:
        return Standing(sampled, 0, (), 0, False)
    unknown = own - others
    fewer = min(len(own), len(others))
    shared = len(own) - len(unknown)
    is_apart = fewer >= ENOUGH and shared * 2 < fewer
    return Standing(sampled, len(own), tuple(sorted(unknown)), len(unknown & groups), is_apart)
