"""One product of a feed, as it was read."""

from collections.abc import Mapping
from typing import NamedTuple

from gateway.feed import plain


class Item:
    """One product; its fields are named without `g:`, their values stripped."""

    __slots__ = ("_lines", "_names", "_plain", "end", "fields", "line", "more", "places", "start")

    def __init__(self, line: int, start: int, names: Mapping[str, str]) -> None:
        self.line = line
        self.fields: dict[str, str] = {}
        """The first value of each field."""
        self.more: list[tuple[str, str]] = []
        """Further values of fields that stand more than once."""
        self.places: list[Place] = []
        """Where every field stands, only with `places`."""
        self.start = start
        self.end = 0
        """Offset of the product's end tag, only with `places`."""
        self._lines: list[tuple[str, int]] = []
        self._names = names
        self._plain = ""

    @property
    def id(self) -> str:
        """The product's id, "" without one."""
        return self.fields.get("id", "")

    def line_of(self, field: str, nth: int = 0) -> int:
        """Return the line where a field stands for the nth time, from 0; the product's where it does not."""
        if not self._lines:
            self._lines = [(self._names[tag], self.line + below) for tag, below in plain.lines(self._plain)]
        lines = [line for name, line in self._lines if name == field]
        return lines[nth] if nth < len(lines) else self.line

    def add(self, field: str, value: str, line: int) -> None:
        """Take the next field."""
        self._lines.append((field, line))
        if field in self.fields:
            self.more.append((field, value))
        else:
            self.fields[field] = value

    def take(self, read: plain.Plain) -> None:
        """Take all fields at once."""
        self.fields, self.more, self._plain = read


class Place(NamedTuple):
    """Where a field's start tag and end tag begin, in bytes of what was fed."""

    name: str
    value: str
    start: int
    end: int
