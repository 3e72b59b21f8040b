"""What can go wrong, grouped by what the one who meets it does next.

    GatewayError
    ├── ConfigError      the operator edits the configuration; the process does not start
    ├── NotDurable       the caller posts again later (503 with Retry-After)
    ├── Unreachable      a part of ours (links store, database) is away: wait and do the whole batch again
    ├── UnreadableRecord the record was written by a newer version: upgrade this process
    └── FeedUnreadable   whoever makes the shop's product feed mends it, as the sentence says

Errors of eSputnik's API have a tree of their own in `gateway.esputnik.errors`.
"""

from collections.abc import Sequence


class GatewayError(Exception):
    """Anything the gateway raises on purpose."""


class ConfigError(GatewayError):
    """The configuration has mistakes; `mistakes` names each with its place."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("\n".join(mistakes))
        self.mistakes = list(mistakes)


class NotDurable(GatewayError):
    """Some entries could not be made durable in time; nothing was promised for them.

    `failed` holds the indices, into the sequence given to `append`, of the entries without a promise.
    An entry with an unknown outcome (the log may have taken it) counts as failed.
    """

    def __init__(self, reason: str, failed: Sequence[int] = ()) -> None:
        super().__init__(reason)
        self.failed = list(failed)


class Unreachable(GatewayError):
    """A store of ours does not answer; what was asked may be asked again whole."""


class UnreadableRecord(GatewayError):
    """A record's head is of a version this code does not know."""


class FeedUnreadable(GatewayError):
    """A product feed cannot be read at all, or not from `line` on (from 1; 0 where no line is to blame)."""

    def __init__(self, reason: str, line: int = 0) -> None:
        super().__init__(f"line {line}: {reason}" if line else reason)
        self.line = line
        self.reason = reason
