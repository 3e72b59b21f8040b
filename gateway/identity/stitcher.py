"""Stitching: gives each event of a batch the identity that the links tell, and drops repeats."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import NamedTuple

import structlog

from gateway.clock import Clock
from gateway.event import LINK_MESSAGE, LOGOUT, PROBE, Record
from gateway.identity import audit, callers, links
from gateway.identity.facts import Facts
from gateway.identity.fill import decided
from gateway.identity.memory import Key, Memory, to_remember
from gateway.identity.questions import question
from gateway.identity.rules import Decision, Rules, names_in, observe, observe_on_cookie
from gateway.identity.settings import StitchSettings
from gateway.identity.sites import Sites, set_aside
from gateway.metrics import (
    EVENTS_DUPLICATE,
    IDENTITY_CONFLICTS,
    IDENTITY_CROWDS,
    IDENTITY_LATE,
    REMEMBERED_COOKIES,
    STITCH_SECONDS,
    STITCHED,
    STITCHED_FROM_MEMORY,
    Bound,
)
from gateway.store import Store, Transaction

_PROBE = Decision("dropped", "probe")
_REPEAT = Decision("dropped", "repeat")

_log = structlog.get_logger()

Positioned = Sequence[tuple[str, Record]]


class Stitched(NamedTuple):
    """What became of one record."""

    record: Record | None
    """To be passed on, in the lane it now has; None where it is dropped."""
    decision: Decision
    """Stands on the record too, as text."""


class Stitcher:
    """Decides on batches of records by the facts in the store. One batch at a time."""

    def __init__(
        self,
        store: Store,
        sites: Mapping[str, StitchSettings],
        staying: Collection[str] = (),
        exempt: Collection[str] = (),
        *,
        remembered: int,
        seconds: float,
        clock: Clock,
    ) -> None:
        """`staying` names the types that are no tracking events: they keep their lane and their body.

        `exempt` names those that go on though whom they name was erased: the deletion calls themselves.
        At most `remembered` cookies are kept in mind, each for so many `seconds`.
        """
        self._store = store
        self._settings = sites
        self._staying = staying
        self._no_tracking = {LINK_MESSAGE, LOGOUT, *staying}
        self._exempt = exempt
        self._sites = Sites()
        self._memory = Memory(remembered, seconds)
        self._clock = clock
        self._stitched = Bound(STITCHED)
        self._repeats = Bound(EVENTS_DUPLICATE)
        self._conflicts = Bound(IDENTITY_CONFLICTS)
        self._late = Bound(IDENTITY_LATE)

    async def stitch(self, records: Positioned) -> list[Stitched]:
        """Return what became of each record, in order; each comes with its position in the stream.

        What the batch shows is stored by then, and all of it counts for each of its records by event time: so
        a batch that is done again after a crash comes out the same. The given records are left as they are.
        Raises Unreachable with nothing stored, or all of it; the same batch may be stitched again.
        """
        with STITCH_SECONDS.time():
            batch = await self._learn(records)
            stitched = [
                Stitched(decided(record, decision), decision) for record, decision in batch.outcomes()
            ]
        self._count(batch)
        return stitched

    def start_anew(self) -> None:
        """Forget what is remembered: the partitions are no longer the same, others may have learned more."""
        self._memory.clear()

    async def _learn(self, records: Positioned) -> "_Batch":
        """Store what the records show, and return them decided.

        Whatever goes wrong on the way, nothing is remembered that was not stored.
        """
        now = self._clock.monotonic()
        while True:
            async with self._store.transaction() as transaction:
                batch, facts = await self._decided(transaction, records, now)
                crowded = batch.crowded()
                if not crowded:
                    statements = [*links.writes(facts, self._settings), *audit.writes(batch.entries)]
                    if statements:
                        await transaction.write(statements)
                    break
            await self._set_aside(crowded)
        self._remember(batch, now)
        return batch

    async def _decided(
        self, transaction: Transaction, records: Positioned, now: float
    ) -> "tuple[_Batch, Mapping[str, Facts]]":
        """Return the records decided, and the facts with what they show, none of it stored yet."""
        repeats = await callers.claim(transaction, records)
        while True:
            batch = _Batch([record for _, record in records])
            self._screen(batch, [position in repeats for position, _ in records])
            self._recall(batch, now)
            asked = question(batch.sites, batch.undecided(), self._staying)
            known = await links.read(transaction, asked, self._settings, self._sites.merged)
            if await self._sites.are_current(transaction, known.epochs, batch.sites):
                break
            self._memory.clear()
        self._decide(batch, known.facts)
        return batch, known.facts

    def _screen(self, batch: "_Batch", are_repeats: Sequence[bool]) -> None:
        """Decide on what needs no facts: probes, repeats, events of erased persons."""
        for place, record in enumerate(batch.records):
            if record.type == PROBE:
                batch.decisions[place] = _PROBE
            elif are_repeats[place]:
                batch.decisions[place] = _REPEAT
            elif self._sites.has_erased(record.site) and record.type not in self._exempt:
                batch.records[place], decision = self._sites.screened(record, self._is_tracking(record))
                if decision is not None:
                    batch.decisions[place] = decision
            batch.show(place, self._sites.without_crowds(batch.records[place]))

    def _recall(self, batch: "_Batch", now: float) -> None:
        """Decide from memory, but where something new in the batch may matter."""
        recalled: list[tuple[int, Decision, set[Key]]] = []
        news = set[Key]()
        for place, record in batch.places_undecided():
            cookie = record.site, record.cookie or ""
            known = self._memory.recall(cookie, now)
            if known is not None and self._is_tracking(record):
                decision = known.decide(record, self._settings[record.site].link_age_ms)
                if decision is not None:
                    recalled.append((place, decision, known.touches))
                    continue
            if record.type == LOGOUT or record.customer or record.email or record.phone:
                news.add(cookie)
                merged = self._sites.merged.get(record.site, {})
                for name in names_in(record):
                    news.update({(record.site, name), (record.site, merged.get(name, name))})
        for place, decision, touches in recalled:
            if news.isdisjoint(touches):
                batch.decisions[place] = decision
                batch.recalled += 1
                if batch.records[place].customer:
                    batch.sightings.append(place)

    def _decide(self, batch: "_Batch", facts: Mapping[str, Facts]) -> None:
        """Observe all of it, then decide on the rest by the facts."""
        batch.asked = [place for place, _ in batch.places_undecided()]
        seen_until = {cookie: facts[cookie[0]].seen_until(cookie[1]) for cookie in batch.cookies_asked()}
        for place in batch.sightings:
            observe_on_cookie(batch.records[place], facts[batch.records[place].site])
        for place in batch.asked:
            record = batch.records[place]
            observe(record, facts[record.site], self._settings[record.site])
        batch.rules = {site: Rules(known, self._settings[site]) for site, known in facts.items()}
        for place in batch.asked:
            record = batch.records[place]
            rules = batch.rules[record.site]
            decision = batch.decisions[place] = rules.decide(record, self._is_tracking(record))
            last = seen_until.get(batch.cookie(place))
            batch.entries += audit.entries_of(record, decision, rules, last, self._settings[record.site])
        for site, cookie in batch.cookies_asked():
            shared = batch.rules[site].timelines.shared(cookie)
            if shared is not None:
                facts[site].share(cookie, shared.moment)

    async def _set_aside(self, crowded: Mapping[str, set[str]]) -> None:
        """Let contact keys that too many customers share stand for nobody: placeholders, and no persons."""
        for site, contacts in crowded.items():
            count = await set_aside(self._store, site, contacts, self._clock.now_ms())
            IDENTITY_CROWDS.labels(site).inc(count)
            _log.warning("contact_keys_set_aside", site=site, count=count)

    def _remember(self, batch: "_Batch", now: float) -> None:
        """Take in what is stored now."""
        for site, rules in batch.rules.items():
            self._memory.forget((site, name) for name in rules.touched(batch.asked_of(site)))
        for cookie in batch.cookies_asked():
            known = to_remember(batch.rules[cookie[0]], cookie[1], self._settings[cookie[0]])
            self._memory.remember(cookie, known, now)
        for place in batch.sightings:
            record = batch.records[place]
            self._memory.extend(batch.cookie(place), record.occurred_at, self._settings[record.site])
        REMEMBERED_COOKIES.set(len(self._memory))

    def _is_tracking(self, record: Record) -> bool:
        return record.type not in self._no_tracking

    def _count(self, batch: "_Batch") -> None:
        """Fold the batch into the metrics, each label once."""
        outcomes = Counter(
            (record.site, decision.word, decision.reason, decision.conflict)
            for record, decision in batch.outcomes()
        )
        for (site, word, reason, conflict), count in outcomes.items():
            if reason == _REPEAT.reason:
                self._repeats[site, "stitch"].inc(count)
            elif reason != _PROBE.reason:
                self._stitched[site, word].inc(count)
            if conflict:
                self._conflicts[site,].inc(count)
        for entry in batch.entries:
            if entry.word == audit.LATE:
                self._late[entry.site,].inc()
        STITCHED_FROM_MEMORY.inc(batch.recalled)


class _Batch:
    """Records on their way to a decision each."""

    def __init__(self, records: list[Record]) -> None:
        self.records = records
        self.decisions: dict[int, Decision] = {}
        """By place."""
        self._whole: dict[int, Record] = {}
        """Records of which identity sees only a part, as they go on."""
        self.sites = {record.site for record in records if record.type != PROBE}
        self.recalled = 0
        """How many are decided from memory."""
        self.sightings: list[int] = []
        """Places of those among them that name the cookie's owner: that he was seen again is to be stored."""
        self.asked: list[int] = []
        """Places of those decided by the facts."""
        self.rules: dict[str, Rules] = {}
        self.entries: list[audit.Entry] = []

    def outcomes(self) -> Iterator[tuple[Record, Decision]]:
        """Yield each record with its decision."""
        for place, record in enumerate(self.records):
            yield self._whole.get(place, record), self.decisions[place]

    def show(self, place: int, part: Record) -> None:
        """Let identity see that part of a record."""
        if part is not self.records[place]:
            self._whole[place] = self.records[place]
            self.records[place] = part

    def places_undecided(self) -> Iterator[tuple[int, Record]]:
        """Yield the records without a decision, each with its place."""
        return ((place, record) for place, record in enumerate(self.records) if place not in self.decisions)

    def undecided(self) -> list[Record]:
        """Return the records without a decision."""
        return [record for _, record in self.places_undecided()]

    def cookie(self, place: int) -> Key:
        """Return the cookie of the record at that place; "" stands for none."""
        record = self.records[place]
        return record.site, record.cookie or ""

    def asked_of(self, site: str) -> Iterator[Record]:
        """Yield the records of the site that are decided by the facts."""
        return (self.records[place] for place in self.asked if self.records[place].site == site)

    def crowded(self) -> dict[str, set[str]]:
        """Return the contact keys by which the records name nobody, as the facts turn out, by site."""
        found = {site: rules.crowded(self.asked_of(site)) for site, rules in self.rules.items()}
        return {site: contacts for site, contacts in found.items() if contacts}

    def cookies_asked(self) -> set[Key]:
        """Return the cookies of the records that are decided by the facts."""
        return {self.cookie(place) for place in self.asked if self.records[place].cookie}
