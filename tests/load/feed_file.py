"""Writes a product feed of any size with errors planted from a seed, and says where each is.

    python -m tests.load.feed_file feed.xml --megabytes 1000 --errors 37 --seed 1

Products come in groups of three variants; an error is planted into the last of a group, so that what it does
to the whole group is told on its own line.
"""

import argparse
import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape

_TEXT = (
    "чайник електричний скляний потужний зелений для дому kitchen kettle 1.7 л з підсвіткою та автоматичним "
    "вимкненням гарантія два роки нержавна сталь безшумний рівень води фільтр"
)
_WORDS = _TEXT.split()
_COLORS = ("white", "black", "green")
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0" xmlns:g="http://base.google.com/ns/1.0">
<channel>
<title>Shop</title>
<link>https://shop.example/</link>
<description>Everything</description>
"""
_TAIL = "</channel>\n</rss>\n"

Fields = dict[str, str]


class Planted(NamedTuple):
    """An error that was planted, as `check` should find it."""

    code: str
    field: str
    line: int


class Kind(NamedTuple):
    """How an error is planted: changes the product's fields, or the bytes of its field."""

    code: str
    field: str
    change: Callable[[Fields, int], object] = lambda fields, number: None
    raw: bytes = b""
    """Put at the end of the field as it is."""
    whole: bool = False
    """Whether it is told on the line of the product rather than of the field."""


def _set(name: str, value: str) -> Callable[[Fields, int], None]:
    return lambda fields, number: fields.update({name: value})


def _drop(*names: str) -> Callable[[Fields, int], None]:
    def change(fields: Fields, number: int) -> None:
        for name in names:
            del fields[name]

    return change


def _without_prefix(fields: Fields, number: int) -> None:
    fields[":brand"] = fields.pop("brand")


def _foreign(fields: Fields, number: int) -> None:
    fields["price"] = "100.00 QQQ"
    del fields["sale_price"]


KINDS = (
    Kind("missing", "brand", _drop("brand"), whole=True),
    Kind("missing", "google_product_category", _drop("google_product_category", "product_type"), whole=True),
    Kind("empty", "title", _set("title", "")),
    Kind("no_prefix", "brand", _without_prefix),
    Kind("repeated", "price", lambda fields, number: fields.update({"price ": fields["price"]})),
    Kind("too_long", "title", _set("title", "ю" * 501)),
    Kind("availability", "availability", _set("availability", "є в наявності")),
    Kind("price", "price", _set("price", "за домовленістю")),
    Kind(
        "no_currency",
        "price",
        lambda fields, number: fields.update(price=fields["price"].removesuffix(" UAH")),
    ),
    Kind("unknown_currency", "price", _foreign),
    Kind("currency_differs", "sale_price", _set("sale_price", "1.00 USD")),
    Kind("price_zero", "price", lambda fields, number: fields.update(price="0 UAH", sale_price="")),
    Kind("sale_above_price", "sale_price", _set("sale_price", "99999 UAH")),
    Kind("sale_equal", "sale_price", lambda fields, number: fields.update(sale_price=fields["price"])),
    Kind("relative_url", "link", _set("link", "/p/17")),
    Kind("bad_url", "image_link", _set("image_link", "https://cdn.shop.example/my photo.jpg")),
    Kind("private_url", "link", _set("link", "http://localhost:3000/p/17")),
    Kind("category_depth", "product_type", _set("product_type", " > ".join("abcdefghijk"))),
    Kind("category_level", "google_product_category", _set("google_product_category", "Дім > > Чайники")),
    Kind("markup", "title", _set("title", "<b>Чайник</b>")),
    Kind("duplicate_id", "id", lambda fields, number: fields.update(id=_id(number - 4)), whole=True),
    Kind("id_case", "id", lambda fields, number: fields.update(id=_id(number - 4).lower()), whole=True),
    Kind(
        "group_case",
        "item_group_id",
        lambda fields, number: fields.update(item_group_id=f"g{number // 3}"),
        whole=True,
    ),
    Kind("group_brands", "brand", _set("brand", "Інший"), whole=True),
    Kind("variants_alike", "item_group_id", _set("color", _COLORS[1]), whole=True),
    Kind("entity", "description", raw=b"&nbsp;"),
    Kind("ampersand", "title", raw=b" & co"),
    Kind("less_than", "description", raw=b" < 5"),
    Kind("control_character", "title", raw=b"\x0b"),
    Kind("not_utf8", "description", raw="ж".encode("cp1251")),
)
_OF_BYTES = ("entity", "ampersand", "less_than", "control_character", "not_utf8")


def write_feed(path: Path, size: int, errors: int = 0, seed: int = 1) -> list[Planted]:
    """Write a feed of about `size` bytes; return what is wrong with it, in the order of lines."""
    chance = random.Random(seed)
    kinds = [KINDS[number % len(KINDS)] for number in range(errors)]
    chance.shuffle(kinds)
    # One in each of as many equal parts, so that no two meet in one group.
    part = size / max(errors, 1)
    places = [part * (number + chance.uniform(0.2, 0.8)) for number in range(errors)]
    descriptions = [" ".join(chance.choices(_WORDS, k=55)) for _ in range(200)]
    planted: list[Planted] = []
    waiting = list(zip(places, kinds, strict=True))[::-1]
    number, written, line = 0, 0, 1
    with path.open("wb") as file:
        written += file.write(_HEAD.encode())
        line += _HEAD.count("\n")
        while written < size or waiting:
            fields = _product(number, chance, descriptions)
            kind = None
            if waiting and written >= waiting[-1][0] and number % 3 == 2 and number > 5:
                _, kind = waiting.pop()
                kind.change(fields, number)
            text, lines = _written(fields, kind)
            if kind:
                field = "" if kind.code in _OF_BYTES else kind.field
                planted.append(Planted(kind.code, field, line + (0 if kind.whole else lines)))
            written += file.write(text)
            line += text.count(b"\n")
            number += 1
        file.write(_TAIL.encode())
    return planted


def _id(number: int) -> str:
    return f"SKU-{number:07d}"


def _product(number: int, chance: random.Random, descriptions: list[str]) -> Fields:
    price = chance.randrange(100, 30_000)
    group = number // 3
    return {
        "id": _id(number),
        "title": f"Чайник електричний KT-{number} {_COLORS[number % 3]}",
        "description": f"{descriptions[chance.randrange(200)]} & {descriptions[chance.randrange(200)][:90]}",
        "link": f"https://shop.example/ua/p/{number}?color={number % 3}&from=feed",
        "image_link": f"https://cdn.shop.example/images/{group}/{number}-1.jpg",
        "additional_image_link": f"https://cdn.shop.example/images/{group}/{number}-2.jpg",
        "brand": f"Brand {group % 50}",
        "google_product_category": "Дім і сад > Кухня > Чайники",
        "product_type": f"Дім > Кухня > Чайники {group % 7}",
        "availability": "out_of_stock" if number % 9 == 0 else "in_stock",
        "condition": "new",
        "price": f"{price}.00 UAH",
        "sale_price": f"{price - 50}.50 UAH",
        "item_group_id": f"G{group}",
        "color": _COLORS[number % 3],
        "gtin": f"4820{number:09d}",
    }


def _written(fields: Fields, kind: Kind | None) -> tuple[bytes, int]:
    """Return the product as XML, and how many lines below its first the kind's last field stands."""
    lines = [b"<item>"]
    at = 0
    for name, value in fields.items():
        tag = name[1:] if name.startswith(":") else f"g:{name.strip()}"
        text = escape(value).encode()
        if kind and name.strip(": ") == kind.field:
            at = len(lines)
            text += kind.raw
        lines.append(f"  <{tag}>".encode() + text + f"</{tag}>".encode())
    lines.append(b"</item>\n")
    return b"\n".join(lines), at


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("path", type=Path)
    parser.add_argument("--megabytes", type=float, default=1)
    parser.add_argument("--errors", type=int, default=0)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def _told(planted: list[Planted]) -> Iterator[str]:
    for one in planted:
        yield f"{one.line:>10}  {one.code} {one.field}"


if __name__ == "__main__":
    arguments = _arguments()
    for told in _told(
        write_feed(arguments.path, int(arguments.megabytes * 1e6), arguments.errors, arguments.seed)
    ):
        print(told)
