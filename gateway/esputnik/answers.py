"""What an answer of eSputnik means. Pure: status, headers and body in, an answer or an error out.

Bodies are as the official clients found them: a list of one element comes as a bare object, numbers come as
text, successes as plain sentences, errors as text, as `{message}`, as Spring's `{status, error, path}`, or as
text followed by JSON (Yespo-CDP/yespo-shopify; docs page 29549050932, FAQ integrating with API).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

import orjson

from gateway.esputnik.errors import EsputnikError, KeyRefused, RateLimited, Refused, Repeated, Unavailable

SAID_CHARACTERS = 1000
"""How much of eSputnik's own words an error keeps."""
RETRY_AFTER_LIMIT = 3600.0
"""Seconds; what asks for a longer wait is a mistake of whoever answered."""

_LATER = frozenset({408, 421, 425})
"""Client errors that are about the connection, not about what was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A success (2xx)."""

    status: int
    body: bytes

    def document(self) -> Any:
        """Return the body's JSON; None where it is none, as with a plain sentence."""
        return _document(self.body)

    def field(self, name: str) -> Any:
        """Return a field of the body where that is a JSON object that has it, else None."""
        document = self.document()
        return document.get(name) if isinstance(document, dict) else None


def classify(status: int, headers: Mapping[str, str], body: bytes, now: float) -> Answer | EsputnikError:
    """Return the answer, or the error that the caller raises.

    `headers` ignores case when it is asked; `now` is seconds since 1970. Statuses mean what the vendor's
    reference pages say (docs.reteno.com/reference/addcontact-1); where they are silent, an answer that is not
    about the request itself (3xx, 5xx) counts as no answer.
    """
    if 200 <= status < 300:
        return _taken(status, body)
    said = words(body)
    wait = retry_after(headers, now)
    message = f"eSputnik answered {status}"
    if status == 401:
        return KeyRefused(message, status=status, said=said, body=body)
    if status == 409:
        return Repeated(message, status=status, said=said, body=body)
    if status == 429:
        return RateLimited(message, status=status, said=said, retry_after=wait)
    if 400 <= status < 500 and status not in _LATER:
        return Refused(message, status=status, said=said, body=body)
    return Unavailable(message, status=status, said=said, retry_after=wait)


_PAGE = re.compile(rb"\s*<(!doctype html|html)\b", re.IGNORECASE)


def _taken(status: int, body: bytes) -> Answer | EsputnikError:
    """Read a 2xx, which may be a refusal in disguise: one with `errors` or `errorMessage` in it.

    A web page is no answer of an API: somebody in between has something to say, and eSputnik got nothing.
    """
    if _PAGE.match(body):
        return Unavailable(f"a web page was answered with {status}", status=status)
    document = _document(body)
    if isinstance(document, dict) and (document.get("errors") or document.get("errorMessage")):
        return Refused(f"eSputnik answered {status} with errors", status=status, said=words(body), body=body)
    return Answer(status, body)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the wait in seconds that Retry-After asks for, as a number or as an HTTP date; None without one.

    A date is held against the answer's own Date, so that a wrong clock on either side does not matter.
    """
    text = headers.get("Retry-After", "").strip()
    if not text:
        return None
    seconds = number(text)
    if seconds is None:
        until = http_date(text)
        if until is None:
            return None
        answered = http_date(headers.get("Date", ""))
        seconds = until.timestamp() - (answered.timestamp() if answered else now)
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)


def http_date(text: str) -> datetime | None:
    """Return the moment that a header names; None where it is no HTTP date."""
    try:
        return parsedate_to_datetime(text)
    except ValueError:
        return None


def words(body: bytes) -> str:
    """Return what an error body says in words, whatever its form; at most SAID_CHARACTERS."""
    document = _document(body)
    text = ""
    if isinstance(document, dict):
        text = "; ".join(_messages(document))
    return (text or body.decode("utf-8", "replace").strip())[:SAID_CHARACTERS]


def _messages(document: dict[str, Any]) -> list[str]:
    found = []
    for name in ("errorMessage", "message", "error", "errors"):
        for element in elements(document.get(name)):
            text = element.get("message") if isinstance(element, dict) else element
            if text:
                found.append(str(text))
    return found


def elements(value: Any) -> list[Any]:
    """Return a list, whichever way it came: one of a single element comes as that element, bare."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def number(value: Any) -> float | None:
    """Return a number whether it came as one or as text; None for what is none or not finite."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        result = float(value)
    except ValueError:
        return None
    return result if abs(result) < float("inf") else None


def whole_number(value: Any) -> int | None:
    """Return an id or a count whether it came as a number or as text; None for what is neither."""
    try:
        return None if isinstance(value, bool | float) else int(value)
    except (TypeError, ValueError):
        return None


def _document(body: bytes) -> Any:
    if not body:
        return None  # what the tracker mostly answers; to find that out by exception takes 5 us
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
