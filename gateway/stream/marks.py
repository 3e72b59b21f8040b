"""What a mark says beyond its low offset, as text and as a filter. Pure.

The text stands beside the low offset wherever the implementation keeps it; on Kafka that is the offset's
metadata, of which a broker takes 4096 characters by default (offset.metadata.max.bytes).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from binascii import Error as NotBase64
from collections.abc import Iterator

from gateway.stream import Item

Ranges = tuple[tuple[int, int], ...]

TEXT_LIMIT = 4096
_VERSION = "1:"


def to_text(low: int, done: Ranges, limit: int = TEXT_LIMIT) -> str:
    """Return the ranges as text of at most `limit` characters; where they do not fit, the lowest of them.

    Two small numbers per range, the gap before it and its length: about three characters. A range left out
    is read again, nothing worse.
    """
    if not done:
        return ""
    room = (limit - len(_VERSION)) // 4 * 3
    packed = bytearray()
    end = low
    for first, last in done:
        pair = _varint(first - end) + _varint(last - first)
        if len(packed) + len(pair) > room:
            break
        packed += pair
        end = last
    return _VERSION + urlsafe_b64encode(packed).decode()


def from_text(low: int, text: str) -> Ranges:
    """Return the ranges that `to_text` wrote; none for a text that it did not write."""
    if not text.startswith(_VERSION):
        return ()
    try:
        numbers = list(_numbers(urlsafe_b64decode(text.removeprefix(_VERSION))))
    except (NotBase64, ValueError):
        return ()
    ranges = []
    end = low
    for gap, length in zip(numbers[::2], numbers[1::2], strict=False):
        first = end + gap
        end = first + length
        ranges.append((first, end))
    return tuple(ranges)


def not_done(items: list[Item], done: Ranges) -> list[Item]:
    """Return the items outside the ranges; both are in ascending order."""
    if not done or items[0].offset > done[-1][1]:
        return items
    left = []
    ranges = iter(done)
    first, last = next(ranges)
    for item in items:
        while item.offset > last:
            first, last = next(ranges, _BEYOND)
        if item.offset < first:
            left.append(item)
    return left


_BEYOND = (2**63, 2**63)


def _varint(number: int) -> bytes:
    packed = bytearray()
    while number > 0x7F:
        packed.append(number & 0x7F | 0x80)
        number >>= 7
    packed.append(number)
    return bytes(packed)


def _numbers(packed: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in packed:
        number |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            yield number
            number = shift = 0
