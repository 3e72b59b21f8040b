"""Messages of official plugins that are posted to the tracker's address without being tracking events."""

from collections.abc import Mapping


def is_link_message(event: Mapping[str, object]) -> bool:
    """Tell whether it is the WooCommerce plugin's cookie-to-contact message."""
    return "webId" in event and "GeneralInfo" not in event


def is_plugin_log(event: object) -> bool:
    """Tell whether it is a plugin's log message, as Yespo's Shopify application posts them.

    Members without a value are missing from it, so either of the two that no event has tells it.
    """
    if not isinstance(event, dict) or "GeneralInfo" in event:
        return False
    return "typeCMS" in event or "log_level" in event
