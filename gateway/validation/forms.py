"""The forms in which one event may come, brought to the REST form that eSputnik documents. Pure.

Simple is what `eS('sendEvent', ...)` takes, tagged what `eS('sendEventWithTags', ...)` and REST take
(Transferring Website Behavior Data via JavaScript Requests). Both are legitimate, so nothing here warns but a
contradiction between two places of one event. Nothing given is changed: what changes is built anew.
"""

from collections.abc import Mapping
from typing import Any

from gateway.identifiers import BLANKS

ALIASES: Mapping[str, str] = {"ProductImpressions": "ProductImpression"}
"""Names of the simple form that differ from the tagged one."""

IDENTITY = ("externalCustomerId", "user_email", "user_phone", "user_name", "user_es_contact_id")
"""What a CustomerData block of the simple form says, and GeneralInfo of the REST form."""

BESIDE: Mapping[str, tuple[str, ...]] = {
    "StatusCart": ("GUID", "Tags"),
    "PurchasedItems": ("OrderNumber", "GUID", "Tags"),
}
"""Members that stand beside the block in the simple form, and in it in the REST form."""

INNER: Mapping[str, str] = {"ProductPage": "Product", "AddToWishlist": "Product", "CategoryPage": "Category"}
"""Where the REST form puts what the simple form says in the block itself."""

_LISTS = frozenset(["StatusCart", "PurchasedItems", "ProductImpression"])

_CART_NAMES = {"product_id": "productKey", "unit_price": "price", "currency": "price_currency_code"}
_ORDER_NAMES = {"productKey": "product_id", "price": "unit_price", "currency": "price_currency_code"}
RENAMED: Mapping[str, Mapping[str, str]] = {
    "StatusCart": _CART_NAMES,
    "ProductPage": _CART_NAMES,
    "AddToWishlist": _CART_NAMES,
    "PurchasedItems": _ORDER_NAMES,
    "ProductImpression": {"productKey": "product_id"},
}
"""A product's members, by event, whose names differ between the forms and among official clients."""

Event = dict[str, Any]


def is_unknown(value: object) -> bool:
    """Tell whether a value says that the sender does not know: null, empty text, blanks.

    Official clients send these all the time, and they say the same as a member that is not there. So an
    optional member is left out for it without a warning, in strict mode too; a required one is missing.
    """
    return value is None or (isinstance(value, str) and not value.strip(BLANKS))


def unaliased(event: Event) -> Event:
    """Return the event with its block under the name of the tagged form."""
    if not any(alias in event and name not in event for alias, name in ALIASES.items()):
        return event
    return {ALIASES.get(member, member): value for member, value in event.items()}


def rest_form(name: str, event: Event) -> Event:
    """Return the event with its block as the REST form has it; whatever is no block of any form stays."""
    rest = dict(event)
    block = rest.get(name)
    if name in _LISTS and isinstance(block, list):
        block = {"Products": block}
    elif name == "PurchasedItems" and block is None and not is_unknown(rest.get("OrderNumber")):
        block = {}
    if not isinstance(block, dict):
        return rest
    block = dict(block)
    for member in BESIDE.get(name, ()):
        if member in rest and is_unknown(block.get(member)):
            block[member] = rest.pop(member)
    rest[name] = _renamed(name, _nested(name, block))
    return rest


def lift_identity(info: Event, event: Event) -> list[str]:
    """Move what a CustomerData block says of the identity into `info`, where that says nothing yet.

    Both are changed in place; a block with nothing left goes. Returns the members of which GeneralInfo says
    otherwise; the block loses these too.
    """
    block = event.get("CustomerData")
    if not isinstance(block, dict):
        return []
    block = event["CustomerData"] = dict(block)
    differing = []
    for member in IDENTITY:
        value = block.pop(member, None)
        if is_unknown(value):
            continue
        if is_unknown(info.get(member)):
            info[member] = value
        elif _differ(info[member], value):
            differing.append(member)
    if not block:
        del event["CustomerData"]
    return differing


def _differ(one: object, other: object) -> bool:
    return str(one).strip().casefold() != str(other).strip().casefold()


def _nested(name: str, block: Event) -> Event:
    inner = INNER.get(name)
    if inner is None or not is_unknown(block.get(inner)):
        return block
    outer = (inner, "Tags")
    nested: Event = {inner: {member: value for member, value in block.items() if member not in outer}}
    if "Tags" in block:
        nested["Tags"] = block["Tags"]
    return nested


def _renamed(name: str, block: Event) -> Event:
    names = RENAMED.get(name)
    if names is None:
        return block
    if isinstance(block.get("Product"), dict):
        block["Product"] = _with_names(block["Product"], names)
    if isinstance(block.get("Products"), list):
        block["Products"] = [
            _with_names(product, names) if isinstance(product, dict) else product
            for product in block["Products"]
        ]
    return block


def _with_names(product: Event, names: Mapping[str, str]) -> Event:
    """Return the product with its members renamed; where both names stand there, both stay."""
    renamed = dict(product)
    for alias, documented in names.items():
        if alias in product and is_unknown(product.get(documented)):
            renamed[documented] = renamed.pop(alias)
    return renamed
