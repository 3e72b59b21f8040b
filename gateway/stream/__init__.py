"""The stream: the durable, ordered log between the stages. This page is the whole seam.

One stream object is one topic. Four verbs; `sqlite` and `kafka` implement them, and one contract suite runs
on both. A stream knows lanes and bytes, nothing of events.
"""

from collections.abc import Container, Sequence
from typing import NamedTuple, Protocol


class Entry(NamedTuple):
    """What is appended: the bytes, and the lane under which their order is kept."""

    lane: str
    value: bytes


class Item(NamedTuple):
    """What is read: the bytes, and where in their partition they stand."""

    offset: int
    value: bytes


class Chunk(NamedTuple):
    """Some next items of one partition, in order of offset; offsets may have gaps."""

    partition: int
    items: list[Item]
    done: tuple[tuple[int, int], ...] = ()
    """Ranges that the mark this reader started from says are done; they may lie beyond the items."""


class Taken(NamedTuple):
    """One answer of `read`.

    `revoked` names partitions that this reader is losing: it stops their lanes and commits them before it
    calls `read` again, and that call tells the stream that it has let go. A partition that comes in chunks
    later has been given (again) from its last committed mark.
    """

    chunks: list[Chunk]
    revoked: frozenset[int] = frozenset()
    share: float = 1.0
    """Part of the topic's partitions that this reader holds; the shares of a group make 1 at most."""


class Mark(NamedTuple):
    """How far a group has got in one partition."""

    partition: int
    low: int
    """Every offset below it is done."""
    done: tuple[tuple[int, int], ...] = ()
    """Ranges beyond `low` that are done too, each (first, last), ascending and apart."""


class Backlog(NamedTuple):
    """What a group has not done yet."""

    count: int  # type: ignore[assignment] # hides tuple.count, which nobody wants of it
    oldest_age: float
    """Seconds since the oldest of them was appended; 0 with nothing left."""


class Stream(Protocol):
    """A durable, ordered log of one topic."""

    async def append(self, entries: Sequence[Entry]) -> Sequence[int]:
        """Return when every entry is durable; entries of one lane keep the order they were given in.

        Returns the places of those that are durable on this machine's disk only, until the log takes them.
        Appends of concurrent callers share one write. Raises NotDurable within the stream's deadline, naming
        the entries that have no promise; whatever was queued behind a failed write fails with it.
        """

    async def read(self, group: str, limit: int, full: Container[int] = ()) -> Taken:
        """Return the next items for `group`, at most `limit`, waiting up to about a second for the first.

        Partitions in `full` are left out this time and lose nothing. Starts behind the group's committed
        mark, leaving out what the mark says is done. Readers of one group share the partitions, never one
        at once. One caller at a time per group.
        """

    async def commit(self, group: str, marks: Sequence[Mark]) -> None:
        """Store the marks, so that a reader that starts anew goes on from them.

        A mark for a partition that this reader no longer holds is dropped without an error.
        """

    async def backlog(self, group: str) -> Backlog:
        """Return how much the group has before it and how old that is."""

    async def close(self) -> None:
        """Finish what was taken, leave every group, release all resources. Bounded in time."""
