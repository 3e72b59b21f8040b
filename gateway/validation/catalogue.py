"""The schema catalogue: what each event type looks like, for judging and for reading."""

import json
from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from gateway.event import LINK_MESSAGE
from gateway.validation.contract import Contract

Schema = dict[str, Any]

_FOLDED_LENGTH = 64
"""Characters of an unknown name that are compared: more than twice the longest known one."""


class Catalogue:
    """Every event type's JSON Schema (2020-12), read once; immutable afterwards."""

    def __init__(self, room: str = "") -> None:
        """`room` is the folder of another contract than the events', which shares their definitions."""
        folder = _folder()
        self._shared: dict[str, Schema] = dict(_read(folder / "definitions.json")["$defs"])
        self._shared["GeneralInfo"] = _without_dialect(_read(folder / "GeneralInfo.json"))
        if room:
            folder = folder / room
            self._shared |= _read(folder / "definitions.json")["$defs"]
        self._types: dict[str, Schema] = {
            entry.name: _read(entry / "schema.json")
            for entry in sorted(folder.iterdir(), key=lambda entry: entry.name)
            if (entry / "schema.json").is_file()
        }
        self.names: tuple[str, ...] = tuple(self._types)
        """Every type with a schema, in alphabetical order."""
        self.events: tuple[str, ...] = tuple(name for name in self.names if name != LINK_MESSAGE)
        """The types that GeneralInfo may name."""

    def schema(self, name: str) -> Schema | None:
        """Return the type's schema, complete in itself, or None where no type has this name."""
        own = self._types.get(name)
        return None if own is None else self._complete(own)

    def bundled(self, prefix: str) -> dict[str, Schema]:
        """Return every schema and shared definition by name, referring to each other as `prefix` + name."""
        schemas = {name: _without_dialect(schema) for name, schema in self._types.items()}
        return {name: _rewritten(schema, prefix) for name, schema in (self._shared | schemas).items()}

    def contract(self, name: str) -> Contract:
        """Return the type's schema compiled, the same object every time; raises KeyError."""
        return self._contracts[name]

    def part(self, name: str) -> Contract:
        """Return a shared definition compiled, for judging an element of a body alone; raises KeyError."""
        return Contract(name, self._complete(self._shared[name]))

    def nearest(self, name: str) -> str:
        """Return the known event name that shares most pairs of letters with this one."""
        pairs = _pairs(name)
        return max(
            self._pairs, key=lambda known: len(pairs & self._pairs[known]) / len(pairs | self._pairs[known])
        )

    @cached_property
    def _contracts(self) -> Mapping[str, Contract]:
        return {name: Contract(name, self._complete(schema)) for name, schema in self._types.items()}

    @cached_property
    def _pairs(self) -> Mapping[str, set[str]]:
        return {name: _pairs(name) for name in self.events}

    def _complete(self, schema: Schema) -> Schema:
        needed: dict[str, Schema] = {}
        waiting = list(_references(schema))
        while waiting:
            name = waiting.pop()
            if name not in needed:
                needed[name] = _rewritten(self._shared[name], "#/$defs/")
                waiting += _references(self._shared[name])
        complete: Schema = _rewritten(schema, "#/$defs/")
        return {**complete, "$defs": dict(sorted(needed.items()))} if needed else complete


def _folder() -> Traversable:
    """Return where the schemas are: in the installed package, else at the root of the source tree."""
    packaged = resources.files("gateway") / "schemas"
    return packaged if packaged.is_dir() else Path(__file__).parents[2] / "schemas"


def _read(file: Traversable) -> Schema:
    schema: Schema = json.loads(file.read_text(encoding="utf-8"))
    return schema


def _without_dialect(schema: Schema) -> Schema:
    return {keyword: value for keyword, value in schema.items() if keyword != "$schema"}


def _referred(reference: str) -> str:
    """Return the name that a `$ref` of our schemas means, whatever file it stands in."""
    return reference.rpartition("/")[2].removesuffix(".json")


def _rewritten(node: Any, prefix: str) -> Any:
    match node:
        case dict():
            return {
                key: prefix + _referred(value) if key == "$ref" else _rewritten(value, prefix)
                for key, value in node.items()
            }
        case list():
            return [_rewritten(value, prefix) for value in node]
    return node


def _references(node: Any) -> Iterator[str]:
    match node:
        case dict():
            if "$ref" in node:
                yield _referred(node["$ref"])
            for value in node.values():
                yield from _references(value)
        case list():
            for value in node:
                yield from _references(value)


def _pairs(name: str) -> set[str]:
    folded = f" {name[:_FOLDED_LENGTH].casefold()} "
    return {folded[index : index + 2] for index in range(len(folded) - 1)}
