"""What can be mended in one product without asking anybody. Pure: an item and settings in, repairs out."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urljoin

from gateway.feed import money
from gateway.feed.item import Item, Place
from gateway.feed.rules import LINKS, are_comparable, price_fault, url_fault

_GUESSED = ("price", "no_currency")


@dataclass(frozen=True)
class Settings:
    """What the shop says may be filled in; without a setting its repair is left undone."""

    currency: str | None = None
    """Behind prices that have none."""
    brand: str | None = None
    """Of products that have none."""
    base: str | None = None
    """Before relative links; the channel's own <link> else."""


class Repair(NamedTuple):
    """One field's new value."""

    code: str
    """The finding that it mends."""
    field: str
    place: Place | None
    """None where the field is new."""
    value: str | None
    """None where the field is to go."""


def repairs(item: Item, settings: Settings) -> list[Repair]:
    """Return what to change in a product that was read with its places."""
    found = [*_prices(item, settings), *_links(item, settings)]
    brand = item.fields.get(":brand") or settings.brand
    if brand and not item.fields.get("brand"):
        empty = next((place for place in item.places if place.name == "brand"), None)
        found.append(Repair("empty" if empty else "missing", "brand", empty, brand))
    return found


def _prices(item: Item, settings: Settings) -> Iterator[Repair]:
    """Yield prices as the specification writes them; a sale price above the price goes.

    Nobody can tell which of the two is meant: without the sale price the product is sold at its price, and no
    discount is promised that there may not be.
    """
    right: dict[str, money.Price] = {}
    changed: list[Repair] = []
    for place in item.places:
        if place.name in ("price", "sale_price") and place.value:
            price = money.read(place.value)
            code = price_fault(price)
            guess = money.guess(place.value, settings.currency) if code in _GUESSED else None
            if code and guess:
                price = guess
                changed.append(Repair(code, place.name, place, str(price)))
            if price and price_fault(price) in (None, "no_currency"):
                right.setdefault(place.name, price)
    price, sale = right.get("price"), right.get("sale_price")
    if price and sale and are_comparable(price, sale) and sale.amount > price.amount:
        changed = [repair for repair in changed if repair.field != "sale_price"]
        for place in item.places:
            if place.name == "sale_price":
                changed.append(Repair("sale_above_price", "sale_price", place, None))
    yield from changed


def _links(item: Item, settings: Settings) -> Iterator[Repair]:
    for place in item.places:
        if settings.base and place.name in LINKS and place.value and url_fault(place.value) == "relative_url":
            whole = urljoin(settings.base, place.value)
            if url_fault(whole) is None:
                yield Repair("relative_url", place.name, place, whole)
