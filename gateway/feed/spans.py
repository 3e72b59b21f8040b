"""Spans of time as a feed writes them: when a sale price counts. Pure."""

from datetime import UTC, datetime
from functools import lru_cache
from typing import NamedTuple

_DAY = len("2026-11-10")


class Span(NamedTuple):
    """From when to when, both included."""

    begin: datetime
    end: datetime


@lru_cache(maxsize=1024)  # a sale has many products
def read(text: str) -> Span | None:
    """Return a span as the Google Merchant specification writes it, else None.

    Two times of ISO 8601 with a slash between (`2026-11-01T00:00+0200/2026-11-10T23:59+0200`); one that names
    no zone is in UTC, and a day without a time is meant to its end.
    """
    try:
        begin, end = text.split("/")
        until = end.strip()
        span = Span(_moment(begin), _moment(until + "T23:59:59" * (len(until) <= _DAY)))
    except ValueError:
        return None
    return span if span.begin <= span.end else None


def is_within(text: str, now: datetime) -> bool:
    """Return whether the span holds that moment; one that cannot be read holds none."""
    span = read(text)
    return span is not None and span.begin <= now <= span.end


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text.strip())
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
