"""What was found in an event, where, and by which rule."""

from collections.abc import Iterable
from dataclasses import dataclass

MOST = 20
"""Findings kept per event: enough to mend it by, and no answer larger than its request by much."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One rule that an event breaks, or one repair that was made; dumps as a JSON object."""

    pointer: str
    """JSON Pointer (RFC 6901) into the event as it was posted; "" is the whole event."""
    code: str
    """Stable snake_case name of the rule."""
    message: str
    """A sentence with the rule and the value's type; never text that came with the event."""


def pointer(path: Iterable[str | int]) -> str:
    """Return the JSON Pointer of a path of member names and indices."""
    return "".join(f"/{escaped(str(part))}" for part in path)


def escaped(name: str) -> str:
    """Return a member's name as it stands in a JSON Pointer."""
    return name.replace("~", "~0").replace("/", "~1")
