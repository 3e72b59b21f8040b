"""Times as senders write them, brought to epoch milliseconds."""

import re
from datetime import UTC, datetime

EARLIEST = 946_684_800_000
"""2000-01-01. What is earlier is no event's time but a default or a wrong unit."""

LATEST = 4_102_444_800_000
"""2100-01-01."""

_NUMBER = re.compile(r"[0-9]{9,20}(\.[0-9]{1,9})?")
_PER_MILLISECOND = (1, 1_000, 1_000_000)


def event_time(raw: object, now_ms: int) -> tuple[int, str | None]:
    """Return the event's time in milliseconds and the code of the repair; `now_ms` where it tells none."""
    if raw is None or raw == "":
        return now_ms, "datetime_filled"
    read = milliseconds(raw)
    if read is None:
        return now_ms, "datetime_replaced"
    return read, None if type(raw) is int and read == raw else "datetime_converted"


def milliseconds(raw: object) -> int | None:
    """Return epoch milliseconds from any usual unit or ISO 8601; None outside 2000 to 2100.

    Text without an offset is UTC.
    """
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int | float):
        return _in_milliseconds(raw)
    if not isinstance(raw, str):
        return None
    text = raw.strip()
    if _NUMBER.fullmatch(text):
        return _in_milliseconds(float(text) if "." in text else int(text))
    return _from_iso(text)


def _in_milliseconds(number: float) -> int | None:
    """Tell the unit by the size: between 2000 and 2100 no two units overlap."""
    if EARLIEST <= number * 1000 <= LATEST:
        return round(number * 1000)
    for unit in _PER_MILLISECOND:
        if EARLIEST <= number / unit <= LATEST:
            return int(number // unit)
    return None


def _from_iso(text: str) -> int | None:
    try:
        moment = datetime.fromisoformat(text)
        moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        read = int(moment.timestamp() * 1000)
    except (ValueError, OverflowError):
        return None
    return read if EARLIEST <= read <= LATEST else None
