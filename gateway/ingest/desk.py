"""A site's desk: judges what came for the site, and remembers what became of it."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import structlog

from gateway import metrics
from gateway.config import Site
from gateway.event import Record, caller_event_id, event_ids, lane_of
from gateway.ingest.admission import Allowance
from gateway.ingest.body import Malformed
from gateway.ingest.reply import Result
from gateway.recent import RecentIds
from gateway.validation import Accepted, Catalogue, Finding, Judge, Refused, is_plugin_log

REPEAT_WINDOW_MS = 24 * 3600 * 1000
_REMEMBERED = 100_000
"""Callers' ids that one process keeps in mind per site; stitching finds the repeats that it has forgotten."""

TurnedAway = Callable[[str, Refused, Any], None]
"""Told of a site's refused event and why; returns at once."""

_CART = "StatusCart"

_PLUGIN_LOG = Finding(pointer="", code="not_forwarded", message="a plugin's log is counted and set aside")
_OF_THE_BROWSER = Finding(
    pointer="",
    code="not_forwarded",
    message="the browser sends events of this type (the site's setting sources); this one was set aside",
)
_CART_OF_A_BACKEND = Finding(
    pointer="/StatusCart",
    code="cart_from_backend",
    message="eSputnik's cart recommendation blocks do not show on the site for carts that a backend sends",
)
"""Docs page "How to transfer website behavior data through REST API", and the CMS Integration Guide."""

_log = structlog.get_logger()


def nobody_asks(site: str, refused: Refused, event: Any) -> None:
    """Leave a refused event be."""


class Judged(NamedTuple):
    """What a batch comes to, before it is durable."""

    results: list[Result]
    records: list[Record]


class Desk:
    """Judges every event of one site: one result each, and a record for each that goes on."""

    def __init__(
        self, site: Site, catalogue: Catalogue, now: float, turned_away: TurnedAway = nobody_asks
    ) -> None:
        self._catalogue = catalogue
        self._turned_away = turned_away
        self._has_told_of_carts = False
        self.change(site, now)
        self._recent = RecentIds(_REMEMBERED, REPEAT_WINDOW_MS)
        self._accepted = metrics.Bound(metrics.EVENTS_ACCEPTED, site.id)
        self._refused = metrics.Bound(metrics.EVENTS_REFUSED, site.id)
        self._warned = metrics.Bound(metrics.EVENTS_WARNED, site.id)
        self._duplicates = metrics.EVENTS_DUPLICATE.labels(site.id, "ingest")
        self._plugin_logs = metrics.PLUGIN_LOGS.labels(site.id)

    def change(self, site: Site, now: float) -> None:
        """Judge by the site's present settings from now on; callers' ids stay in mind."""
        self.site = site
        self.allowance = Allowance(site.ingest_rate, now) if site.ingest_rate else None
        """Of events, or None where the site may post as many as it likes."""
        ahead_ms = int(site.clock_tolerance_seconds * 1000)
        self._judge = Judge(
            self._catalogue, site.names, site.country, site.strict, site.blocked_ids, ahead_ms
        )
        self._of_the_browser = {type_ for type_, side in site.sources.items() if side == "browser"}
        self._untold = set() if self._has_told_of_carts else {_CART}
        """Types of which something is still to be said to whoever sends them."""

    def judge(self, events: Sequence[Any], now_ms: int) -> Judged:
        """Return one result per event, in order; accepted ones say where they will be durable.

        A plugin's log message, an event that is the browser's to send and a repeat that this process knows
        of are accepted without a record.
        """
        results: list[Result] = []
        records: list[Record] = []
        repeats = set[str]()
        for index, (event, fresh_id) in enumerate(zip(events, event_ids(len(events)), strict=True)):
            verdict = self._judge.judge(event, now_ms) if type(event) is not Malformed else _refusal(event)
            if isinstance(verdict, Refused):
                results.append(self._turn_away(index, event, verdict, fresh_id))
                continue
            if verdict.type in self._of_the_browser:
                results.append(self._set_aside(index, verdict, fresh_id))
                continue
            record = self._record(verdict, fresh_id, now_ms)
            result = {
                "index": index,
                "id": record.id,
                "status": "accepted",
                "durable": "stream",
                "warnings": verdict.warnings,
            }
            if record.caller_id and self._is_repeat(record.id, repeats, now_ms):
                result["duplicate"] = True
                self._duplicates.inc()
            else:
                records.append(record)
                if record.type in self._untold:
                    result["warnings"] = verdict.warnings = self._tell_of_carts(verdict)
            self._count_warnings(verdict.type, verdict.warnings)
            results.append(result)
        return Judged(results, records)

    def settle(self, records: Sequence[Record], now_ms: int) -> None:
        """Count records that are durable now, and remember their callers' ids."""
        if len(records) == 1:
            self._accepted[records[0].type,].inc()
        else:
            for type_, count in Counter([record.type for record in records]).items():
                self._accepted[type_,].inc(count)
        for record in records:
            if record.caller_id:
                self._recent.add(record.id, now_ms)

    def _record(self, verdict: Accepted, fresh_id: str, now_ms: int) -> Record:
        site = self.site.id
        cookie, customer, email, phone = verdict.cookie, verdict.customer, verdict.email, verdict.phone
        event_id = self._event_id(verdict, fresh_id)
        return Record(
            id=event_id,
            site=site,
            type=verdict.type,
            lane=lane_of(site, cookie, customer, email, phone, event_id),
            cookie=cookie,
            customer=customer,
            email=email,
            phone=phone,
            occurred_at=verdict.occurred_at,
            accepted_at=now_ms,
            body=verdict.body,
            caller_id=verdict.caller_id is not None,
        )

    def _set_aside(self, index: int, verdict: Accepted, fresh_id: str) -> Result:
        """Accept an event that eSputnik has from the browser: counted as a warning, and as nothing else."""
        warnings = [*verdict.warnings, _OF_THE_BROWSER]
        self._count_warnings(verdict.type, warnings)
        return {
            "index": index,
            "id": self._event_id(verdict, fresh_id),
            "status": "accepted",
            "warnings": warnings,
        }

    def _tell_of_carts(self, verdict: Accepted) -> list[Finding]:
        self._has_told_of_carts = True
        self._untold.clear()
        # Where the operator wrote that carts are the backend's, the log need not call him.
        tell = _log.info if self.site.sources.get(_CART) == "backend" else _log.warning
        tell("cart_from_backend", site=self.site.id, reason=_CART_OF_A_BACKEND.message)
        return [*verdict.warnings, _CART_OF_A_BACKEND]

    def _count_warnings(self, type_: str, warnings: Sequence[Finding]) -> None:
        for warning in warnings:
            self._warned[type_, warning.code].inc()

    def _event_id(self, verdict: Accepted, fresh_id: str) -> str:
        return fresh_id if verdict.caller_id is None else caller_event_id(self.site.id, verdict.caller_id)

    def _is_repeat(self, event_id: str, in_this_batch: set[str], now_ms: int) -> bool:
        if event_id in in_this_batch or self._recent.knows(event_id, now_ms):
            return True
        in_this_batch.add(event_id)
        return False

    def _turn_away(self, index: int, event: Any, refused: Refused, fresh_id: str) -> Result:
        if is_plugin_log(event):
            self._plugin_logs.inc()
            return {"index": index, "id": fresh_id, "status": "accepted", "warnings": [_PLUGIN_LOG]}
        self._refused[refused.type, refused.code].inc()
        self._turned_away(self.site.id, refused, None if type(event) is Malformed else event)
        return {"index": index, "status": "refused", "code": refused.code, "errors": refused.errors}


def _refusal(line: Malformed) -> Refused:
    error = Finding(pointer="", code="malformed_json", message=line.detail)
    return Refused(type=metrics.UNKNOWN, code="malformed_json", errors=[error])
