"""Feeds that are none, are broken or mean harm: one sentence each, that says what to do."""

import asyncio
import gzip
import zlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from gateway.errors import FeedUnreadable
from gateway.feed import source
from gateway.feed.checking import check
from gateway.feed.findings import Severity
from gateway.feed.report import Report
from gateway.feed.source import opened, pieces
from tests.feed.shop import HEAD, TAIL, checked, codes, details, feed, item, lines, product

LAUGHS = """<?xml version="1.0"?>
<!DOCTYPE rss [
<!ENTITY lol "lol">
<!ENTITY lol2 "&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;&lol;">
<!ENTITY lol3 "&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;&lol2;">
]>
<rss version="2.0"><channel><title>&lol3;</title></channel></rss>
"""
YML = "<yml_catalog date='2026-11-25'><shop/></yml_catalog>"
SOUND = feed(product(1), product(2))

UNREADABLE = {
    "html": ("<!DOCTYPE html>\n<html><body>Sign in</body></html>", "is a web page"),
    "html_without_doctype": ("  <html><body>", "is a web page"),
    "php_warning": ("<br />\n<b>Warning</b>: mysql", "message of the shop's software"),
    "json": ('{"products": []}', "is JSON"),
    "csv": ("id;title;price\n1;Чайник;899\n", "is no XML"),
    "zip": (b"PK\x03\x04rest", "ZIP archive"),
    "empty": ("", "is empty"),
    "blank": (" \n \n", "is empty"),
    "yml": (YML, "is YML"),
    "atom": ("<feed xmlns='http://www.w3.org/2005/Atom'/>", "is Atom"),
    "truncated": (SOUND[: SOUND.rindex("<g:brand>")], "ends in the middle, after 1 whole products"),
    "truncated_tag": (SOUND[: SOUND.rindex("<g:brand>") + 4], "ends in the middle, after 1 whole products"),
    "tags_crossed": (
        SOUND.replace("</g:brand>", "</g:price>", 1),
        "a tag is closed that is not the one open",
    ),
    "two_documents": (SOUND + SOUND, "something follows after </rss>"),
    "billion_laughs": (LAUGHS, "declares entities of its own"),
    "broken_gzip": (b"\x1f\x8b" + b"nonsense" * 20, "is gzip, and broken"),
    "truncated_gzip": (gzip.compress(SOUND.encode())[:-20], "is gzip that ends in the middle"),
    "strange_encoding": (SOUND.replace("UTF-8", "x-martian"), "declares the encoding x-martian"),
    "dangerous_encoding": (SOUND.replace("UTF-8", "zlib"), "declares the encoding zlib"),
    "too_deep": (HEAD + "<item>" + "<a>" * 30 + "</a>" * 30 + "</item>" + TAIL, "goes deeper than 20 tags"),
    "endless_text": (HEAD + "<item><g:title>" + "x" * 3_000_000, "takes more than 2 MB"),
    "endless_comment": (HEAD + "<!--" + "x" * 3_000_000, "takes more than 2 MB"),
    "endless_attribute": (HEAD + '<item a="' + "x" * 3_000_000, "takes more than 2 MB"),
    "endless_item": (HEAD + "<item>" + "<g:size>9</g:size>" * 200_000, "takes more than 2 MB"),
    "endless_names": (
        HEAD + "<item>" + "".join(f"<a{n}/>" for n in range(50_000)) + "</item>" + TAIL,
        "different tags",
    ),
    "endless_plain_names": (
        HEAD + "".join(f"<item><a{n}>1</a{n}></item>" for n in range(50_000)) + TAIL,
        "different tags",
    ),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_what_cannot_be_read_is_one_sentence_that_says_what_to_do(tmp_path: Path, name: str):
    content, sentence = UNREADABLE[name]
    report = checked(tmp_path, content)
    assert codes(report)[0] == "unreadable"
    (told,) = details(report, "unreadable")
    assert sentence in told
    assert ":" in told  # behind it stands what to do
    assert "\n" not in told
    assert report.worst == Severity.UNREADABLE


def test_what_comes_before_the_break_is_judged_all_the_same(tmp_path: Path):
    text = feed(product(1, price="x"), product(2))
    report = checked(tmp_path, text[: text.rindex("<g:brand>")])
    assert codes(report) == ["unreadable", "price price"]
    assert report.feeds[0].products == 1


def test_an_external_entity_is_never_loaded(tmp_path: Path):
    (tmp_path / "secret").write_text("the secret")
    text = SOUND.replace("<rss", f'<!DOCTYPE rss [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>\n<rss', 1)
    report = checked(tmp_path, text.replace("Kettler", "&x;"))
    assert codes(report)[0] == "unreadable"
    assert "secret" not in str(report.json())


def test_an_external_dtd_is_never_loaded(tmp_path: Path):
    (tmp_path / "feed.dtd").write_text("<!ENTITY brand 'the secret'>")
    text = SOUND.replace("<rss", f'<!DOCTYPE rss SYSTEM "file://{tmp_path}/feed.dtd">\n<rss', 1)
    report = checked(tmp_path, text.replace("Kettler", "&brand;"))
    assert codes(report) == ["entity"] * 2
    assert "secret" not in str(report.json())


def test_a_gzip_feed_is_unpacked(tmp_path: Path):
    assert codes(checked(tmp_path, gzip.compress(SOUND.encode()))) == []
    halves = gzip.compress(SOUND[:500].encode()) + gzip.compress(SOUND[500:].encode())
    assert codes(checked(tmp_path, halves)) == []


def test_a_gzip_bomb_stops_at_the_limit(tmp_path: Path):
    path = tmp_path / "bomb.gz"
    packer = zlib.compressobj(wbits=31)
    packed = packer.compress((HEAD + "<!-- -->" * 100).encode())
    for _ in range(200):
        packed += packer.compress(b"<!-- -->" * 2**17)
    path.write_bytes(packed + packer.flush())
    sizes = []
    with pytest.raises(FeedUnreadable, match="is larger than 4 MB unpacked"):
        sizes.extend(len(piece) for piece in pieces(path, limit=4 * 2**20))
    assert max(sizes) <= 2**18


def test_windows_1251_that_says_so_is_read_and_told(tmp_path: Path):
    text = SOUND.replace('encoding="UTF-8"', 'encoding="windows-1251"').replace("Дім", "Вітальня і їдальня")
    report = checked(tmp_path, text.encode("cp1251"))
    assert codes(report) == ["encoding"]
    assert report.feeds[0].products == 2


@pytest.mark.parametrize(
    "declaration", ['<?xml version="1.0" encoding="UTF-8"?>', '<?xml version="1.0"?>', ""]
)
def test_windows_1251_that_does_not_say_so_is_read_and_told(tmp_path: Path, declaration: str):
    text = SOUND.replace('<?xml version="1.0" encoding="UTF-8"?>\n', declaration)
    text = text.replace("Kettler", "Їжак і Єнот", 1)
    report = checked(tmp_path, text.encode("cp1251"))
    assert codes(report) == ["wrong_encoding"]
    assert details(report, "wrong_encoding") == ["reads like windows-1251"]


def test_an_encoding_that_is_declared_and_is_not_is_told(tmp_path: Path):
    for declared in ("windows-1251", "utf-16"):
        report = checked(tmp_path, SOUND.replace('encoding="UTF-8"', f'encoding="{declared}"'))
        assert codes(report) == ["wrong_encoding"]


def test_utf_16_is_read_and_told(tmp_path: Path):
    assert codes(checked(tmp_path, SOUND.replace('encoding="UTF-8"', "").encode("utf-16"))) == ["encoding"]


def test_a_byte_order_mark_is_no_fault(tmp_path: Path):
    assert codes(checked(tmp_path, b"\xef\xbb\xbf" + SOUND.encode())) == []


def test_a_blank_line_before_the_declaration_is_told_and_read_over(tmp_path: Path):
    report = checked(tmp_path, "\n\n" + feed(product(1, price="x")))
    assert codes(report) == ["price price", "before_declaration"] or codes(report) == [
        "before_declaration",
        "price price",
    ]
    text = (tmp_path / "0.xml").read_text().splitlines()
    assert "<g:price>x" in text[lines(report, "price")[0] - 1]


def test_broken_text_is_told_with_its_lines_and_read_over(tmp_path: Path):
    broken = item(product()).replace("&amp;", "&").replace("Kettler", "A&nbsp;B < C &foo; &#8364; &#0;\x01")
    report = checked(tmp_path, feed(broken))
    assert sorted(codes(report)) == [
        *["ampersand"] * 2,
        *["control_character"] * 2,
        *["entity"] * 2,
        "less_than",
    ]
    text = feed(broken).split("\n")
    assert all("A&nbsp;B" in text[line - 1] for line in lines(report, "entity"))
    assert report.feeds[0].products == 1


def test_what_stands_in_a_section_of_its_own_is_no_broken_text(tmp_path: Path):
    whole = item(product(title=None, description=None)).replace(
        "</item>",
        "<g:title><![CDATA[Bosch & Co &nbsp; <3]]></g:title><!-- & < -->"
        "<g:description>\n<![CDATA[a]]> b\n</g:description></item>",
    )
    report = checked(tmp_path, feed(whole, "<!-- <item><g:id>&</g:id></item> -->"))
    assert codes(report) == ["markup title"]  # the entity that a section shows as it is
    assert report.feeds[0].products == 1


@pytest.fixture
async def web_shop() -> AsyncIterator[str]:
    """A shop's server with good and bad feeds; its address."""

    async def status(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="no")

    async def served(request: web.Request) -> web.Response:
        content_type = request.query.get("type", "application/xml")
        return web.Response(body=SOUND.encode(), content_type=content_type, charset="utf-8")

    async def packed(_: web.Request) -> web.Response:
        return web.Response(
            body=gzip.compress(SOUND.encode()),
            headers={"Content-Encoding": "gzip", "Content-Type": "text/xml"},
        )

    async def file(_: web.Request) -> web.Response:
        return web.Response(body=gzip.compress(SOUND.encode()), content_type="application/xml")

    async def round_and_round(_: web.Request) -> web.Response:
        raise web.HTTPFound("/round")

    async def broken_off(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Length": "100000", "Content-Type": "text/xml"})
        await answer.prepare(request)
        await answer.write(SOUND[:100].encode())
        request.transport.abort()
        return answer

    async def trickling(request: web.Request) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/xml"})
        await answer.prepare(request)
        while True:
            await answer.write(b"<!-- -->")
            await asyncio.sleep(0.02)

    app = web.Application()
    app.add_routes(
        [
            web.get("/trickling", trickling),
            web.get("/status/{status}", status),
            web.get("/feed.xml", served),
            web.get("/packed.xml", packed),
            web.get("/file.xml", file),
            web.get("/round", round_and_round),
            web.get("/broken", broken_off),
        ]
    )
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def loaded(url: str, limit: int = 2**30) -> Report:
    async with opened(url, limit) as source:
        return check([source])


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("/status/403", "is refused (403) by the shop's server: let everybody read"),
        ("/status/401", "wants a user name and password"),
        ("/status/404", "is not there (404)"),
        ("/status/500", "is answered with 500"),
        ("/round", "is redirected again and again"),
        ("/broken", "breaks off on its way"),
        (":port/feed.xml", "has an address that is none"),
    ],
)
async def test_a_feed_that_does_not_come_is_told_why(web_shop: str, path: str, sentence: str):
    (told,) = details(await loaded(web_shop + path), "unreadable")
    assert sentence in told


async def test_a_feed_that_never_ends_is_given_up(web_shop: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(source, "_LOADING_SECONDS", 0.2)
    (told,) = details(await loaded(f"{web_shop}/trickling"), "unreadable")
    assert "does not answer in time" in told


async def test_a_feed_from_the_web_is_checked(web_shop: str):
    assert codes(await loaded(f"{web_shop}/feed.xml")) == []
    assert codes(await loaded(f"{web_shop}/packed.xml")) == []
    assert codes(await loaded(f"{web_shop}/file.xml")) == ["compressed"]
    assert codes(await loaded(f"{web_shop}/feed.xml?type=text/html")) == ["content_type"]


async def test_a_feed_that_is_too_large_is_not_loaded_to_its_end(web_shop: str):
    (told,) = details(await loaded(f"{web_shop}/feed.xml", limit=100), "unreadable")
    assert "is larger than" in told


async def test_a_feed_nowhere_is_told(unused_tcp_port: int):
    (told,) = details(await loaded(f"http://127.0.0.1:{unused_tcp_port}/feed.xml"), "unreadable")
    assert "cannot be loaded (ClientConnectorError)" in told


async def test_a_password_in_an_address_is_not_in_the_report(web_shop: str):
    report = await loaded(web_shop.replace("//", "//shop:hunter2@") + "/status/404")
    assert "hunter2" not in str(report.json())


async def test_only_the_web_is_loaded():
    (told,) = details(await loaded("file:///etc/passwd"), "unreadable")
    assert "http:// or https://" in told
