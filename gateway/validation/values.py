"""Repairs of single values, by the name that a schema gives them in `x-repair`. Pure.

Each takes a value and returns what stands in its place with the code of the warning, if the change needs one.
`DROP` means that the member says nothing and is left out. What fits already comes back as it was, and so does
what cannot be mended: then the schema says what is wrong with it.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from gateway.identifiers import BLANKS, text_of
from gateway.validation.forms import is_unknown

Repaired = tuple[Any, str | None]
Repair = Callable[[Any], Repaired]

DROP: Final = object()

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]{1,15})?")
_PRICE = re.compile(r"[0-9]+(\.[0-9]+)?( ?[A-Z]{3})?")
_WRITTEN_PRICE = re.compile(
    r"(?P<whole>[0-9]{1,3}(?:[ \u00a0\u202f][0-9]{3})+|[0-9]+)"
    r"(?:[.,](?P<part>[0-9]+))?\s*(?P<currency>[A-Za-z]{3})?"
)
_FLAGS: Mapping[str, Repaired] = {
    "0": (0, None),
    "1": (1, None),
    "": (0, "flag_converted"),
    "false": (0, "flag_converted"),
    "true": (1, "flag_converted"),
}


def text(value: Any) -> Repaired:
    """Return trimmed text; a number as its digits. PHP's false says that nothing is known."""
    if is_unknown(value):
        return DROP, None
    if value is False:
        return DROP, "false_dropped"
    if isinstance(value, str):
        trimmed = value.strip(BLANKS)
        return trimmed, None if trimmed == value else "trimmed"
    digits = text_of(value)
    return (value, None) if digits is None else (digits, "number_to_text")


def price(value: Any) -> Repaired:
    """Return a price as documented: `1 299,50 uah` becomes `1299.50 UAH`."""
    if is_unknown(value):
        return DROP, None
    if not isinstance(value, str) or _PRICE.fullmatch(value):
        return value, None
    trimmed = value.strip(BLANKS)
    written = _WRITTEN_PRICE.fullmatch(trimmed)
    if written is None:
        return _negative(trimmed) if trimmed.startswith("-") else (trimmed, _if_trimmed(trimmed, value))
    whole, part, currency = written["whole"], written["part"], written["currency"]
    amount = re.sub(r"\s", "", whole) + (f".{part}" if part else "")
    documented = f"{amount} {currency.upper()}" if currency else amount
    return documented, _if_trimmed(trimmed, value) if documented == trimmed else "price_reformatted"


def number(value: Any) -> Repaired:
    """Return the number that text holds."""
    if is_unknown(value):
        return DROP, None
    if not isinstance(value, str):
        return value, None
    digits = value.strip(BLANKS)
    if not _NUMBER.fullmatch(digits):
        return value, None
    read = float(digits)
    return int(read) if read.is_integer() else read, "text_to_number"


def flag(value: Any) -> Repaired:
    """Return 1 or 0. "0" and "1" are documented beside the numbers; PHP writes false as empty text."""
    if value is None:
        return DROP, None
    if isinstance(value, bool):
        return int(value), "flag_converted"
    if not isinstance(value, str):
        return value, None
    return _FLAGS.get(value.strip(BLANKS).casefold(), (value, None))


def tag(value: Any) -> Repaired:
    """Return a list of texts; a single text becomes a list of one."""
    if is_unknown(value):
        return DROP, None
    if isinstance(value, list):
        if all(isinstance(item, str) for item in value):
            return value, None
        return [item for item in map(_tag_text, value) if item is not None], "tag_reformatted"
    only = _tag_text(value)
    return (DROP if only is None else [only]), "tag_reformatted"


def drop_blank(value: Any) -> Repaired:
    """Leave out what is not known."""
    return (DROP if is_unknown(value) else value), None


def drop_empty(value: Any) -> Repaired:
    """Leave out what is not known; PHP writes an empty map as `[]`."""
    return (DROP if is_unknown(value) or value == [] else value), None


REPAIRS: Mapping[str, Repair] = {
    repair.__name__: repair for repair in (text, price, number, flag, tag, drop_blank, drop_empty)
}
"""Every repair, by the name in `x-repair`."""


def written_anew(raw: object) -> str:
    """Return the code of the warning for an identifier that `text_of` wrote otherwise than it came."""
    if not isinstance(raw, str):
        return "number_to_text"
    return "trimmed" if raw.strip(BLANKS) != raw else "unicode_normalised"


def _if_trimmed(trimmed: str, value: str) -> str | None:
    return None if trimmed == value else "trimmed"


def _negative(digits: str) -> Repaired:
    """Return the number, so that the minimum refuses it as it refuses a negative number."""
    return (float(digits), "text_to_number") if _NUMBER.fullmatch(digits) else (digits, None)


def _tag_text(value: object) -> str | None:
    if isinstance(value, str):
        return value
    if isinstance(value, float) and not value.is_integer():
        return repr(value)
    return text_of(value)
