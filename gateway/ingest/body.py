"""From a request's bytes to its events: bounded in memory and time, whatever comes."""

import asyncio
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import orjson
import zstandard
from aiohttp import StreamReader, web

from gateway.config import Limits
from gateway.ingest.admission import Hold
from gateway.ingest.problem import Problem

_THREAD_BYTES = 64 * 1024
"""From here on decompression leaves the event loop: 64 KB of gzip take some 0.5 ms."""

_COUNTED_BYTES = 16 * 1024
"""From here on values are counted, 0.4 us for each event; below it there are as many as usual."""
_USUAL_VALUE = 17
"""Bytes of a cart for each of its values."""
_BEGINNINGS = b",[{"
"""What a value of JSON begins behind; in a text it counts as well."""

_BLANKS = 10
"""Blank lines for each event that a body of lines may hold: nobody sends as many by mistake."""

_GZIP, _ZLIB, _RAW_DEFLATE = 31, 15, -15

_NDJSON = frozenset(
    {"application/x-ndjson", "application/ndjson", "application/jsonl", "application/x-jsonlines"}
)
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})


class Malformed(NamedTuple):
    """A line of NDJSON that is no JSON; it stands where its event would stand."""

    detail: str


class Events(NamedTuple):
    """What a body held, in its order."""

    items: list[Any]
    single: bool
    """Whether the body was one object, not an array or lines."""


async def read_events(request: web.Request, limits: Limits, body_seconds: float, hold: Hold) -> Events:
    """Return the events of the request; a malformed line of NDJSON is a `Malformed` among them.

    Raises Problem (400, 408, 413, 415) where the body as a whole cannot be used, 503 without room for it.
    """
    raw = await read_bytes(request, limits, body_seconds, hold)
    hold_objects(raw, limits, hold)
    content_type = request.headers.get("Content-Type", "")
    if ";" in content_type:
        _check_charset(request.charset)
        content_type = request.content_type
    events = parse_lines(raw, limits.events) if content_type in _NDJSON else parse(raw)
    if len(events.items) > limits.events:
        raise _too_many(limits.events)
    return events


async def read_document(request: web.Request, limits: Limits, body_seconds: float, hold: Hold) -> Any:
    """Return the request's JSON value, None for an empty body; raises Problem as `read_events` does.

    The Content-Type does not matter: clients send what their library takes for the usual one.
    """
    raw = await read_bytes(request, limits, body_seconds, hold)
    hold_objects(raw, limits, hold)
    if not raw or raw.isspace():
        return None
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", _where(error)) from None


async def read_bytes(request: web.Request, limits: Limits, body_seconds: float, hold: Hold) -> bytes:
    """Return the request's body, decompressed; raises Problem as `read_events` does."""
    raw = await _read(request, limits.body_bytes, body_seconds, hold)
    encoding = request.headers.get("Content-Encoding")
    if encoding:
        raw = await _decompress(raw, encoding.strip().lower(), limits.decoded_bytes, hold)
    return raw


async def _read(request: web.Request, limit: int, seconds: float, hold: Hold) -> bytes:
    length = request.content_length
    if length is not None and length > limit:
        raise _too_large(limit)
    try:
        if request.content.is_eof():  # the usual case: everything came in one piece, no timer is needed
            return await _arriving(request.content, limit, hold)
        async with asyncio.timeout(seconds):
            return await _arriving(request.content, limit, hold)
    except TimeoutError:
        detail = f"the body did not arrive within {seconds:g} seconds"
        raise Problem(408, "body_timeout", detail, {"Connection": "close"}) from None
    except (web.RequestPayloadError, ConnectionError):
        raise _incomplete() from None
    except RuntimeError:  # what aiohttp raises where the connection was gone before anything was read
        if request.transport is not None:
            raise
        raise _incomplete() from None


async def _arriving(content: StreamReader, limit: int, hold: Hold) -> bytes:
    """Return the body; what it takes of the room is what has come, not what its head announces."""
    parts, size = [], 0
    while part := await content.readany():
        parts.append(part)
        size += len(part)
        if size > limit:
            raise _too_large(limit)
        hold.take(len(part))
    return parts[0] if len(parts) == 1 else b"".join(parts)


def hold_objects(raw: bytes, limits: Limits, hold: Hold) -> None:
    """Hold room for what the body becomes; refuse what would become too many objects, before it does."""
    values = len(raw) // _USUAL_VALUE
    if len(raw) > min(limits.values, _COUNTED_BYTES):  # fewer bytes than the limit cannot hold more values
        values = len(raw) - len(raw.translate(None, _BEGINNINGS))
        if values > limits.values:
            detail = f"about {values} values are more than the limit of {limits.values} in one request"
            raise Problem(413, "too_many_values", detail)
    hold.take(limits.becomes(len(raw), values))


def _incomplete() -> Problem:
    return Problem(400, "body_incomplete", "the body ended before its stated length")


def _too_large(limit: int) -> Problem:
    return Problem(413, "too_large", f"the body is larger than {limit} bytes", {"Connection": "close"})


def _too_many(limit: int) -> Problem:
    return Problem(413, "too_many_events", f"these are more than the limit of {limit} events in one request")


def _check_charset(charset: str | None) -> None:
    if charset is not None and charset.lower() not in _CHARSETS:
        raise Problem(415, "unsupported_charset", "JSON is UTF-8 (RFC 8259); send it so or leave charset out")


async def _decompress(raw: bytes, encoding: str, limit: int, hold: Hold) -> bytes:
    if len(raw) <= _THREAD_BYTES:
        decoded = decompress(raw, encoding, limit)
        hold.take(len(decoded))
        return decoded
    hold.take(limit)  # threads go on while the loop is busy: what they make has to have its room before
    decoded = await asyncio.to_thread(decompress, raw, encoding, limit)
    hold.give_back(limit - len(decoded))
    return decoded


def decompress(raw: bytes, encoding: str, limit: int) -> bytes:
    """Return the body as it was before `encoding`, never holding more than `limit` bytes of it.

    Raises Problem: 415 for an encoding that is not gzip, deflate, zstd or identity, 400 where the bytes do
    not match it or end early, 413 over the limit.
    """
    match encoding:
        case "identity":
            return raw
        case "gzip" | "x-gzip":
            return _inflate(raw, _GZIP, limit)
        case "deflate":
            # RFC 9110 means zlib; some clients send bare deflate, told apart by the zlib header.
            is_zlib = len(raw) > 1 and raw[0] & 0x0F == 8 and int.from_bytes(raw[:2]) % 31 == 0
            return _inflate(raw, _ZLIB if is_zlib else _RAW_DEFLATE, limit)
        case "zstd":
            return _unzstd(raw, limit)
    raise Problem(
        415,
        "unsupported_encoding",
        "use gzip, deflate, zstd or identity",
        {"Accept-Encoding": "gzip, deflate, zstd"},
    )


def _inflate(raw: bytes, wbits: int, limit: int) -> bytes:
    inflater = zlib.decompressobj(wbits)
    try:
        decoded = inflater.decompress(raw, limit + 1)
    except zlib.error:
        raise _malformed_encoding() from None
    if len(decoded) > limit:
        raise _too_large(limit)
    if not inflater.eof or inflater.unused_data:
        raise _malformed_encoding()
    return decoded


def _unzstd(raw: bytes, limit: int) -> bytes:
    decompressor = zstandard.ZstdDecompressor()
    try:
        stated = zstandard.get_frame_parameters(raw).content_size
        if stated != zstandard.CONTENTSIZE_UNKNOWN and stated > limit:
            raise _too_large(limit)
        # Allocates the stated size, or `limit` where none is stated.
        return decompressor.decompress(raw, max_output_size=limit, allow_extra_data=False)
    except zstandard.ZstdError:
        pass
    try:  # the one error stands for damaged, cut off and over the limit alike
        longer = len(decompressor.stream_reader(raw).read(limit + 1)) > limit
    except zstandard.ZstdError:
        longer = False
    raise _too_large(limit) if longer else _malformed_encoding()


def _malformed_encoding() -> Problem:
    return Problem(400, "malformed_encoding", "the bytes are damaged, end early or go on behind their end")


def parse(raw: bytes) -> Events:
    """Return the event or the array of events that the JSON text holds.

    Of duplicate keys the last one counts. Raises Problem 400 where it is no JSON text of UTF-8, NaN and lone
    surrogates included, where it is nested deeper than 1024, or where it is neither object nor array.
    """
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise Problem(400, "malformed_json", _where(error)) from None
    if isinstance(value, dict):
        return Events([value], single=True)
    if isinstance(value, list):
        return Events(value, single=False)
    raise Problem(400, "not_an_event", "an event is an object; several are an array of objects")


def parse_lines(raw: bytes, most: int) -> Events:
    """Return one item per line that is not blank; a line that is no JSON is a `Malformed`.

    Raises Problem 413 for more than `most`, before any further line costs anything: 8 MB of lines of one
    letter, 8 KB as gzip, took 24 s and 500 MB, and blank ones held up everybody else for 50 ms.
    """
    if raw.count(b"\n") > _BLANKS * most:
        raise Problem(
            413, "too_many_lines", f"these are more than {_BLANKS * most} lines, blank ones among them"
        )
    items: list[Any] = []
    for line in _lines(raw):
        if not line or line.isspace():
            continue
        if len(items) == most:
            raise _too_many(most)
        try:
            items.append(orjson.loads(line))
        except orjson.JSONDecodeError as error:
            items.append(Malformed(_where(error)))
    return Events(items, single=False)


def _lines(raw: bytes) -> Iterator[bytes]:
    start = 0
    while (end := raw.find(b"\n", start)) >= 0:
        yield raw[start:end]
        start = end + 1
    yield raw[start:]


def _where(error: orjson.JSONDecodeError) -> str:
    """Return where the text stops being JSON, without any of it."""
    return f"not JSON in UTF-8: line {error.lineno}, column {error.colno}"
