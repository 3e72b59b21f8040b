"""A store's own order statuses as the five of eSputnik's (docs page 29860881116, Add orders). Pure.

The maps follow eSputnik's own plugins where there is one (Shopify, WooCommerce, OpenCart), and their sense
for the statuses that Magento and PrestaShop come with.
"""

from collections.abc import Mapping

INITIALIZED = "INITIALIZED"
_OPEN, _DONE, _GONE, _CART = "IN_PROGRESS", "DELIVERED", "CANCELLED", "ABANDONED_SHOPPING_CART"
STATUSES = frozenset([INITIALIZED, _OPEN, _DONE, _GONE, _CART])


def _map(**groups: str) -> Mapping[str, str]:
    """Return a map from words of the groups, each group named as eSputnik names it."""
    return {folded(word): status for status, words in groups.items() for word in words.split()}


def folded(status: str) -> str:
    """Return a status as it is looked up: case, blanks, dashes and WooCommerce's prefix do not matter."""
    return status.strip().casefold().replace("-", "_").replace(" ", "_").removeprefix("wc_")


MAPS: Mapping[str, Mapping[str, str]] = {
    "shopify": _map(
        CANCELLED="cancelled restocked request_declined",
        IN_PROGRESS="partial in_progress partially_fulfilled pending_fulfillment",
        DELIVERED="fulfilled",
        INITIALIZED="unfulfilled open scheduled on_hold",
    ),
    "woocommerce": _map(
        CANCELLED="failed cancelled trash refunded",
        IN_PROGRESS="processing on_hold",
        DELIVERED="completed",
        INITIALIZED="pending checkout_draft",
    ),
    "opencart": _map(
        CANCELLED="canceled canceled_reversal chargeback denied expired failed refunded reversed voided",
        IN_PROGRESS="processing processed",
        DELIVERED="complete shipped",
        INITIALIZED="pending",
    ),
    "magento": _map(
        CANCELLED="canceled closed fraud",
        IN_PROGRESS="processing holded payment_review",
        DELIVERED="complete",
        INITIALIZED="new pending pending_payment",
    ),
    "prestashop": _map(
        CANCELLED="canceled refunded payment_error",
        IN_PROGRESS="payment_accepted processing_in_progress preparation shipped remote_payment_accepted",
        DELIVERED="delivered",
        INITIALIZED="awaiting_check_payment awaiting_bank_wire_payment awaiting_cash_on_delivery_validation",
    ),
}
"""The maps that are ready, by the name of the store's software."""


def status_map(software: str | None, own: Mapping[str, str]) -> Mapping[str, str]:
    """Return a site's map: the one that is ready for its software, and over it the site's own entries."""
    ready = MAPS[software] if software else {}
    return {**ready, **{folded(word): status for word, status in own.items()}}
