"""What shall go wrong next: somebody's orders, taken as JSON and used up request by request."""

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

_ACTIONS = ("status", "slow", "hang", "reset")
_OTHERS = ("path", "times", "retry_after", "body", "taken")


class BadFault(ValueError):
    """An order that makes no sense; its text names the field."""


@dataclass
class Fault:
    """One thing that goes wrong on the paths of `path` (`*` stands for anything), `times` times.

    Exactly one of: `status` answers with it, `slow` waits that many seconds first, `hang` never answers,
    `reset` cuts the connection. With `taken` the request takes effect all the same, as with an answer that
    is lost on its way.
    """

    path: str = "*"
    status: int | None = None
    slow: float = 0
    hang: bool = False
    reset: bool = False
    times: float = 1
    retry_after: str | None = None
    body: Any = None
    taken: bool = False

    def json(self) -> dict[str, Any]:
        """Return the order as it was given, with the times that are left (null: for ever)."""
        given = {name: value for name, value in vars(self).items() if value not in (None, False, 0)}
        return given | {"times": None if math.isinf(self.times) else int(self.times)}


class Faults:
    """The orders, first come first served."""

    def __init__(self) -> None:
        self._orders: list[Fault] = []

    def set(self, orders: object) -> None:
        """Take a list of orders in place of those there were; raises BadFault, and then nothing changes."""
        if not isinstance(orders, list):
            raise BadFault("the body must be a list of faults")
        self._orders = [_read(f"/{place}", order) for place, order in enumerate(orders)]

    def next(self, path: str) -> Fault | None:
        """Return what goes wrong with a request on that path, and use it up."""
        for fault in self._orders:
            if fnmatchcase(path, fault.path):
                fault.times -= 1
                if fault.times <= 0:
                    self._orders.remove(fault)
                return fault
        return None

    def left(self) -> list[dict[str, Any]]:
        """Return the orders that are not used up."""
        return [fault.json() for fault in self._orders]


def _read(pointer: str, order: object) -> Fault:
    if not isinstance(order, dict):
        raise BadFault(f"{pointer}: must be an object")
    for name in order:
        if name not in _ACTIONS + _OTHERS:
            raise BadFault(f"{pointer}/{name}: unknown; there are {', '.join(_ACTIONS + _OTHERS)}")
    if sum(bool(order.get(name)) for name in _ACTIONS) != 1:
        raise BadFault(f"{pointer}: needs exactly one of {', '.join(_ACTIONS)}")
    times = order.get("times", 1)
    _check(pointer, "times", times is None or _is_number(times, 1, math.inf), "a count, or null for ever")
    _check(
        pointer,
        "status",
        order.get("status") is None or _is_number(order["status"], 200, 599),
        "an HTTP status",
    )
    _check(pointer, "slow", _is_number(order.get("slow", 0), 0, 3600), "seconds")
    _check(pointer, "path", isinstance(order.get("path", "*"), str), "a path, `*` for anything")
    after = order.get("retry_after")
    _check(pointer, "retry_after", after is None or isinstance(after, (str, int)), "seconds or an HTTP date")
    values = order | {
        "times": math.inf if times is None else times,
        "retry_after": None if after is None else str(after),
    }
    return Fault(**values)


def _check(pointer: str, name: str, holds: bool, wanted: str) -> None:
    if not holds:
        raise BadFault(f"{pointer}/{name}: must be {wanted}")


def _is_number(value: object, least: float, most: float) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and least <= value <= most
