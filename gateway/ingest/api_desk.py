"""A site's desk for calls of eSputnik's API: judges what came, and makes records of it."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlencode

from gateway import identifiers, metrics
from gateway.calls import ApiCall
from gateway.config import Site
from gateway.event import Record, caller_event_id, event_ids, json_to_keep, lane_of
from gateway.ingest.desk import TurnedAway
from gateway.ingest.problem import Problem
from gateway.validation import BadOrder, CallJudge, Catalogue, Finding, Part, Refused, status_map


class Posting(NamedTuple):
    """A call as it came."""

    call: ApiCall
    target: str
    """Method and path at eSputnik."""
    body: Any
    subject: str = ""
    """What order is kept by where the body names nobody."""
    caller_id: str | None = None


class Judged(NamedTuple):
    """What a call comes to, before it is durable."""

    records: list[Record]
    warnings: Sequence[Finding]
    bad_orders: Sequence[BadOrder]


class ApiDesk:
    """Judges every call of one site."""

    def __init__(self, site: Site, catalogue: Catalogue, turned_away: TurnedAway) -> None:
        self.site = site
        self._turned_away = turned_away
        statuses = status_map(site.order_software, site.order_statuses)
        self._judge = CallJudge(catalogue, site.country, site.strict, site.blocked_ids, statuses)
        self._wait_ms = int(site.answer_wait * 1000)
        self._accepted = metrics.Bound(metrics.EVENTS_ACCEPTED, site.id)
        self._refused = metrics.Bound(metrics.EVENTS_REFUSED, site.id)
        self._warned = metrics.Bound(metrics.EVENTS_WARNED, site.id)

    def judge(self, posting: Posting, now_ms: int) -> Judged:
        """Return the call's records; raises Problem 400 where eSputnik could not use it."""
        verdict = self._judge.judge(posting.call, posting.body)
        if isinstance(verdict, Refused):
            self._turn_away(posting, verdict)
            raise _problem(verdict)
        for warning in verdict.warnings:
            self._warned[posting.call, warning.code].inc()
        for order in verdict.bad_orders:
            self._turn_away(posting, Refused(posting.call, "schema_violation", order.errors))
        ids = event_ids(len(verdict.parts))
        if posting.caller_id is not None and len(ids) == 1:
            ids = [caller_event_id(self.site.id, posting.caller_id)]
        records = [
            self._record(posting, part, event_id, now_ms)
            for part, event_id in zip(verdict.parts, ids, strict=True)
        ]
        return Judged(records, verdict.warnings, verdict.bad_orders)

    def customer(self, raw: str) -> str | None:
        """Return a customer's id as events have it, None where it names nobody."""
        return identifiers.customer(raw, identifiers.blocked_values(self.site.blocked_ids))

    def settle(self, judged: Judged) -> None:
        """Count records that are durable now."""
        self._accepted[judged.records[0].type,].inc(len(judged.records))

    def _turn_away(self, posting: Posting, refused: Refused) -> None:
        self._refused[posting.call, refused.code].inc()
        self._turned_away(self.site.id, refused, posting.body)

    def _record(self, posting: Posting, part: Part, event_id: str, now_ms: int) -> Record:
        site = self.site.id
        _, customer, email, phone = part.identity
        subject = part.subject or posting.subject
        named = customer or email or phone or not subject
        return Record(
            id=event_id,
            site=site,
            type=posting.call,
            lane=lane_of(site, None, customer, email, phone, event_id) if named else f"{site}/{subject}",
            cookie=None,
            customer=customer,
            email=email,
            phone=phone,
            occurred_at=now_ms,
            accepted_at=now_ms,
            body=json_to_keep(part.body),
            caller_id=posting.caller_id is not None,
            target=_target(posting, part),
            answer_by=now_ms + self._wait_ms,
        )


def _target(posting: Posting, part: Part) -> str:
    """Return method and path; a deletion of a contact has what its body says in the query."""
    if posting.call is not ApiCall.DELETE_CONTACT:
        return posting.target
    query = urlencode({name: value for name, value in part.body.items() if name != "id"})
    return f"{posting.target}?{query}" if query else posting.target


def _problem(refused: Refused) -> Problem:
    first, more = refused.errors[0], len(refused.errors) - 1
    detail = f"{first.pointer or '/'}: {first.message}" + (f", and {more} more" if more else "")
    return Problem(400, refused.code, detail, errors=refused.errors)
