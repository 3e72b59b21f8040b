"""Both lanes of the reader, and the mender, however the bytes are cut in pieces."""

from itertools import pairwise
from xml.sax.saxutils import escape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.errors import FeedUnreadable
from gateway.feed import plain
from gateway.feed.findings import Finding
from gateway.feed.item import Item
from gateway.feed.mending import Mender
from gateway.feed.reading import Reader
from tests.feed.shop import HEAD, TAIL

TEXTS = st.text(alphabet="aЖі& <>\"'\n]-?😀", max_size=12)
NAMES = st.sampled_from(["g:id", "g:price", "title", "g:additional_image_link", "brand", "g:title"])


@st.composite
def fields(draw: st.DrawFn) -> str:
    """A field as somebody may write it: plainly, with a section, an attribute, a comment, nested fields."""
    name, text = draw(NAMES), draw(TEXTS)
    section = f"<![CDATA[{text.replace(']]>', '')}]]>"
    content = draw(
        st.sampled_from(
            [
                *[escape(text)] * 6,
                *[section] * 3,
                escape(text, {"'": "&#39;", '"': "&quot;", " ": "&#32;"}) + section,
                f"{section}{section}",
                "<!-- no -->" + escape(text),
                f"<g:price>{escape(text)}</g:price>",
            ]
        )
    )
    attribute = draw(st.sampled_from([*[""] * 9, ' a="&lt;![CDATA["']))
    return f"<{name}{attribute}>{content}</{name}>" + draw(
        st.sampled_from([*["\n"] * 8, "", "stray", "<!-- <item> -->"])
    )


@st.composite
def feeds(draw: st.DrawFn) -> bytes:
    items = draw(st.lists(st.lists(fields(), max_size=5), max_size=4))
    between = [*["\n"] * 12, "", "<!-- ", " -->", "<![CDATA[", "]]>", "<?x ", "?>", "text"]
    text = HEAD
    for one in items:
        text += (
            draw(st.sampled_from(between))
            + "<item>"
            + "".join(one)
            + "</item>"
            + draw(st.sampled_from(between))
        )
    return (text + TAIL).encode()


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(edges)]


def read(reader: Reader, pieces: list[bytes]) -> tuple[list[Item], bool]:
    """Return the products, and whether the feed could be read to its end."""
    found: list[Item] = []
    try:
        for piece in pieces:
            found += reader.feed(piece)
        found += reader.feed(b"", last=True)
    except FeedUnreadable:
        return found, False
    return found, True


def shown(items: list[Item]) -> list[object]:
    return [(one.line, one.fields, one.more, [one.line_of(name) for name in one.fields]) for one in items]


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(feeds(), st.lists(st.integers(0, 5000), max_size=4), st.booleans())
def test_a_plain_product_is_read_as_expat_reads_it(feed: bytes, places: list[int], at_once: bool):
    expected, sound = read(Reader(places=True), [feed])
    with pytest.MonkeyPatch.context() as patch:
        if at_once:
            patch.setattr(plain, "_OFTEN", 1)  # every order of fields gets its expression
        found, whole = read(Reader(), cut(feed, places))
    if sound:
        assert whole
        assert shown(found) == shown(expected)


BROKEN = st.lists(
    st.sampled_from(
        [
            b"&",
            b"&amp;",
            b"&nbsp;",
            b"&#8364;",
            b"&#0;",
            b"&#x1;",
            b"<",
            b"<g:a>",
            b"</g:a>",
            b"<![CDATA[",
            b"]]>",
        ]
        + [
            b"<!--",
            b"-->",
            b"\n",
            b"\x01",
            "ж".encode(),
            "і".encode("cp1251"),
            b"text",
            b" ",
            "😀".encode(),
            b";",
        ]
    ),
    max_size=40,
).map(b"".join)


def mended(pieces: list[bytes]) -> tuple[bytes, list[Finding]]:
    notes: list[Finding] = []
    mender = Mender(notes.append)
    text = b"".join([mender.feed(piece) for piece in pieces]) + mender.close()
    return text, sorted(notes, key=lambda note: (note.line, note.code, note.detail))


@settings(max_examples=400, deadline=None)
@given(BROKEN, st.lists(st.integers(0, 400), max_size=6))
def test_mending_is_the_same_however_the_bytes_are_cut(text: bytes, places: list[int]):
    start = HEAD.encode()  # the encoding is settled by the first piece
    assert mended([start, *cut(text, places)]) == mended([start, text])


@settings(max_examples=400, deadline=None)
@given(BROKEN)
def test_what_was_mended_needs_no_mending_and_has_as_many_lines(text: bytes):
    once, _ = mended([HEAD.encode(), text])
    again, notes = mended([once])
    assert again == once
    assert notes == []
    assert once.count(b"\n") == (HEAD.encode() + text).count(b"\n")
    once.decode()
