"""One event type's schema at work: does an event fit, how is it mended, what is wrong with it."""

from collections.abc import Callable
from typing import Any, NamedTuple

from jsonschema_rs import Draft202012Validator, RegexOptions, ValidationError

from gateway.validation.finding import MOST, Finding, pointer
from gateway.validation.messages import too_long, violation, warning
from gateway.validation.repair import mended, plan_of


_LINEAR_TIME = RegexOptions()
"""The engine without backtracking: no text from outside can make a pattern slow."""


class Verdict(NamedTuple):
    """What the schema says of an event that does not fit."""

    errors: list[Finding]
    """For these it is refused."""
    tolerated: list[Finding]
    """With these it is taken all the same: eSputnik may be able to use it."""


class Contract:
    """Compiled once and shared by all sites; keeps no event. The schema is complete in itself."""

    def __init__(self, name: str, schema: dict[str, Any]) -> None:
        self.name = name
        self._schema = schema
        self._validator = _compiled(schema)
        self.is_valid: Callable[[object], bool] = self._validator.is_valid
        """Whether an event fits as it stands; about 1 us for a cart of 500 bytes."""
        self._plan = plan_of(schema, schema.get("$defs", {}))
        self._products = _products(schema["properties"].get(name, {}), schema.get("$defs", {}))

    def mended(self, event: dict[str, Any], findings: list[Finding]) -> dict[str, Any]:
        """Return the event mended where the schema says how, with a warning for each repair."""
        result: dict[str, Any] = mended(self._plan, event, "", findings) if self._plan else event
        return result

    def verdict(self, event: dict[str, Any]) -> Verdict:
        """Return what is wrong with the event, at most `MOST` errors.

        The validator lists every error of what it is given, at some 10 us each; so of a long list of products
        it is given only the first broken ones.
        """
        products = self._long_list(event)
        if products is None or self._products is None:
            return self._sorted(self._validator.iter_errors(event))
        if len(products) > self._products.most:
            place = pointer([self.name, "Products"])
            return Verdict([too_long(place, len(products), self._products.most)], [])
        broken = [index for index, product in enumerate(products) if not self._products.is_valid(product)]
        shown = broken[:MOST] or [0]
        block = {**event[self.name], "Products": [products[index] for index in shown]}
        return self._sorted(self._validator.iter_errors({**event, self.name: block}), shown)

    def _long_list(self, event: dict[str, Any]) -> list[Any] | None:
        block = event.get(self.name)
        products = block.get("Products") if isinstance(block, dict) else None
        return products if isinstance(products, list) and len(products) > MOST else None

    def _sorted(self, errors: Any, indices: list[int] | None = None) -> Verdict:
        verdict = Verdict([], [])
        for error in errors:
            path = error.instance_path
            if indices and len(path) > 2 and path[1] == "Products":
                path = [*path[:2], indices[path[2]], *path[3:]]
            code = self._tolerated_as(error)
            if code is not None:
                verdict.tolerated.append(warning(pointer(path), code))
            elif len(verdict.errors) < MOST:
                verdict.errors.append(violation(error, pointer(path)))
        return verdict

    def _tolerated_as(self, error: ValidationError) -> str | None:
        node: Any = self._schema
        *path, keyword = error.schema_path
        for part in path:
            node = node[part]
        codes: dict[str, str] = node.get("x-tolerated", {}) if isinstance(node, dict) else {}
        return codes.get(str(keyword))


class _Products(NamedTuple):
    """What a block's list of products may hold."""

    most: int
    is_valid: Callable[[object], bool]


def _products(block: dict[str, Any], definitions: dict[str, Any]) -> _Products | None:
    products = block.get("properties", {}).get("Products")
    if products is None:
        return None
    return _Products(products["maxItems"], _compiled({**products["items"], "$defs": definitions}).is_valid)


def _compiled(schema: dict[str, Any]) -> Draft202012Validator:
    return Draft202012Validator(schema, pattern_options=_LINEAR_TIME, mask="the value")
