"""Reads a product that is written plainly: nothing but fields one after another, without attributes.

Nearly all products of nearly all feeds are, and most of one feed have the same fields in the same order. One
regular expression over a product takes a fifth of what some fifty calls back from expat take, and those were
most of what a check cost. Whatever is written otherwise is none of this file's business, and goes through
expat.
"""

import re
from collections import Counter
from collections.abc import Mapping
from functools import lru_cache
from html import escape, unescape
from typing import NamedTuple

_FIELD = re.compile(r"<([A-Za-z_][\w.-]*(?::[\w.-]+)?)>([^<]*)</\1>")
_XML_ENTITIES = (("&lt;", "<"), ("&gt;", ">"), ("&quot;", '"'), ("&apos;", "'"), ("&amp;", "&"))
_CDATA = re.compile(r"<!\[CDATA\[(.*?)\]\]>", re.DOTALL)
_SHORT = 200
"""Characters of a text that is likely the same in many products: a category's path, a brand."""
_OFTEN = 20
"""An order of fields met so often gets an expression of its own, which takes as long as 100 products."""
_ORDERS = 4
_COUNTED = 1000


class Plain(NamedTuple):
    """A product's fields as they were read."""

    fields: dict[str, str]
    """The first value of each."""
    more: list[tuple[str, str]]
    """Further values of fields that stand more than once."""
    body: str


class _Order(NamedTuple):
    """Fields in the order in which many products of a feed have them."""

    expression: re.Pattern[str]
    names: tuple[str, ...]


class PlainReader:
    """Reads the plain products of one feed; `names` says what each tag is called."""

    def __init__(self, names: Mapping[str, str]) -> None:
        self._names = names
        self._orders: list[_Order] = []
        self._met = Counter[tuple[str, ...]]()

    def read(self, body: str) -> Plain | None:
        """Return the fields between <item> and </item>, or None where that is not plain.

        `body` holds no entities but those of XML.
        """
        for expression, names in self._orders:
            match = expression.fullmatch(body)
            if match and _ends_nothing(body, len(names)):
                return Plain(_mended(dict(zip(names, map(str.strip, match.groups()), strict=True))), [], body)
        text = _without_cdata(body) if "<![CDATA[" in body else body
        found = _FIELD.findall(text)
        if text.count("<") != 2 * len(found) or not _ends_nothing(text, len(found)):
            return None
        known = self._names
        fields = {known[tag]: value.strip() for tag, value in found}
        if len(fields) != len(found):
            return Plain(*_first_and_more([(known[tag], value) for tag, value in found]), body)
        if text is body:
            self._meet(tuple(tag for tag, _ in found))
        return Plain(_mended(fields), [], body)

    def _meet(self, tags: tuple[str, ...]) -> None:
        if len(self._orders) < _ORDERS and len(self._met) < _COUNTED:
            self._met[tags] += 1
            if self._met[tags] == _OFTEN:
                fields = (f"<{re.escape(tag)}>([^<]*)</{re.escape(tag)}>" for tag in tags)
                expression = re.compile("[^<]*" + "[^<]*".join(fields) + "[^<]*")
                self._orders.append(_Order(expression, tuple(self._names[tag] for tag in tags)))


def lines(body: str) -> list[tuple[str, int]]:
    """Return each field's tag, and how many lines below the start of the body it begins."""
    body = _without_cdata(body)
    found = []
    line = seen = 0
    for match in _FIELD.finditer(body):
        line += body.count("\n", seen, match.start())
        seen = match.start()
        found.append((match[1], line))
    return found


def _ends_nothing(text: str, fields: int) -> bool:
    """Return whether the text could not end a comment, a section or an instruction that it stands in."""
    return text.count(">") == 2 * fields or not ("-->" in text or "]]>" in text or "?>" in text)


def _without_cdata(body: str) -> str:
    return _CDATA.sub(lambda section: escape(section[1], quote=False), body)


def _first_and_more(pairs: list[tuple[str, str]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    fields: dict[str, str] = {}
    more = []
    for name, value in pairs:
        if name in fields:
            more.append((name, _unescaped(value).strip()))
        else:
            fields[name] = _unescaped(value).strip()
    return fields, more


def _mended(fields: dict[str, str]) -> dict[str, str]:
    """Return the fields with entities as what they stand for; in place, for half of a new dictionary."""
    for name, value in fields.items():
        if "&" in value:
            fields[name] = (_short_unescaped if len(value) < _SHORT else _unescaped)(value).strip()
    return fields


def _unescaped(text: str) -> str:
    if "&#" in text:
        return unescape(text)
    for entity, character in _XML_ENTITIES:  # a third of what `unescape` takes with its thousands of names
        if entity in text:
            text = text.replace(entity, character)
    return text


_short_unescaped = lru_cache(maxsize=4096)(_unescaped)
