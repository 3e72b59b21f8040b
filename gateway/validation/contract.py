"""One event type's schema at work: does an event fit, how is it mended, what is wrong with it."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from gateway.validation.finding import MOST, Finding, pointer
from gateway.validation.messages import too_many, violation, warning
from gateway.validation.repair import mended, plan_of

Event = dict[str, Any]
Schema = dict[str, Any]

_LINEAR_TIME = RegexOptions()
"""The engine without backtracking: no text from outside can make a pattern slow."""


class Contract:
    """Compiled once and shared by all sites; keeps no event. The schema is complete in itself.

    Two validators, since some rules are eSputnik's wish rather than its need (`x-tolerated`): what breaks
    only those is taken, with a warning.
    """

    def __init__(self, name: str, schema: Schema) -> None:
        self.name = name
        self.schema = schema
        self._strict = _Rules(name, schema)
        self._tolerant = _Rules(name, _tolerant(schema))
        self._plan = plan_of(schema, schema.get("$defs", {}))
        self.is_valid: Callable[[object], bool] = self._strict.event.is_valid
        """Whether an event fits as it stands; about 1 us for a cart of 450 bytes."""

    def mended(self, event: Event, findings: list[Finding]) -> Event:
        """Return the event mended where the schema says how, with a warning for each repair."""
        result: Event = mended(self._plan, event, "", findings) if self._plan else event
        return result

    def errors(self, event: Event) -> list[Finding]:
        """Return for what the event is refused, at most `MOST` findings; none if it can be used."""
        if self._tolerant.event.is_valid(event):
            return []
        count = len(self._tolerant.products(event))
        if count > self._tolerant.most:
            return [too_many(pointer([self.name, "Products"]), count, self._tolerant.most)]
        found = islice(self._tolerant.broken(event), MOST)
        return [violation(error, pointer(path)) for path, error in found]

    def tolerated(self, event: Event) -> list[Finding]:
        """Return the warnings with which a usable event is taken all the same, at most `MOST`."""
        found = islice(self._strict.broken(event), MOST)
        return [warning(pointer(path), self._tolerated_as(error)) for path, error in found]

    def _tolerated_as(self, error: ValidationError) -> str:
        *path, keyword = error.schema_path
        node: Any = self.schema
        for part in path:
            node = node[part]
        code: str = node["x-tolerated"][keyword]
        return code


class _Rules:
    """A schema compiled: for an event, and for one product of its list alone."""

    def __init__(self, name: str, schema: Schema) -> None:
        self._name = name
        self.event = _compiled(schema)
        self.most = 0
        self._product: Draft202012Validator | None = None
        products = schema["properties"].get(name, {}).get("properties", {}).get("Products")
        if products:
            self.most = products["maxItems"]
            self._product = _compiled({**products["items"], "$defs": schema["$defs"]})

    def broken(self, event: Event) -> Iterator[tuple[list[str | int], ValidationError]]:
        """Yield the errors, each with its path in the event.

        The validator makes every error of what it is given before the first is seen, at some 10 us each; so
        of a long list of products it is given only the first broken ones.
        """
        products = self.products(event)
        shown = self._first_broken(products) if len(products) > MOST else []
        if shown:
            block = {**event[self._name], "Products": [products[index] for index in shown]}
            event = {**event, self._name: block}
        for error in self.event.iter_errors(event):
            path = error.instance_path
            if shown and len(path) > 2 and path[1] == "Products":
                path[2] = shown[int(path[2])]
            yield path, error

    def products(self, event: Event) -> list[Any]:
        """Return the event's list of products, empty for a type that has none."""
        block = event.get(self._name) if self._product else None
        products = block.get("Products") if isinstance(block, dict) else None
        return products if isinstance(products, list) else []

    def _first_broken(self, products: list[Any]) -> list[int]:
        assert self._product is not None, "only a type with products has a list of them"
        is_valid = self._product.is_valid
        broken = (index for index, product in enumerate(products) if not is_valid(product))
        return list(islice(broken, MOST)) or [0]


def _tolerant(node: Any) -> Any:
    """Return the schema without the rules that are tolerated to be broken."""
    match node:
        case dict():
            left_out = node.get("x-tolerated", {})
            return {key: _tolerant(value) for key, value in node.items() if key not in left_out}
        case list():
            return [_tolerant(value) for value in node]
    return node


def _compiled(schema: Schema) -> Draft202012Validator:
    return Draft202012Validator(schema, pattern_options=_LINEAR_TIME, mask="the value")
