"""Dead letters as an operator sees them: in groups, one by one, edited, dropped."""

from collections.abc import Sequence, Set
from dataclasses import dataclass
from typing import Any

from gateway.event import Record
from gateway.identity.rules import names_in
from gateway.store import Store, Transaction, bulk

MOST = 1000
"""Letters that one question returns at most."""
LAST = 2**63 - 1
"""The largest number that a letter can have in either database."""

_CHOSEN = """
    WHERE ($1 = '' OR site = $1) AND ($2 = '' OR type = $2) AND ($3 = '' OR reason = $3)
    AND ($4 = '' OR event_id = $4)
"""
_GROUPS = f"""
    SELECT site, type, reason, count(*) AS count, min(first_at) AS first_at, max(last_at) AS last_at
    FROM dead_letters {_CHOSEN} GROUP BY site, type, reason ORDER BY count(*) DESC, site, type, reason
"""  # noqa: S608 -- no value of anybody's is in it
_LETTERS = f"""
    SELECT id, event_id, site, type, reason, status, answer, record, first_at, last_at
    FROM dead_letters {_CHOSEN} AND id > $5 AND id <= $6 ORDER BY id LIMIT $7
"""  # noqa: S608
_NEWEST = "SELECT coalesce(max(id), 0) FROM dead_letters"
_CHANGE = "UPDATE dead_letters SET record = $2 WHERE event_id = $1 AND record = $3 RETURNING id"
_REMOVE = "DELETE FROM dead_letters WHERE event_id IN (SELECT value->>0 FROM rows($1))"
_REMOVE_UNRENEWED = """
    DELETE FROM dead_letters
    WHERE (event_id, last_at) IN (SELECT value->>0, CAST(value->>1 AS bigint) FROM rows($1))
"""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which letters are meant; "" stands for any."""

    site: str = ""
    type: str = ""
    reason: str = ""
    event_id: str = ""


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter."""

    id: int
    event_id: str
    site: str
    type: str
    reason: str
    status: int | None
    answer: str
    record: bytes
    first_at: int
    last_at: int

    def opened(self) -> Record | None:
        """Return the record, or None where it cannot be read."""
        try:
            return Record.decode(self.record)
        except Exception:  # anything at all may stand in a letter that delivery could not read
            return None


async def groups(store: Store, choice: Choice) -> list[dict[str, Any]]:
    """Return how many letters there are by site, type and reason, the most first. Raises Unreachable."""
    names = ("site", "type", "reason", "count", "first_at", "last_at")
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_GROUPS, *_arguments(choice))
    return [dict(zip(names, row, strict=True)) for row in rows]


async def letters(
    store: Store, choice: Choice, after: int = 0, most: int = MOST, until: int = LAST
) -> list[Letter]:
    """Return the letters behind the number `after` up to `until`, in the order they were first kept.

    Raises Unreachable.
    """
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_LETTERS, *_arguments(choice), after, until, most)
    return [Letter(*row) for row in rows]


async def newest(store: Store) -> int:
    """Return the number of the letter that was kept last, 0 without any. Raises Unreachable."""
    async with store.transaction() as transaction:
        ((number,),) = await transaction.fetch(_NEWEST)
    return int(number)


async def naming(store: Store, site: str, names: Set[str]) -> list[Letter]:
    """Return the site's letters whose record names one of these owners. Raises Unreachable."""
    found: list[Letter] = []
    after = 0
    while page := await letters(store, Choice(site=site), after):
        found += (letter for letter in page if not names.isdisjoint(_names_of(letter)))
        after = page[-1].id
    return found


def _names_of(letter: Letter) -> list[str]:
    record = letter.opened()
    return names_in(record) if record is not None else []


async def change(store: Store, letter: Letter, record: Record) -> bool:
    """Put an edited record into the letter; return whether it was still as it had been read.

    Kept anew meanwhile it counts one more replay: with the old count, delivery would take the next one for a
    copy of what it has done. Raises Unreachable.
    """
    async with store.transaction() as transaction:
        rows = await transaction.fetch(_CHANGE, letter.event_id, record.encode(), letter.record)
    return bool(rows)


async def remove(store: Store, gone: Sequence[Letter]) -> None:
    """Remove the letters. Raises Unreachable."""
    async with store.transaction() as transaction:
        await _remove(transaction, gone)


async def remove_unrenewed(store: Store, gone: Sequence[Letter]) -> None:
    """Remove the letters that delivery has not kept anew since they were read; raises Unreachable."""
    async with store.transaction() as transaction:
        await transaction.execute(
            _REMOVE_UNRENEWED, bulk((letter.event_id, letter.last_at) for letter in gone)
        )


async def _remove(transaction: Transaction, gone: Sequence[Letter]) -> None:
    await transaction.execute(_REMOVE, bulk((letter.event_id,) for letter in gone))


def _arguments(choice: Choice) -> list[str]:
    """Return what a statement asks for; PostgreSQL takes no NUL in a text, and no letter has one either."""
    texts = (choice.site, choice.type, choice.reason, choice.event_id)
    return [text.replace("\0", "\ufffd") for text in texts]
