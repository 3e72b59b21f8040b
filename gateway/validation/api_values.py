"""Repairs of single values in calls of eSputnik's API, by their names in `x-repair`; see `values`. Pure."""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from gateway.identifiers import BLANKS
from gateway.validation.forms import is_unknown
from gateway.validation.names import is_first_name, is_name
from gateway.validation.times import milliseconds
from gateway.validation.values import DROP, Repair, Repaired, text

_ISO = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?(?:\.\d+)?) ?(Z|[+-]\d\d:?\d\d)?")
_SECONDS = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d):\d\d(?:\.\d+)?")
_SOURCES = ("online", "offline")


def first_name(value: Any) -> Repaired:
    """Return a first name trimmed; leave out one that eSputnik would not take; the contact goes on."""
    return _named(value, is_first_name)


def last_name(value: Any) -> Repaired:
    """Return a last name as `first_name` does."""
    return _named(value, is_name)


def channels(value: Any) -> Repaired:
    """Return channels without those that have no value: Shopify's application sends "" for no phone."""
    if is_unknown(value):
        return DROP, None
    if isinstance(value, dict):  # a list of one, as eSputnik itself writes it
        value = [value]
    if not isinstance(value, list):
        return value, None
    kept = [c for c in value if not (isinstance(c, dict) and is_unknown(c.get("value", "")))]
    return kept, "channel_without_value" if len(kept) < len(value) else None


def source(value: Any) -> Repaired:
    """Return where an order was made, online where that is told otherwise: WooCommerce says "checkout"."""
    if is_unknown(value):
        return DROP, None
    if isinstance(value, str) and value.strip(BLANKS).lower() in _SOURCES:
        return value.strip(BLANKS).lower(), None
    return "online", "source_replaced"


def moment(value: Any) -> Repaired:
    """Return a date as ISO 8601: with its T, and from epoch seconds or milliseconds in UTC."""
    if is_unknown(value):
        return DROP, None
    if isinstance(value, str) and (iso := _ISO.fullmatch(value.strip(BLANKS))):
        date, time, offset = iso.groups()
        written = f"{date}T{time}{offset or ''}"
        return written, None if written == value else "date_reformatted"
    if isinstance(value, str) and not value.strip(BLANKS).isdigit():
        return value.strip(BLANKS), None
    read = milliseconds(value)
    if read is None:
        return value, None
    return datetime.fromtimestamp(read / 1000, UTC).isoformat(timespec="seconds"), "date_reformatted"


def minute(value: Any) -> Repaired:
    """Return a date as `moment` does, without seconds: past events have none (docs page 29352572214)."""
    written, code = moment(value)
    cut = _SECONDS.fullmatch(written) if isinstance(written, str) else None
    return (written, code) if cut is None else (cut[1], "date_reformatted")


def _named(value: Any, fits: Callable[[str], bool]) -> Repaired:
    name, code = text(value)
    return (DROP, "name_dropped") if isinstance(name, str) and not fits(name) else (name, code)


API_REPAIRS: Mapping[str, Repair] = {
    repair.__name__: repair for repair in (first_name, last_name, channels, source, moment, minute)
}
"""Every repair of the API's values, by the name in `x-repair`."""
