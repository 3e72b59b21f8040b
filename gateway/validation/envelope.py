"""What a caller says of an event to the gateway alone: its own id, and when it sent it."""

from typing import Any, NamedTuple

from gateway.identifiers import text_of
from gateway.validation.finding import Finding
from gateway.validation.forms import is_unknown
from gateway.validation.repair import warn
from gateway.validation.times import milliseconds

LONGEST_ID = 200


class Envelope(NamedTuple):
    """The members beside GeneralInfo that are not eSputnik's."""

    caller_id: str | None
    sent_at: int | None
    """Epoch milliseconds by the sender's clock."""


def opened(event: dict[str, Any], findings: list[Finding]) -> tuple[dict[str, Any], Envelope]:
    """Return the event without its envelope, and the envelope; what cannot be used of it is a warning."""
    content = event.copy()
    caller_id = _caller_id(content.pop("id", None), findings)
    raw = content.pop("sent_at", None)
    sent_at = milliseconds(raw)
    if sent_at is None and not is_unknown(raw):
        warn(findings, "/sent_at", "sent_at_ignored")
    return content, Envelope(caller_id, sent_at)


def _caller_id(raw: object, findings: list[Finding]) -> str | None:
    if is_unknown(raw):
        return None
    caller_id = raw if isinstance(raw, str) else text_of(raw)
    if caller_id is None or len(caller_id) > LONGEST_ID:
        warn(findings, "/id", "id_ignored")
        return None
    return caller_id
