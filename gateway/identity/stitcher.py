"""Stitching: gives each event of a batch the identity that the links tell, and drops repeats."""

from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from gateway.event import LINK_MESSAGE, PROBE, Record
from gateway.identity import callers, links
from gateway.identity.facts import Facts
from gateway.identity.fill import with_cookie, with_identity
from gateway.identity.rules import Decision, StitchSettings, decide, observe
from gateway.metrics import EVENTS_DUPLICATE, IDENTITY_CONFLICTS, STITCH_SECONDS, STITCHED, Bound
from gateway.store import Store

_PROBE = Decision("dropped", "probe")
_REPEAT = Decision("dropped", "repeat")


class Stitched(NamedTuple):
    """What became of one record."""

    record: Record | None
    """To be passed on, in the lane it now has; None where it is dropped."""
    decision: Decision
    """Stands on the record too, as text."""


class Stitcher:
    """Decides on batches of records by the facts in the store. One batch at a time."""

    def __init__(
        self, store: Store, sites: Mapping[str, StitchSettings], staying: Container[str] = ()
    ) -> None:
        """`staying` names the types that are no tracking events: they keep their lane and their body."""
        self._store = store
        self._sites = sites
        self._staying = staying
        self._stitched = Bound(STITCHED)
        self._repeats = Bound(EVENTS_DUPLICATE)
        self._conflicts = Bound(IDENTITY_CONFLICTS)

    async def stitch(self, records: Sequence[tuple[str, Record]]) -> list[Stitched]:
        """Return what became of each record, in order; each comes with its position in the stream.

        What the batch shows is stored by then, and all of it counts for each of its records by event time: so
        a batch that is done again after a crash comes out the same. The given records are left as they are.
        Raises Unreachable with nothing stored, or all of it; the same batch may be stitched again.
        """
        with STITCH_SECONDS.time():
            repeats, facts = await self._learn([entry for entry in records if entry[1].type != PROBE])
            decisions = [
                _PROBE
                if record.type == PROBE
                else _REPEAT
                if position in repeats
                else self._decide(record, facts)
                for position, record in records
            ]
            stitched = [
                Stitched(_apply(record, decision), decision)
                for decision, (_, record) in zip(decisions, records, strict=True)
            ]
        self._count(records, decisions)
        return stitched

    async def _learn(self, records: Sequence[tuple[str, Record]]) -> tuple[set[str], dict[str, Facts]]:
        """Store what the records show; return the positions of repeats, and the facts by site."""
        async with self._store.transaction() as transaction:
            repeats = await callers.claim(transaction, records)
            fresh = [record for position, record in records if position not in repeats]
            facts = await links.read(transaction, links.question(fresh, self._staying))
            for record in fresh:
                observe(record, facts.setdefault(record.site, Facts()), self._sites[record.site])
            await links.write(transaction, facts)
        return repeats, facts

    def _decide(self, record: Record, facts: Mapping[str, Facts]) -> Decision:
        tracking = record.type != LINK_MESSAGE and record.type not in self._staying
        return decide(record, facts[record.site], self._sites[record.site], tracking)

    def _count(self, records: Sequence[tuple[str, Record]], decisions: Sequence[Decision]) -> None:
        """Fold the batch into the metrics, each label once."""
        outcomes = Counter(
            (record.site, decision.word, decision.reason, decision.conflict)
            for (_, record), decision in zip(records, decisions, strict=True)
        )
        for (site, word, reason, conflict), count in outcomes.items():
            if word != "dropped":
                self._stitched[site, word].inc(count)
            elif reason == _REPEAT.reason:
                self._repeats[site, "stitch"].inc(count)
            if conflict:
                self._conflicts[site,].inc(count)


def _apply(record: Record, decision: Decision) -> Record | None:
    """Return the record as it goes on."""
    if decision.word == "dropped":
        return None
    stitched = replace(record, decision=str(decision))
    if decision.identity:
        return with_identity(stitched, decision.identity)
    if decision.cookie:
        return with_cookie(stitched, decision.cookie)
    return stitched
