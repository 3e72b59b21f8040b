"""A file of contacts or orders, read row by row: CSV with a line of column names, or a JSON object a line.

Of a file of any size only one row is in memory. A row is told by its number, from 1.
"""

import csv
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import orjson

from gateway.jobs.rows import ADDRESS, CHANNELS, FIELD, PLAIN, REASON

Row = dict[str, Any]


class Numbered(NamedTuple):
    """A row with its number; `row` is None where the line cannot be read."""

    number: int
    row: Row | None
    raw: Row
    """As it stood in the file."""


def rows_of(path: Path, kind: str) -> Iterator[Numbered]:
    """Yield the file's contacts or orders (`kind`), after its suffix: `.csv`, else a JSON object a line."""
    with path.open("r", encoding="utf-8-sig", newline="") as file:
        if path.suffix.lower() == ".csv":
            for number, line in enumerate(csv.DictReader(file), 1):
                filled = {name: value for name, value in line.items() if name and value and name != REASON}
                yield Numbered(number, _contact(filled) if kind == "contacts" else filled, filled)
        else:
            for number, text in enumerate(_lines(file), 1):
                yield _read(number, text)


def _lines(file: io.TextIOBase | Any) -> Iterator[str]:
    return (line for line in file if line.strip())


def _read(number: int, text: str) -> Numbered:
    try:
        row = orjson.loads(text)
    except orjson.JSONDecodeError:
        return Numbered(number, None, {"line": text.rstrip("\n")})
    if not isinstance(row, dict):
        return Numbered(number, None, {"line": text.rstrip("\n")})
    row.pop(REASON, None)
    return Numbered(number, row, row)


def _contact(line: Mapping[str, str]) -> Row:
    """Return a line's contact; columns that are none of a contact's are left out."""
    channels = [{"type": kind, "value": line[kind]} for kind in CHANNELS if kind in line]
    fields = [
        {"id": name.removeprefix(FIELD), "value": value}
        for name, value in line.items()
        if name.startswith(FIELD)
    ]
    contact: Row = {name: line[name] for name in PLAIN if name in line}
    address = {name: line[name] for name in ADDRESS if name in line}
    for name, value in (("channels", channels), ("fields", fields), ("address", address)):
        if value:
            contact[name] = value
    return contact
