"""Feeds for the tests: whole ones of a few products, and how to look at what a check says of them."""

from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from gateway.feed.checking import check
from gateway.feed.report import Report
from gateway.feed.source import Source, of_market

HEAD = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0"><channel>\n'
    "<title>Shop</title><link>https://shop.example/</link>\n"
)
TAIL = "</channel></rss>\n"


def product(number: int = 1, **changes: str | None) -> dict[str, str]:
    """Return a product with nothing wrong; a change to None leaves the field out."""
    fields: dict[str, str | None] = {
        "id": f"K-{number}",
        "title": f"Чайник {number}",
        "description": "Скляний, 1.7 л & тихий",
        "link": f"https://shop.example/p/{number}?a=1&b=2",
        "image_link": f"https://cdn.shop.example/{number}.jpg",
        "availability": "in_stock",
        "price": "899.00 UAH",
        "brand": "Kettler",
        "google_product_category": "Дім > Кухня > Чайники",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def item(fields: dict[str, str]) -> str:
    return (
        "<item>\n"
        + "".join(f"<g:{name}>{escape(value)}</g:{name}>\n" for name, value in fields.items())
        + "</item>\n"
    )


def feed(*products: dict[str, str] | str) -> str:
    """Return a feed; a text stands for an item as it is."""
    return HEAD + "".join(one if isinstance(one, str) else item(one) for one in products) + TAIL


def checked(
    tmp_path: Path, *feeds: str | bytes, markets: dict[str, str] | None = None, **options: Any
) -> Report:
    """Return what a check says of the feeds, called 0.xml, 1.xml and so on, and of those of markets."""
    sources = []
    for number, content in enumerate(feeds):
        path = tmp_path / f"{number}.xml"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        sources.append(Source(path.name, path))
    for market, content in (markets or {}).items():
        path = tmp_path / f"market-{market}.xml"
        path.write_text(content)
        sources.append(of_market(market, Source(path.name, path)))
    return check(sources, **options)


def codes(report: Report) -> list[str]:
    """Return each finding's code and field as `code field`, worst first."""
    return [f"{group.code} {group.field}".strip() for group in report.groups for _ in range(group.count)]


def details(report: Report, code: str) -> list[str]:
    return [one.finding.detail for group in report.groups if group.code == code for one in group.examples]


def lines(report: Report, code: str) -> list[int]:
    return [one.finding.line for group in report.groups if group.code == code for one in group.examples]
