"""Identifiers, normalised and screened: what a store sends, and whether it names anybody.

The same text means the same person everywhere, so every room that compares identifiers gets them from here.
Normalising: blanks around the text go, Unicode is NFC, whole numbers become text, an email is lower case, a
phone is E.164. Screening: values that stores send for "nobody" take no part in identity; nor does what cannot
be compared safely: over 300 characters, or with characters that cannot be seen (controls, direction marks,
zero-width signs), since two such ids look the same to everybody who checks them. Letters of different
alphabets that only look alike stay different ids.

`blocked` is always a site's own list as `blocked_values` returns it; the well-known values need no list.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from unicodedata import normalize

import phonenumbers

LONGEST = 300
"""Characters of an identifier, as eSputnik's keyValue (Using Generate event)."""

BLANKS = "".join(map(chr, [*range(9, 14), *range(28, 33), 0x85, 0xA0, 0x1680, *range(0x2000, 0x200B)])) + (
    "\u2028\u2029\u202f\u205f\u3000\ufeff"
)
"""What is trimmed: everything that Python or JSON Schema's `\\s` counts as white space."""

WELL_KNOWN = frozenset(
    ["null", "none", "undefined", "nan", "-1", "true", "false", "guest", "anonymous", "not_authenticated"]
) | {"[object object]", "id", "email"}
"""What stores send for nobody, beside runs of zeros and dashes; in any case and quotes."""

_QUOTES = BLANKS + "'\"`´‘’‚“”„«»"  # noqa: RUF001 - quotation marks as word processors type them
_ZEROS = "0-"
_EXACT_INTEGERS = 2**53
_EMAIL = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@.]+")
_E164 = re.compile(r"\+[1-9][0-9]{6,14}")
_PLACEHOLDER = "0000000"
"""A phone that ends so was typed to fill a field; numbering plans leave such numbers out."""
_NOBODY: frozenset[str] = frozenset()


def blocked_values(values: Iterable[str]) -> frozenset[str]:
    """Return a site's own list of values that name nobody, in the form the functions here compare with."""
    return frozenset(value.strip(_QUOTES).casefold() for value in values)


def text_of(raw: object) -> str | None:
    """Return text trimmed and in NFC, a whole number as its digits; None for blanks and everything else.

    42.0 is the number 42. A fraction, a boolean, or a number too large to be exact is no identifier.
    """
    if isinstance(raw, str):
        text = raw.strip(BLANKS)
        return normalize("NFC", text) or None
    if isinstance(raw, bool):
        return None
    if isinstance(raw, int):
        return str(raw)
    if isinstance(raw, float) and raw.is_integer() and abs(raw) < _EXACT_INTEGERS:
        return str(int(raw))
    return None


def cookie(raw: object, blocked: frozenset[str] = _NOBODY) -> str | None:
    """Return the normalised id, or None where it names nobody. A customer id follows the same rule."""
    text = raw.strip(BLANKS) if type(raw) is str and raw.isascii() else text_of(raw)
    if not text or len(text) > LONGEST or not text.isprintable() or is_blocked(text, blocked):
        return None
    return text


customer = cookie


def email(raw: object, blocked: frozenset[str] = _NOBODY) -> str | None:
    """Return the address in lower case, or None where it is no address or names nobody."""
    text = text_of(raw)
    if not text or len(text) > LONGEST:
        return None
    text = normalize("NFC", text.lower())
    if not _EMAIL.fullmatch(text) or not text.isprintable() or is_blocked(text, blocked):
        return None
    return text


def phone(raw: object, country: str, blocked: frozenset[str] = _NOBODY) -> str | None:
    """Return the number in E.164 with its plus, or None where it is no number or names nobody.

    What is E.164 already is taken at its word. Other text is read as a number of `country` (ISO 3166), else
    as an international one without its plus, and must be one that the numbering plan knows.
    """
    text = text_of(raw)
    if not text or len(text) > LONGEST or is_blocked(text, blocked):
        return None
    number = text if _E164.fullmatch(text) else _parsed(text, country)
    if number is None or number.endswith(_PLACEHOLDER) or is_blocked(number, blocked):
        return None
    return number


def is_blocked(text: str, blocked: frozenset[str] = _NOBODY) -> bool:
    """Tell whether the text is a value for nobody, in any case and quotes."""
    bare = text.strip(_QUOTES).casefold()
    return bare in WELL_KNOWN or bare in blocked or not bare.strip(_ZEROS)


@lru_cache(maxsize=4096)  # 34 us without it, and checkouts repeat the same number
def _parsed(text: str, country: str) -> str | None:
    for spelling, region in ((text, country), (f"+{text}", None)):
        try:
            number = phonenumbers.parse(spelling, region)
        except phonenumbers.NumberParseException:
            continue
        if phonenumbers.is_valid_number(number):
            written = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
            return written if _E164.fullmatch(written) else None
    return None
