"""Requests that somebody might send: the schemas' examples, broken in every way, down to HTTP's bytes."""

import copy
import gzip
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import zstandard

SCHEMAS = Path(__file__).parents[2] / "schemas"
SITE, KEY = "demo-shop", "fuzz-key"
_SHOPPERS = 5000
_COOKIE = b"6b1f9a52-1c3d-4e0f-9a77-2f4f0d0a9c11"
"""Of most examples, as `"42"` is the customer."""
_SCALARS: Sequence[Any] = (
    None, True, False, 0, -1, 1, 2**53, 2**64 - 1, -(2**63), 0.1, 1e308, "", " ", "0", "null", "\x00",
    "\u200f42", "x" * 301, "x" * 3000, "ї" * 50, "😀", "A@B.C", "a@b@c", "+38 (050) 123-45-67", "NaN",
    "1 299,50 uah", "../..", "'; DROP TABLE entries; --", "${jndi:ldap://x}", "<script>",
    "2026-13-45T25:61:61Z", 1795424460, 1795424460000, [], {}, [[]], {"": {}}, [None] * 100,
)  # fmt: skip
_CONTENT_TYPES = (
    "application/json", "application/json; charset=utf-8", "application/x-ndjson", "text/plain", "", ";",
    "a/b;c=d", "application/json; charset=windows-1251", "multipart/form-data; boundary=x",
    "application/json; charset=\"",
)  # fmt: skip


def _examples() -> list[Any]:
    accepted = [orjson.loads(path.read_bytes()) for path in sorted(SCHEMAS.glob("*/accepted/*.json"))]
    refused = [orjson.loads(path.read_bytes())["event"] for path in sorted(SCHEMAS.glob("*/refused/*.json"))]
    return accepted + refused


@dataclass(frozen=True, slots=True)
class Sent:
    """One request as it goes over the wire, and what is known of it."""

    raw: bytes
    path: str
    is_sound: bool
    """Whether it is HTTP, so that an answer is due."""
    events: int | None
    """How many results the answer has if it has any; None where that is not known."""


class Mutator:
    """Makes requests without end, the same ones for the same seed."""

    def __init__(self, seed: int, paths: Sequence[str]) -> None:
        self._random = random.Random(seed)
        self._paths = paths
        self._examples = _examples()
        self._names = sorted({name for one in self._examples for name in _names(one)})
        self._zstd = zstandard.ZstdCompressor(level=1)

    def requests(self, count: int) -> Iterator[Sent]:
        """Yield that many requests; one in two hundred is broken as HTTP."""
        for _ in range(count):
            sent = self._request()
            yield self._broken(sent) if self._random.random() < 0.005 else sent

    def _request(self) -> Sent:
        draw = self._random
        is_ndjson = draw.random() < 0.15
        body = self._body(is_ndjson)
        if draw.random() < 0.1:
            body = self._bytes_mutated(body)
        events = _count(body, is_ndjson)
        headers = {"Content-Type": "application/x-ndjson" if is_ndjson else "application/json"}
        if draw.random() < 0.1:
            headers["Content-Type"] = draw.choice(_CONTENT_TYPES)
            events = None
        if draw.random() < 0.2:
            body, headers["Content-Encoding"] = self._encoded(body)
            if draw.random() < 0.1:
                body, events = self._bytes_mutated(body), None
        if draw.random() < 0.05:
            headers["Idempotency-Key"] = draw.choice(["", "k", "k" * 5000, "é", "a,b"])
        path = draw.choice(self._paths)
        return Sent(_request(path, headers, body), path, True, events)

    def _body(self, is_ndjson: bool) -> bytes:
        draw = self._random
        events = [self._event() for _ in range(draw.choice((1, 1, 1, 1, 2, 3, 10)))]
        if is_ndjson:
            return b"\n".join(map(orjson.dumps, events)) + draw.choice((b"", b"\n", b"\n\n \n"))
        if len(events) == 1 and draw.random() < 0.9:
            return orjson.dumps(events[0])
        return orjson.dumps(events)

    def _event(self) -> Any:
        event = self._of_somebody(self._random.choice(self._examples))
        for _ in range(self._random.choice((0, 1, 1, 2, 4))):
            event = self._mutated(event)
        return event

    def _of_somebody(self, example: Any) -> Any:
        """Return the example as one of many shoppers posts it: all on one cookie would be one history."""
        number = b"%08d" % self._random.randrange(_SHOPPERS)
        text = orjson.dumps(example)
        for constant, own in (
            (_COOKIE, number + _COOKIE[8:]),
            (b'"42"', b'"%b"' % number),
            (b"olena@", number + b"@"),
        ):
            text = text.replace(constant, own)
        return orjson.loads(text)

    def _mutated(self, event: Any) -> Any:
        draw = self._random
        if draw.random() < 0.02:
            return copy.deepcopy(draw.choice(_SCALARS))
        holder, part = None, None
        inside = event
        while isinstance(inside, dict | list) and inside and (holder is None or draw.random() < 0.8):
            holder = inside
            part = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
            inside = holder[part]
        if holder is None:
            return event
        match draw.randrange(5):
            case 0:
                del holder[part]
            case 1:
                holder[part] = copy.deepcopy(draw.choice(_SCALARS))
            case 2:
                holder[part] = [holder[part]] * draw.choice((1, 1, 2, 2, 2, 40))
            case 3 if isinstance(holder, dict):
                holder[draw.choice(self._names)] = copy.deepcopy(draw.choice(_SCALARS))
            case _ if isinstance(holder, dict):
                holder[draw.choice(self._names)] = holder.pop(part)
        return event

    def _bytes_mutated(self, body: bytes) -> bytes:
        draw = self._random
        changed = bytearray(body)
        for _ in range(draw.choice((1, 1, 3))):
            at = draw.randrange(len(changed) + 1)
            match draw.randrange(4):
                case 0:
                    changed[at:at] = draw.choice(
                        (b"\xff", b"\x00", b'"', b"{", b"]" * 50, b"\\ud800", b"1e999", b"\n")
                    )
                case 1:
                    del changed[at : at + draw.choice((1, 5, 10**6))]
                case 2 if at < len(changed):
                    changed[at] ^= 1 << draw.randrange(8)
                case _:
                    changed += changed[: draw.choice((1, 10, 100))]
        return bytes(changed)

    def _encoded(self, body: bytes) -> tuple[bytes, str]:
        draw = self._random
        encode, name = draw.choice(
            (
                (lambda raw: gzip.compress(raw, 1), "gzip"),
                (lambda raw: zlib.compress(raw, 1), "deflate"),
                (self._zstd.compress, "zstd"),
                (bytes, "identity"),
                (bytes, "gzip"),
                (bytes, "br"),
            )
        )
        return encode(body), name

    def _broken(self, sent: Sent) -> Sent:
        """Return the request with a head that is not quite HTTP, or with another body than it says."""
        draw = self._random
        head, _, body = sent.raw.partition(b"\r\n\r\n")
        lines = head.split(b"\r\n")
        match draw.randrange(8):
            case 0:
                lines[0] = draw.choice(
                    (b"GET", b"POST / HTTP/9.9", b"POST  /v1/events HTTP/1.1", b"\x16\x03\x01", b"")
                )
            case 1:
                lines.append(
                    draw.choice((b"Content-Length: 1", b"Content-Length: -1", b"Content-Length: x", b": x"))
                )
            case 2:
                lines.append(b"Transfer-Encoding: chunked")
            case 3:
                lines = [line for line in lines if not line.startswith(b"Content-Length")]
                lines.append(b"Transfer-Encoding: chunked")
                body = draw.choice(
                    (b"zz\r\n", b"5\r\nab", b"-1\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body))
                )
            case 4:
                lines.append(b"X-Long: " + b"x" * draw.choice((1000, 9000, 100_000)))
            case 5:
                lines.append(
                    draw.choice(
                        (b"Expect: 100-continue", b"Connection: upgrade\r\nUpgrade: websocket", b" y")
                    )
                )
            case 6:
                body = body[: draw.randrange(len(body) + 1)]
            case _:
                return Sent(self._bytes_mutated(sent.raw), sent.path, False, None)
        return Sent(b"\r\n".join(lines) + b"\r\n\r\n" + body, sent.path, False, None)


def _names(value: Any) -> Iterator[str]:
    """Yield every name of a field inside."""
    if isinstance(value, dict):
        yield from value
    for member in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(member)


def _count(body: bytes, is_ndjson: bool) -> int | None:
    if is_ndjson:
        return sum(1 for line in body.split(b"\n") if line and not line.isspace())
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return len(value) if isinstance(value, list) else 1


def _request(path: str, headers: dict[str, str], body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: fuzz", f"X-Api-Key: {KEY}", f"Content-Length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
