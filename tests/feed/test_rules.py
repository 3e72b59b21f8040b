"""What is wrong with products, one by one and together."""

from pathlib import Path

import pytest

from gateway.feed.findings import RULES, Severity
from tests.feed.shop import HEAD, TAIL, checked, codes, details, feed, item, lines, product


def test_a_sound_feed_has_nothing_wrong(tmp_path: Path):
    report = checked(tmp_path, feed(product(1), product(2, sale_price="700 UAH"), product(3)))
    assert codes(report) == []
    assert report.worst == Severity.NOTICE
    assert (report.feeds[0].products, report.feeds[0].in_stock) == (3, 3)


ONE = [
    ({"brand": None}, "missing brand"),
    ({"id": None}, "missing id"),
    ({"image_link": ""}, "empty image_link"),
    ({"google_product_category": None}, "missing google_product_category"),
    ({"google_product_category": None, "product_type": "Дім > Чайники"}, None),
    ({"google_product_category": "2530"}, None),
    ({"google_product_category": "a > b > c > d > e > f > g > h > i > j"}, None),
    (
        {"google_product_category": "a > b > c > d > e > f > g > h > i > j > k"},
        "category_depth google_product_category",
    ),
    ({"product_type": "Дім >"}, "category_level product_type"),
    ({"availability": "In stock"}, "availability availability"),
    ({"availability": "out of stock"}, None),
    ({"price": "899"}, "no_currency price"),
    ({"price": "899,00 UAH"}, "price price"),
    ({"price": "-1 UAH"}, "price price"),
    ({"price": "899 грн"}, "price price"),
    ({"price": "899 UAN"}, "unknown_currency price"),
    ({"price": "0.00 UAH"}, "price_zero price"),
    ({"sale_price": "900 UAH"}, "sale_above_price sale_price"),
    ({"sale_price": "899.0 UAH"}, "sale_equal sale_price"),
    ({"sale_price": "500"}, "no_currency sale_price"),
    ({"sale_price": "500 USD"}, "currency_differs sale_price"),
    ({"sale_price": ""}, None),
    ({"link": "/p/1"}, "relative_url link"),
    ({"link": "p/1.html"}, "relative_url link"),
    ({"link": "//shop.example/p/1"}, "relative_url link"),
    ({"link": "ftp://shop.example/p"}, "bad_url link"),
    ({"link": "https://магазин.укр/чайник"}, None),
    ({"link": "http://shop.example:8080/p"}, None),
    ({"link": "https://shop/p"}, "private_url link"),
    ({"link": "https://192.168.0.5/p"}, "private_url link"),
    ({"link": "https://shop.example/a b"}, "bad_url link"),
    ({"additional_image_link": "/2.jpg"}, "relative_url additional_image_link"),
    ({"title": "x" * 501}, "too_long title"),
    ({"description": "x" * 10_001}, "too_long description"),
    ({"title": "Чайник &quot;Люкс&quot;"}, "markup title"),
    ({"title": "Чайник <b>"}, "markup title"),
    ({"title": "5 < 6 & 7 > 3"}, None),
]


@pytest.mark.parametrize(("changes", "code"), ONE)
def test_one_product_is_judged_by_each_rule(tmp_path: Path, changes: dict[str, str | None], code: str | None):
    assert codes(checked(tmp_path, feed(product(1, **changes), product(2)))) == ([code] if code else [])


def test_a_finding_tells_the_line_of_its_field(tmp_path: Path):
    report = checked(tmp_path, feed(product(1), product(2, price="x"), product(3, brand=None)))
    text = (tmp_path / "0.xml").read_text().splitlines()
    assert [text[line - 1] for line in lines(report, "price")] == ["<g:price>x</g:price>"]
    assert [text[line] for line in lines(report, "missing")] == ["<g:id>K-3</g:id>"]


def test_a_further_image_is_judged_on_its_own_line(tmp_path: Path):
    images = "".join(
        f"<g:additional_image_link>{url}</g:additional_image_link>\n"
        for url in ("https://a.b/1", "https://a.b/2", "3.jpg")
    )
    report = checked(tmp_path, feed(item(product()).replace("</item>", images + "</item>")))
    assert codes(report) == ["relative_url additional_image_link"]
    assert (tmp_path / "0.xml").read_text().splitlines()[
        lines(report, "relative_url")[0] - 1
    ] == images.splitlines()[2]


def test_the_first_of_two_prices_counts(tmp_path: Path):
    twice = item(product()).replace("</item>", "<g:price>nothing</g:price></item>")
    assert codes(checked(tmp_path, feed(twice))) == ["repeated price"]


def test_a_field_without_prefix_is_told_from_a_missing_one(tmp_path: Path):
    bare = item(product(brand=None)).replace("</item>", "<brand>Kettler</brand></item>")
    assert codes(checked(tmp_path, feed(bare))) == ["no_prefix brand"]


def test_the_fields_that_rss_has_itself_need_no_prefix(tmp_path: Path):
    plain = item(product())
    for name in ("title", "description", "link"):
        plain = plain.replace(f"g:{name}>", f"{name}>")
    assert codes(checked(tmp_path, feed(plain))) == []


def test_what_is_nested_in_a_field_is_none_of_the_products_fields(tmp_path: Path):
    shipping = "<g:shipping><g:country>UA</g:country><g:price>free</g:price></g:shipping></item>"
    assert codes(checked(tmp_path, feed(item(product()).replace("</item>", shipping)))) == []


def test_another_prefix_for_googles_namespace_is_as_good(tmp_path: Path):
    text = (
        feed(product())
        .replace("<g:", "<goods:")
        .replace("</g:", "</goods:")
        .replace("xmlns:g=", "xmlns:goods=")
    )
    assert codes(checked(tmp_path, text)) == []


@pytest.mark.parametrize(
    ("declared", "code"),
    [('xmlns:g="http://base.google.com/ns/1.0/"', "namespace"), ("", "undeclared")],
)
def test_a_wrong_namespace_is_told_once(tmp_path: Path, declared: str, code: str):
    text = feed(product(1), product(2)).replace('xmlns:g="http://base.google.com/ns/1.0"', declared)
    assert codes(checked(tmp_path, text)) == [code]


def test_an_id_that_stands_twice_tells_where_it_stood_first(tmp_path: Path):
    report = checked(tmp_path, feed(product(1), product(2), product(1), product(1)))
    assert codes(report) == ["duplicate_id id"] * 2
    assert set(details(report, "duplicate_id")) == {"first on line 4"}


def test_ids_that_differ_in_case_only_are_told(tmp_path: Path):
    report = checked(tmp_path, feed(product(1), product(2, id="k-1"), product(3, id="K-1")))
    assert sorted(codes(report)) == ["duplicate_id id", "id_case id"]


def test_variants_are_held_together(tmp_path: Path):
    red, blue = {"item_group_id": "G", "color": "red"}, {"item_group_id": "G", "color": "blue"}
    assert codes(checked(tmp_path, feed(product(1, **red), product(2, **blue)))) == []
    assert codes(checked(tmp_path, feed(product(1, **red), product(2, **red)))) == [
        "variants_alike item_group_id"
    ]
    assert codes(checked(tmp_path, feed(product(1, **red), product(2, **blue, brand="B")))) == [
        "group_brands brand"
    ]
    other = blue | {"item_group_id": "g"}
    assert codes(checked(tmp_path, feed(product(1, **red), product(2, **other)))) == [
        "group_case item_group_id"
    ]


def test_language_versions_must_agree_in_ids_and_structure(tmp_path: Path):
    main = feed(product(1), product(2), product(3))
    words = feed(*(product(number, title=f"Kettle {number}", description="Glass") for number in (3, 1, 2)))
    assert codes(checked(tmp_path, main, words)) == []
    other = feed(product(1, price="900 UAH"), product(2, gtin="4820"), product(4))
    report = checked(tmp_path, main, other)
    assert (
        sorted(codes(report))
        == ["language_differs fields", "language_differs price"] + ["language_lacks id"] * 2
    )
    assert {
        one.feed for group in report.groups if group.code == "language_lacks" for one in group.examples
    } == {
        "0.xml",
        "1.xml",
    }


def polish(number: int, **changes: str | None) -> dict[str, str]:
    """Return a product as a market's feed may have it, with what differs there and nothing else."""
    unsaid = dict.fromkeys(("title", "description", "image_link", "link", "brand"))
    return product(number, **(unsaid | {"google_product_category": None, "price": "90.00 PLN"} | changes))


def test_a_market_is_held_against_the_main_feed_and_judged_by_what_it_tells(tmp_path: Path):
    market = feed(
        polish(1),
        polish(2, id="k-2"),
        polish(77),
        polish(3, price="90 zł"),
        polish(4, availability="yes"),
        polish(5, link="/pl/5"),
        polish(6, price="9 UAH"),
        polish(6),
    )
    report = checked(tmp_path, feed(*map(product, range(1, 9))), markets={"pl": market})
    assert codes(report) == [
        "availability availability",
        "duplicate_id id",
        "market_case id",
        "market_unknown id",
        "price price",
        "relative_url link",
        "currencies",
        *["market_lacks id"] * 3,
    ]
    assert {one.feed for group in report.groups for one in group.examples} == {"market pl"}
    assert details(report, "market_case") == ["K-2 there"]
    assert details(report, "currencies") == ["PLN, UAH"]
    assert [feed.name for feed in report.feeds] == ["0.xml", "market pl"]


def test_a_market_that_sells_less_at_its_own_prices_has_nothing_wrong(tmp_path: Path):
    main = feed(*(product(n, item_group_id="G", color=str(n)) for n in range(4)))
    market = feed(*(polish(n, item_group_id="G") for n in range(3)))
    report = checked(tmp_path, main, main, markets={"pl": market})
    assert (codes(report), report.worst) == (["market_lacks id"], Severity.NOTICE)


def test_a_market_with_the_main_feeds_prices_is_noticed(tmp_path: Path):
    main = feed(product(1), product(2))
    own, named = [feed(polish(1), polish(2, price=price)) for price in ("90 PLN", "899 UAH")]
    unconverted = feed(polish(1, price="899 PLN"), polish(2, price="899 PLN"))
    report = checked(tmp_path, main, markets={"ua": main, "pl": own, "cz": unconverted, "sk": named})
    found = [(one.feed, one.finding.code) for group in report.groups for one in group.examples]
    assert found == [
        ("market sk", "currencies"),
        ("market cz", "market_numbers"),
        ("market ua", "market_prices"),
    ]


def test_a_market_that_cannot_be_read_touches_no_other_and_none_stands_in_for_the_main_feed(tmp_path: Path):
    report = checked(tmp_path, feed(product(1)), markets={"pl": "<html>", "cz": feed(polish(1))})
    assert codes(report) == ["unreadable"]
    report = checked(tmp_path, "<html>", markets={"pl": feed(polish(1))}, seen=["X"])
    assert codes(report) == ["unreadable"]


def test_a_language_that_cannot_be_read_does_not_touch_the_others(tmp_path: Path):
    report = checked(tmp_path, feed(product(1)), "{}", feed(product(1), product(2)))
    assert codes(report) == ["unreadable", "language_lacks id"]


def test_ids_that_tracking_sent_are_held_against_the_feed(tmp_path: Path):
    text = feed(product(1, item_group_id="P-1"), product(2))
    seen = ["K-1", "k-2", "P-1", "Z-9"]
    report = checked(tmp_path, text, seen=iter(seen))
    assert sorted(codes(report)) == ["seen_are_groups id", "seen_case id", "seen_not_in_feed id"]


def test_a_feed_without_products_is_wrong(tmp_path: Path):
    assert codes(checked(tmp_path, HEAD + TAIL)) == ["no_products"]


def test_several_currencies_are_told_once(tmp_path: Path):
    report = checked(tmp_path, feed(product(1), product(2, price="9 USD"), product(3, price="9 EUR")))
    assert details(report, "currencies") == ["EUR, UAH, USD"]


def test_every_rule_says_what_to_do():
    for code, rule in RULES.items():
        assert rule.says, code
        assert rule.do, code
