"""The shape of an event without anything that somebody wrote; pure.

What stays is what our schemas hold, names of members and listed words, and small numbers that are amounts.
Any other text is told by kind and length, a name too, for a name may be somebody's. Any other number may be
a phone or a customer, and is told by its digits.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from itertools import islice
from typing import Any

from gateway.validation import Finding
from gateway.validation.forms import ALIASES

VALUES = 150
"""Values of one event that are shown; the rest is left out."""
_DEPTH = 12
_FIRST = 2
"""Elements of a list that are shown whether or not anything is wrong with them."""
_MEMBERS = 40
_LOOKED_AT = 100
"""Characters of a text that tell its kind."""
_LARGEST = 999_999
_AMOUNTS = frozenset(
    {"cost", "discount", "price", "quantity", "shipping", "taxes", "totalCost", "unit_price"}
)
"""Members whose numbers are amounts; that a schema allows a number tells nothing, for ids are numbers too."""
_LONG_NUMBER = re.compile(r"\d{7,}")
_INDEX = re.compile(r"\d{1,4}")

Schema = Mapping[str, Any]
Known = frozenset[str]
"""Names and words that our schemas hold, and so nobody's secret."""


def known_to(schemas: Iterable[Schema]) -> Known:
    """Return the names of members and the listed words that the schemas hold."""
    found = set(ALIASES)
    for node in _nodes(list(schemas)):
        found.update(node.get("properties", ()))
        found.update(word for word in node.get("enum", ()) if isinstance(word, str))
    return frozenset(found)


def _nodes(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        yield node
    elif not isinstance(node, list):
        return
    for inner in node.values() if isinstance(node, dict) else node:
        yield from _nodes(inner)


def masked_finding(finding: Finding, known: Known) -> Finding:
    """Return the finding as it was answered, without names and long numbers that came with the event."""
    first, *path = finding.pointer.split("/")
    parts = [part if part in known or _INDEX.fullmatch(part) else _kind(part) for part in path]
    message = _LONG_NUMBER.sub(lambda digits: _kind(digits[0]), finding.message)
    return replace(finding, pointer="/".join([first, *parts]), message=message)


def masked(event: object, known: Known, findings: Iterable[Finding] = ()) -> Any:
    """Return the event's shape, at most `VALUES` values of it; of lists also what the findings point to."""
    places = {
        int(part) for finding in findings for part in finding.pointer.split("/") if _INDEX.fullmatch(part)
    }
    return _Mask(known, places).value(event, "", 0)


class _Mask:
    """One event being masked."""

    def __init__(self, known: Known, places: set[int]) -> None:
        self._known = known
        self._places = places
        self._left = VALUES

    def value(self, value: Any, name: str, depth: int) -> Any:
        """Return what is shown of a value, which stands under that name."""
        self._left -= 1
        if self._left < 0:
            return "<left out>"
        match value:
            case str():
                return value if value in self._known else _kind(value)
            case int() | float() if not isinstance(value, bool):
                return value if _is_harmless(value, name) else _kind(str(value), "digit")
            case list():
                return self._list(value, name, depth + 1) if depth < _DEPTH else "<array>"
            case dict():
                return self._object(value, depth + 1) if depth < _DEPTH else "<object>"
        return value

    def _list(self, values: list[Any], name: str, depth: int) -> list[Any]:
        size = len(values)
        shown = [place for place in sorted({*range(_FIRST), *self._places}) if place < size]
        result: list[Any] = []
        after = 0
        for place in [*shown, size]:
            if place > after:
                result.append(f"<{place - after} more>")
            if place < size:
                result.append(self.value(values[place], name, depth))
            after = place + 1
        return result

    def _object(self, members: Mapping[str, Any], depth: int) -> dict[str, Any]:
        result = {}
        for number, (name, value) in enumerate(islice(members.items(), _MEMBERS), 1):
            shown = name if name in self._known else f"{_kind(name)} #{number}"
            result[shown] = self.value(value, name, depth)
        if len(members) > _MEMBERS:
            result["<more>"] = f"<{len(members) - _MEMBERS} more>"
        return result


def _is_harmless(number: float, name: str) -> bool:
    return name in _AMOUNTS and abs(number) <= _LARGEST


def _kind(text: str, kind: str = "") -> str:
    """Return the text by kind and length: `<12 letters>`; empty text is empty."""
    if not text:
        return text
    beginning = text[:_LOOKED_AT]
    if not kind and beginning.isspace():
        kind = "blank"
    elif not kind and beginning.isdecimal():
        kind = "digit"
    elif not kind:
        kind = "letter" if beginning.isalpha() else "character"
    return f"<{len(text)} {kind}{'s' * (len(text) != 1)}>"
