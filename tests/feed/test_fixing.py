"""What `gateway feed fix` mends, and that it changes nothing else."""

from pathlib import Path

import pytest

from gateway.errors import FeedUnreadable
from gateway.feed import money
from gateway.feed.checking import check
from gateway.feed.fixing import fix
from gateway.feed.repairs import Settings
from gateway.feed.report import Report
from gateway.feed.source import Source
from tests.feed.shop import checked, codes, details, feed, item, product
from tests.load.feed_file import write_feed

SETTINGS = Settings(currency="UAH", brand="Без марки")
MENDED = (
    *("before_declaration", "wrong_encoding", "encoding", "not_utf8", "control_character"),
    *("entity", "ampersand", "less_than", "no_currency", "relative_url", "sale_above_price"),
)


def fixed(tmp_path: Path, content: str | bytes, settings: Settings = SETTINGS) -> tuple[str, Report]:
    source, target = tmp_path / "in.xml", tmp_path / "out.xml"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    report = fix(Source(source.name, source), target, settings)
    return target.read_bytes().decode(), report


def test_a_sound_feed_stays_as_it_is_to_the_byte(tmp_path: Path):
    text = feed(product(1), "<!-- a comment -->\r\n", item(product(2)).replace("<item>", '<item a="1">'))
    after, report = fixed(tmp_path, text)
    assert after == text
    assert codes(report) == []


FIELDS = [
    ({"price": "899"}, "<g:price>899 UAH</g:price>"),
    ({"price": "1 299,50 грн."}, "<g:price>1299.50 UAH</g:price>"),
    ({"price": "$15"}, "<g:price>15 USD</g:price>"),
    ({"price": "UAH 15.00"}, "<g:price>15.00 UAH</g:price>"),
    ({"price": "1,299.00"}, "<g:price>1299.00 UAH</g:price>"),
    ({"link": "/p/1?a=1&b=2"}, "<g:link>https://shop.example/p/1?a=1&amp;b=2</g:link>"),
    ({"image_link": "//cdn.example/1.jpg"}, "<g:image_link>https://cdn.example/1.jpg</g:image_link>"),
    ({"brand": ""}, "<g:brand>Без марки</g:brand>"),
    ({"brand": None}, "<g:brand>Без марки</g:brand>\n</item>"),
]


@pytest.mark.parametrize(("changes", "written"), FIELDS)
def test_each_field_is_mended_and_nothing_else_changes(
    tmp_path: Path, changes: dict[str, str | None], written: str
):
    broken = feed(product(1, **changes), product(2))
    after, report = fixed(tmp_path, broken)
    assert written in after
    (name,) = changes
    kept = [line for line in broken.splitlines() if f"g:{name}>" not in line]
    assert [line for line in after.splitlines() if f"g:{name}>" not in line] == kept
    assert len(codes(report)) == 1
    assert codes(checked(tmp_path, after)) in ([], ["currencies"])


def test_a_price_that_may_be_two_is_left_alone(tmp_path: Path):
    broken = feed(product(1, price="1,299"), product(2, price="10 coins"), product(3, price="від 5 до 7"))
    assert fixed(tmp_path, broken)[0] == broken


def test_a_sale_price_above_the_price_goes(tmp_path: Path):
    after, report = fixed(tmp_path, feed(product(1, price="100", sale_price="200 грн")))
    assert "sale_price" not in after
    assert codes(report) == ["no_currency price", "sale_above_price sale_price"]


def test_without_settings_nothing_is_made_up(tmp_path: Path):
    broken = feed(product(1, price="899", brand=None))
    assert fixed(tmp_path, broken, Settings())[0] == broken


def test_an_element_that_closes_itself_is_filled_in(tmp_path: Path):
    after, _ = fixed(tmp_path, feed(item(product(brand=None)).replace("</item>", '<g:brand a="/>"/></item>')))
    assert "<g:brand>Без марки</g:brand></item>" in after


def test_a_brand_without_prefix_is_taken_over(tmp_path: Path):
    bare = item(product(brand=None)).replace("</item>", "<brand>Kettler</brand></item>")
    after, _ = fixed(tmp_path, feed(bare))
    assert "<g:brand>Kettler</g:brand>" in after


def test_another_prefix_is_used_for_what_is_added(tmp_path: Path):
    text = (
        feed(product(brand=None))
        .replace("g:", "s:")
        .replace("xmlns:g", "xmlns:s")
        .replace("encodins:", "encoding:")
    )
    after, _ = fixed(tmp_path, text)
    assert "<s:brand>Без марки</s:brand>" in after


def test_windows_1251_becomes_utf_8(tmp_path: Path):
    text = feed(product(title="Чайник і їжа"))
    for declared in ("windows-1251", "UTF-8"):
        after, report = fixed(tmp_path, text.replace("UTF-8", declared).encode("cp1251"))
        assert after == text
        assert len(codes(report)) == 1


def test_a_planted_feed_keeps_only_what_nobody_can_mend(tmp_path: Path):
    source, target = tmp_path / "in.xml", tmp_path / "out.xml"
    planted = write_feed(source, 700_000, 37, seed=5)
    changes = fix(Source("in", source), target, SETTINGS)
    left = {group.code for group in check([Source("out", target)]).groups}
    assert left.isdisjoint(MENDED)
    assert {one.code for one in planted} - left <= {*MENDED, "missing", "no_prefix"}
    assert set(MENDED) & {one.code for one in planted} <= {group.code for group in changes.groups}


def test_a_feed_that_breaks_off_leaves_the_old_file_and_nothing_else(tmp_path: Path):
    (tmp_path / "out.xml").write_text("old")
    with pytest.raises(FeedUnreadable, match="ends in the middle"):
        fixed(tmp_path, feed(product(1), product(2))[:-30])
    assert (tmp_path / "out.xml").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.xml", "out.xml"]


def test_a_folder_that_is_not_there_is_told(tmp_path: Path):
    (tmp_path / "in.xml").write_text(feed(product()))
    with pytest.raises(FeedUnreadable, match="cannot be written"):
        fix(Source("in", tmp_path / "in.xml"), tmp_path / "nowhere" / "out.xml", SETTINGS)


@pytest.mark.parametrize(
    ("text", "price"),
    [
        ("15", "15 UAH"),
        ("15.5 usd", "15.5 USD"),
        ("1 299 ₴", "1299 UAH"),
        ("1.299.000", None),
        ("12,5,0", None),
        ("", None),
        ("UAH", None),
        ("5 UAH 7", None),
        ("1" * 40, None),
        ("899.99999999999 UAH", "900.00 UAH"),
        ("1\u202f299,50\u00a0€", "1299.50 EUR"),
    ],
)
def test_prices_are_guessed_only_where_one_thing_can_be_meant(text: str, price: str | None):
    guess = money.guess(text, "UAH")
    assert (str(guess) if guess else None) == price


def test_what_was_changed_is_told_with_before_and_after(tmp_path: Path):
    _, report = fixed(tmp_path, feed(product(1, price="899")))
    assert details(report, "no_currency") == ["899 → 899 UAH"]


def test_a_feed_that_was_mended_has_nothing_more_to_mend(tmp_path: Path):
    faulty = [
        product(1, price="1 299,00 грн", sale_price="9999", brand=None, link="/p/1"),
        product(2, price="12.3333333333", sale_price="15 EUR"),
        product(3, title="A\x01 & B", description="x & y", image_link="//cdn.shop.example/3.jpg"),
    ]
    source, once, twice = (tmp_path / name for name in ("in.xml", "once.xml", "twice.xml"))
    source.write_bytes(feed(*faulty).replace("&amp;", "&").encode("cp1251"))
    for settings in (SETTINGS, Settings()):
        assert codes(fix(Source("in", source), once, settings))
        assert codes(fix(Source("once", once), twice, settings)) == []
        assert once.read_bytes() == twice.read_bytes()


def test_a_sale_price_above_the_price_goes_whatever_currency_either_names(tmp_path: Path):
    for price, sale in (("5", "9 UAH"), ("5 UAH", "9"), ("5", "9")):
        after, _ = fixed(tmp_path, feed(product(1, price=price, sale_price=sale)), Settings())
        assert "sale_price" not in after
