"""Dead letters: what eSputnik refused for good, kept with the reason. One table of the shared database."""

import re
from dataclasses import dataclass

from gateway.clock import Clock
from gateway.delivery.retry import Reason
from gateway.store import Argument, Store

ANSWER_CHARACTERS = 500

_KEEP = """
    INSERT INTO dead_letters (event_id, site, type, reason, status, answer, record, first_at, last_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8)
    ON CONFLICT (event_id) DO UPDATE SET
        reason = excluded.reason, status = excluded.status, answer = excluded.answer,
        record = excluded.record, last_at = excluded.last_at
"""

_EMAIL = re.compile(r"[^\s@<>\"',;:]+@[^\s@<>\"',;:]+")
_DIGITS = re.compile(r"\d(?:[ ().-]{0,2}\d){5,}")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A record that will never be taken."""

    event_id: str
    site: str
    type: str
    reason: Reason
    status: int | None
    """Of eSputnik's answer; None where there was none."""
    answer: str
    """eSputnik's own words."""
    record: bytes
    """As it stood in the stream."""


class DeadLetters:
    """Keeps dead letters, one for each event id."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def keep(self, *letters: DeadLetter) -> None:
        """Return when the letters are durable; one kept before under its event id is renewed, not doubled.

        Raises Unreachable where the store is away; they may then be kept again.
        """
        now = self._clock.now_ms()
        async with self._store.transaction() as transaction:
            await transaction.executemany(_KEEP, [_row(letter, now) for letter in letters])


def _row(letter: DeadLetter, now: int) -> tuple[Argument, ...]:
    return (
        letter.event_id,
        letter.site,
        letter.type,
        letter.reason.value,
        letter.status,
        masked(letter.answer),
        letter.record,
        now,
    )


def masked(answer: str) -> str:
    """Return eSputnik's words, bounded, without what looks like an email, a phone or an id, or a NUL."""
    answer = answer.replace("\0", "")
    return _DIGITS.sub("***", _EMAIL.sub("***", answer))[:ANSWER_CHARACTERS]
