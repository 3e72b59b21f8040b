"""One thing that was looked at, and how it stands. Pure."""

from collections.abc import Iterable
from enum import StrEnum
from typing import NamedTuple


class State(StrEnum):
    """How a thing stands."""

    OK = "ok"
    UNKNOWN = "unknown"
    """It was not chosen, or could not be looked at for a reason that another finding tells."""
    WARNING = "warning"
    BROKEN = "broken"


class Finding(NamedTuple):
    """What was found of one thing."""

    check: str
    state: State
    says: str
    do: str = ""
    """The next step, where there is one."""


def ok(check: str, says: str) -> Finding:
    """Return that it works."""
    return Finding(check, State.OK, says)


def unknown(check: str, says: str, do: str = "") -> Finding:
    """Return that there is nothing to say."""
    return Finding(check, State.UNKNOWN, says, do)


def warning(check: str, says: str, do: str) -> Finding:
    """Return that it works, but."""
    return Finding(check, State.WARNING, says, do)


def broken(check: str, says: str, do: str) -> Finding:
    """Return that it does not work."""
    return Finding(check, State.BROKEN, says, do)


def exit_status(findings: Iterable[Finding]) -> int:
    """Return 2 where something is broken, 1 where there is a warning, else 0."""
    states = {finding.state for finding in findings}
    return 2 if State.BROKEN in states else 1 if State.WARNING in states else 0
