import asyncio
import gzip
import random
import tracemalloc
import zlib
from contextlib import suppress

import orjson
import pytest
import zstandard
from aiohttp import StreamReader
from aiohttp.base_protocol import BaseProtocol
from aiohttp.test_utils import make_mocked_request
from hypothesis import given
from hypothesis import strategies as st

from gateway.config import Limits
from gateway.ingest.admission import Hold, Room
from gateway.ingest.body import Malformed, decompress, hold_objects, parse, parse_lines, read_bytes
from gateway.ingest.problem import Problem

LIMIT = 10_000
TEXT = orjson.dumps([{"n": n} for n in range(500)])


def raw_deflate(data: bytes) -> bytes:
    squeezer = zlib.compressobj(wbits=-15)
    return squeezer.compress(data) + squeezer.flush()


def zstd_without_size(data: bytes) -> bytes:
    squeezer = zstandard.ZstdCompressor().compressobj()
    return squeezer.compress(data) + squeezer.flush()


ENCODERS = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "zstd": zstandard.ZstdCompressor().compress,
}
VARIANTS = [
    *ENCODERS.items(),
    ("deflate", raw_deflate),
    ("zstd", zstd_without_size),
    ("x-gzip", gzip.compress),
]
DAMAGES = [lambda data: data[:-3], lambda data: data[: len(data) // 2], lambda data: b"{}"]


@pytest.mark.parametrize(("encoding", "encode"), VARIANTS)
def test_what_was_compressed_comes_back(encoding, encode):
    assert decompress(encode(TEXT), encoding, LIMIT) == TEXT


@pytest.mark.parametrize(("encoding", "encode"), VARIANTS)
def test_a_bomb_is_refused_at_the_limit(encoding, encode):
    with pytest.raises(Problem) as refused:
        decompress(encode(b"0" * 50_000_000), encoding, LIMIT)
    assert (refused.value.status, refused.value.code) == (413, "too_large")


@pytest.mark.parametrize(("encoding", "encode"), VARIANTS)
def test_a_body_of_exactly_the_limit_passes(encoding, encode):
    assert len(decompress(encode(b"0" * LIMIT), encoding, LIMIT)) == LIMIT


@pytest.mark.parametrize(("encoding", "encode"), VARIANTS)
@pytest.mark.parametrize("damage", DAMAGES)
def test_damaged_or_truncated_bytes_are_a_400(encoding, encode, damage):
    with pytest.raises(Problem) as refused:
        decompress(damage(encode(TEXT)), encoding, LIMIT)
    assert (refused.value.status, refused.value.code) == (400, "malformed_encoding")


def test_an_encoding_that_nobody_knows_is_a_415_that_names_the_known_ones():
    with pytest.raises(Problem) as refused:
        decompress(b"", "br", LIMIT)
    assert refused.value.status == 415
    assert "zstd" in refused.value.headers["Accept-Encoding"]


@given(st.binary(max_size=300), st.sampled_from(["gzip", "deflate", "zstd", "identity"]))
def test_no_bytes_break_decompression(raw, encoding):
    try:
        assert len(decompress(raw, encoding, LIMIT)) <= LIMIT
    except Problem as problem:
        assert problem.status in (400, 413)  # noqa: PT017 - or it comes back within the limit


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"{",
        b'{"a": 1',
        b'{"a": NaN}',
        b'{"a": Infinity}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        "{}".encode("utf-16"),
        b"[" * 5000 + b"]" * 5000,
        b"{} {}",
    ],
    ids=["empty", "brace", "truncated", "nan", "infinity", "surrogate", "latin-1", "utf-16", "deep", "two"],
)
def test_what_is_no_json_in_utf_8_is_a_400_that_says_where(raw):
    with pytest.raises(Problem) as refused:
        parse(raw)
    assert (refused.value.status, refused.value.code) == (400, "malformed_json")
    assert "line" in refused.value.detail


@pytest.mark.parametrize("raw", [b"1", b'"text"', b"null", b"true"])
def test_a_json_value_that_is_no_event_is_a_400(raw):
    with pytest.raises(Problem) as refused:
        parse(raw)
    assert refused.value.code == "not_an_event"


def test_the_last_of_duplicate_keys_counts():
    assert parse(b'{"a": 1, "a": 2}').items == [{"a": 2}]


def test_a_malformed_line_stands_in_its_place_and_the_others_are_events():
    events = parse_lines(b'{"a": 1}\r\n\n{"a": \n  \n{"a": 3}', 3)
    assert [type(item) for item in events.items] == [dict, Malformed, dict]


def test_as_many_lines_as_the_limit_pass_and_one_more_is_a_413():
    assert len(parse_lines(b"{}\n" * 3 + b"\n" * 9, 3).items) == 3
    with pytest.raises(Problem) as refused:
        parse_lines(b"{}\n" * 4, 3)
    assert refused.value.code == "too_many_events"
    with pytest.raises(Problem) as refused:
        parse_lines(b"{}\n" + b"\n" * 30, 3)
    assert refused.value.code == "too_many_lines"


@pytest.mark.parametrize("line", [b"x\n", b"1\n", b"\n"])
def test_lines_beyond_the_limit_cost_neither_memory_nor_time(line: bytes):
    raw = line * (8 * 2**20 // len(line))
    tracemalloc.start()
    with suppress(Problem):
        parse_lines(raw, 1000)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 2**20


def test_no_error_repeats_what_the_body_said():
    with pytest.raises(Problem) as refused:
        parse(b'{"user_email": "olena@example.com')
    assert "olena" not in refused.value.detail


CART = {"productKey": "kettle-1", "price": "899.00", "quantity": 1, "tags": ["a", "b"], "name": "Чайник"}


@pytest.mark.parametrize("element", [[], {}, {"a": 1}, [1.5], "x", "я", {"a": 1, "b": 2}, "x" * 4000, CART])
def test_the_room_that_a_body_takes_is_not_less_than_its_objects_and_records_do(element: object):
    one = orjson.dumps(element)
    raw = b"[" + b",".join([one] * min(10**6 // len(one), 50_000)) + b"]"
    room = Room(10**9)
    hold_objects(raw, Limits(), Hold(room))
    tracemalloc.start()
    kept = parse(raw)
    objects, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept.items
    assert objects + len(raw) <= 10**9 - room.left


class Gone(BaseProtocol):
    """A connection that was lost before its request was looked at."""

    writer = ssl_context = peername = sockname = None


async def test_a_client_that_is_gone_before_its_body_is_read_is_no_mistake_of_ours():
    gone = Gone(asyncio.get_running_loop())
    body = StreamReader(gone, 2**16, loop=asyncio.get_running_loop())
    request = make_mocked_request("POST", "/", {"Content-Length": "10"}, protocol=gone, payload=body)
    gone.transport = None
    with pytest.raises(Problem) as refused:
        await read_bytes(request, Limits(), 5, Hold(Room(Limits().in_flight_bytes)))
    assert (refused.value.status, refused.value.code) == (400, "body_incomplete")


async def test_what_a_thread_unpacks_has_its_room_before_it_begins():
    content = random.Random(7).randbytes(2**17)
    packed, limits = gzip.compress(content), Limits()

    async def read(room: Room) -> bytes:
        connection = BaseProtocol(asyncio.get_running_loop())
        body = StreamReader(connection, 2**20, loop=asyncio.get_running_loop())
        body.feed_data(packed)
        body.feed_eof()
        headers = {"Content-Encoding": "gzip", "Content-Length": str(len(packed))}
        request = make_mocked_request("POST", "/", headers, payload=body)
        return await read_bytes(request, limits, 5, Hold(room))

    enough = len(packed) + limits.decoded_bytes
    with pytest.raises(Problem) as refused:
        await read(Room(enough - 1))
    assert refused.value.code == "busy"
    room = Room(enough)
    assert await read(room) == content
    assert room.left == enough - len(packed) - len(content)
