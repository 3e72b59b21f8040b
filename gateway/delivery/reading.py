"""What an item of the stream is to delivery: a record on its way, or a dead letter from the start. Pure."""

from dataclasses import dataclass, field
from typing import TypeGuard

import orjson

from gateway.delivery.dead_letters import DeadLetter
from gateway.delivery.mapping import is_known
from gateway.delivery.retry import Effort, Reason
from gateway.errors import UnreadableRecord
from gateway.event import Record
from gateway.metrics import UNKNOWN
from gateway.stream import Item

_TEXT_LIMIT = 128


@dataclass(slots=True)
class Pending:
    """A record on its way, with what it has cost so far; dead letters once that is decided."""

    record: Record | None
    """None where it cannot be read."""
    key: str
    """The same for copies alone: the record's id and replays, or where it stands if it cannot be read."""
    letters: tuple[DeadLetter, ...] = ()
    """What is left to be kept; nothing is sent any more."""
    told: bool = False
    """Whether a caller may have taken what the letters say; then nothing is kept."""
    most: int = 1000
    """With how many others at most it may share a call."""
    effort: Effort = field(default_factory=Effort)


def read(site: str, partition: int, item: Item) -> tuple[str, Pending]:
    """Return the lane of the item, and what is to be done with it.

    What cannot be read, or is nothing to be sent, must not hold up the site: it is a dead letter in a lane
    of its own. Raises UnreadableRecord where a newer version wrote it, for that is no fault of the record.
    """
    try:
        record = Record.decode(item.value)
        if _is_text(record.id) and isinstance(record.lane, str) and _can_be_sent(record):
            return record.lane, Pending(record, f"{record.id}/{record.replays}")
    except UnreadableRecord as problem:
        raise UnreadableRecord(f"upgrade this process: in the stream of {site!r}, {problem}") from None
    except (ValueError, TypeError, KeyError, AttributeError):
        pass
    place = f"{site}/unreadable/{partition}/{item.offset}"
    return place, Pending(None, place, (_unreadable(site, place, item.value),))


def _can_be_sent(record: Record) -> bool:
    """Return whether it is what everything behind here takes for granted. Raises ValueError, too, if not."""
    return is_known(record) and isinstance(orjson.loads(record.body), dict)


def dead(record: Record, reason: Reason, status: int | None = None, answer: str = "") -> DeadLetter:
    """Return the dead letter of a record."""
    return DeadLetter(record.id, record.site, record.type, reason, status, answer, record.encode())


def _unreadable(site: str, place: str, value: bytes) -> DeadLetter:
    """Return a dead letter with what can be known: id and type, where the head tells them."""
    try:
        head = orjson.loads(value.partition(b"\n")[0])
    except ValueError:
        head = None
    known = head if isinstance(head, dict) else {}
    event_id, kind = known.get("id"), known.get("type")
    return DeadLetter(
        event_id=event_id if _is_text(event_id) else place,
        site=site,
        type=kind if _is_text(kind) else UNKNOWN,
        reason=Reason.UNREADABLE,
        status=None,
        answer="",
        record=value,
    )


def _is_text(value: object) -> TypeGuard[str]:
    """Return whether it can stand in an HTTP header and in a key of the database."""
    return (
        isinstance(value, str) and 0 < len(value) <= _TEXT_LIMIT and value.isascii() and value.isprintable()
    )
