"""Judges one event: strict first, repair second.

An event in the REST form that needs nothing goes straight through: one look by the validator, a few keys
read, its JSON (3 us in all for a cart of 450 bytes). Only what does not fit takes the longer way (25 us and
more): its form, its repairs with a warning each, the validator again, and the errors with their places.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from gateway import identifiers
from gateway.event import LINK_MESSAGE, json_to_keep
from gateway.metrics import UNKNOWN
from gateway.validation import messages
from gateway.validation.catalogue import Catalogue
from gateway.validation.contract import Contract
from gateway.validation.envelope import Envelope, opened
from gateway.validation.finding import MOST, Finding
from gateway.validation.forms import is_unknown, lift_identity, rest_form, unaliased
from gateway.validation.general_info import general_info, mend_name, mend_site, mend_time
from gateway.validation.identity import PLACES, Identity, Screening
from gateway.validation.places import placed_as_posted
from gateway.validation.plugins import is_link_message
from gateway.validation.repair import warn

Event = dict[str, Any]


@dataclass(slots=True)
class Accepted:
    """An event that goes on."""

    type: str
    event: Event
    """In the REST form; without the caller's id and the time of sending, which are not eSputnik's."""
    body: bytes
    """The event as JSON."""
    caller_id: str | None
    cookie: str | None
    customer: str | None
    email: str | None
    phone: str | None
    occurred_at: int
    """Epoch milliseconds, corrected for the sender's clock where it told it; hardly ahead of ours."""
    warnings: Sequence[Finding]


@dataclass(slots=True)
class Refused:
    """An event that does not go on, and why."""

    type: str
    """A known event name, or "unknown"."""
    code: str
    """not_an_object, schema_violation, strict_mode, unknown_event or wrong_site."""
    errors: list[Finding]


class Judge:
    """Judges the events of one site; the same event at the same time has the same verdict, always.

    `site_ids` are those by which an event may name the site; one that names none gets the first. `blocked`
    are the site's own values that name nobody; `country` (ISO 3166) is that of phones without a code; a
    `strict` site refuses what would be a warning. A time may lie `ahead_ms` ahead: clocks differ.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        site_ids: tuple[str, ...],
        country: str,
        strict: bool,
        blocked: frozenset[str],
        ahead_ms: int,
    ) -> None:
        self._catalogue = catalogue
        self._site_ids = site_ids
        self._country = country
        self._strict = strict
        self._ahead_ms = ahead_ms
        self._blocked = identifiers.blocked_values(blocked)
        self._screening = Screening(country, self._blocked)
        self._fits = {name: catalogue.contract(name).is_valid for name in catalogue.events}

    def judge(self, event: object, now_ms: int) -> Accepted | Refused:
        """Return what becomes of the event, any value that JSON can hold, arriving now; never changes it."""
        verdict = self._as_it_stands(event, now_ms)
        if verdict is not None:
            return verdict
        if not isinstance(event, dict):
            return Refused(UNKNOWN, "not_an_object", [messages.wrong_type("", event, "object")])
        findings: list[Finding] = []
        content, envelope = opened(event, findings)
        if is_link_message(content):
            return self._link(content, envelope, now_ms, findings)
        return self._mended(content, envelope, now_ms, findings)

    def _as_it_stands(self, event: Any, now_ms: int) -> Accepted | Refused | None:
        """Return the verdict on an event that needs nothing at all, None for any other."""
        try:
            info = event["GeneralInfo"]
            name = info["eventName"]
            if not self._fits[name](event):
                return None
        except (KeyError, TypeError):  # not in an event's shape
            return None
        occurred_at = info["datetime"]
        if (
            info["siteId"] not in self._site_ids
            or type(occurred_at) is not int
            or occurred_at > now_ms + self._ahead_ms
        ):
            return None
        identity = self._identity_as_it_stands(info)
        if identity is None or "sent_at" in event:
            return None
        caller_id = None
        if "id" in event:
            event, (caller_id, _) = opened(event, [])
        return _accepted(name, event, identity, occurred_at, caller_id, ())

    def _identity_as_it_stands(self, info: Event) -> Identity | None:
        """Return who the event is about if every identifier in it is well written and names somebody."""
        blocked = self._blocked
        cookie = customer = email = phone = None
        cookies = info.get("cookies")
        if cookies and (raw := cookies.get("sc")) is not None:
            cookie = identifiers.cookie(raw, blocked)
            if cookie != raw:
                return None
        if (raw := info.get("externalCustomerId")) is not None:
            customer = identifiers.customer(raw, blocked)
            if customer != raw:
                return None
        if (raw := info.get("user_email")) is not None:
            email = identifiers.email(raw, blocked)
            if email != raw:
                return None
        if (raw := info.get("user_phone")) is not None:
            phone = identifiers.phone(raw, self._country, blocked)
            if phone != raw:
                return None
        return Identity(cookie, customer, email, phone)

    def _mended(
        self, content: Event, envelope: Envelope, now_ms: int, findings: list[Finding]
    ) -> Accepted | Refused:
        """Judge an event by its REST form, mended."""
        posted, content = content, unaliased(content)
        info = general_info(content)
        if info is None:
            wrong = messages.wrong_type("/GeneralInfo", content["GeneralInfo"], "object")
            return Refused(UNKNOWN, "schema_violation", [wrong])
        name = mend_name(info, content, self._catalogue.events, findings)
        if not mend_site(info, self._site_ids, findings):
            return Refused(name or UNKNOWN, "wrong_site", [messages.WRONG_SITE])
        if name is None:
            return self._nameless(info, content)
        occurred_at = mend_time(info, envelope.sent_at, now_ms, self._ahead_ms, findings)
        content = rest_form(name, content)
        if name == "CustomerData":
            for member in lift_identity(info, content):
                warn(findings, f"/CustomerData/{member}", "identity_differs")
        identity = self._screening.identity(info, findings)
        contract = self._catalogue.contract(name)
        event = contract.mended({**content, "GeneralInfo": info}, findings)
        refused = _broken(contract, event, findings)
        verdict = refused or self._outcome(name, event, identity, occurred_at, envelope.caller_id, findings)
        return _with_posted_places(verdict, name, posted)

    def _nameless(self, info: Event, content: Event) -> Refused:
        raw = info.get("eventName")
        if isinstance(raw, str) and not is_unknown(raw):
            nearest = self._catalogue.nearest(raw)
            return Refused(UNKNOWN, "unknown_event", [messages.unknown_event(nearest)])
        if not is_unknown(raw):
            wrong = messages.wrong_type("/GeneralInfo/eventName", raw, "string")
        elif is_unknown(content.get("GeneralInfo")):
            wrong = messages.missing("", "GeneralInfo")
        else:
            wrong = messages.missing("/GeneralInfo", "eventName")
        return Refused(UNKNOWN, "schema_violation", [wrong])

    def _link(
        self, message: Event, envelope: Envelope, now_ms: int, findings: list[Finding]
    ) -> Accepted | Refused:
        """Judge the WooCommerce link message, which goes on unchanged and happened when it arrived."""
        refused = _broken(self._catalogue.contract(LINK_MESSAGE), message, findings)
        if refused:
            return refused
        identity = self._screening.linked(message, findings)
        return self._outcome(LINK_MESSAGE, message, identity, now_ms, envelope.caller_id, findings)

    def _outcome(
        self,
        name: str,
        event: Event,
        identity: Identity,
        occurred_at: int,
        caller_id: str | None,
        findings: list[Finding],
    ) -> Accepted | Refused:
        if findings and self._strict:
            return Refused(name, "strict_mode", findings)
        return _accepted(name, event, identity, occurred_at, caller_id, findings)


def _broken(contract: Contract, event: Event, findings: list[Finding]) -> Refused | None:
    """Return the refusal of an event that its schema refuses; what it tolerates joins the findings."""
    if contract.is_valid(event):
        return None
    errors = contract.errors(event)
    if errors:
        return Refused(contract.name, "schema_violation", errors)
    findings += [finding for finding in contract.tolerated(event) if finding.pointer not in PLACES]
    del findings[MOST:]
    return None


def _with_posted_places(verdict: Accepted | Refused, name: str, posted: Event) -> Accepted | Refused:
    """Return the verdict with its pointers into the event as it was posted."""
    if isinstance(verdict, Refused):
        verdict.errors = [placed_as_posted(error, name, posted) for error in verdict.errors]
    else:
        verdict.warnings = [placed_as_posted(finding, name, posted) for finding in verdict.warnings]
    return verdict


def _accepted(
    name: str,
    event: Event,
    identity: Identity,
    occurred_at: int,
    caller_id: str | None,
    warnings: Sequence[Finding],
) -> Accepted | Refused:
    try:
        body = json_to_keep(event)
    except TypeError:  # nested deeper than its 254 levels, somewhere in a member that no schema knows
        return Refused(name, "schema_violation", [messages.TOO_DEEP])
    return Accepted(name, event, body, caller_id, *identity, occurred_at, warnings)
