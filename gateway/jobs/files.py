"""A file of contacts, orders or past events, row by row: CSV with a line of names, or a JSON object a line.

Of a file of any size only one row is in memory. A row is told by its number, from 1.
"""

import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TextIO

import orjson

from gateway.errors import GatewayError
from gateway.jobs.rows import ADDRESS, CHANNELS, EVENT, FIELD, PLAIN, REASON

Row = dict[str, Any]
Shape = Callable[[Mapping[str, str]], Row]
"""Makes of a line of CSV what a call holds."""


class Numbered(NamedTuple):
    """A row with its number; `row` is None where the line cannot be read."""

    number: int
    row: Row | None
    raw: Row
    """As it stood in the file."""


def rows_of(path: Path, kind: str) -> Iterator[Numbered]:
    """Yield the file's rows, `kind` of them, after its suffix: `.csv`, else a JSON object a line.

    Raises GatewayError where it is no text in UTF-8, or no CSV.
    """
    try:
        with path.open("r", encoding="utf-8-sig", newline="") as file:
            yield from _of_csv(file, _SHAPES[kind]) if path.suffix.lower() == ".csv" else _of_lines(file)
    except UnicodeDecodeError:
        raise GatewayError(f"{path} is not UTF-8: save it so, and import that") from None
    except csv.Error as problem:
        raise GatewayError(f"{path} is no CSV: {problem}") from None


def _of_csv(file: TextIO, shaped: Shape) -> Iterator[Numbered]:
    for number, line in enumerate(csv.DictReader(file), 1):
        filled = {name: value for name, value in line.items() if name and value and name != REASON}
        yield Numbered(number, shaped(filled), filled)


def _of_lines(file: TextIO) -> Iterator[Numbered]:
    for number, text in enumerate((line for line in file if line.strip()), 1):
        yield _read(number, text)


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


def _event(line: Mapping[str, str]) -> Row:
    """Return a line's past event; columns that are none of its own are its parameters."""
    event: Row = {name: line[name] for name in EVENT if name in line}
    params = [{"name": name, "value": value} for name, value in line.items() if name not in EVENT]
    return {**event, "params": params} if params else event


_SHAPES: Mapping[str, Shape] = {
    "contacts": _contact,
    "orders": dict,
    "events": _event,
}
