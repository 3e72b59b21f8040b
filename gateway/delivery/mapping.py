"""Which call to eSputnik a record is. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import orjson

from gateway.calls import IMPORTS, ApiCall
from gateway.event import Record


class Endpoint(StrEnum):
    """What is called at eSputnik; each has a circuit of its own, and the values are metric labels."""

    TRACKER = "tracker"
    CONTACT = "contact"
    CONTACTS = "contacts"
    ORDERS = "orders"
    EVENT = "event"
    GROUP = "group"
    UNSUBSCRIBED = "unsubscribed"
    PRODUCTS = "products"


_ENDPOINTS: Mapping[str, Endpoint] = {
    ApiCall.ADD_CONTACT: Endpoint.CONTACT,
    ApiCall.UPDATE_CONTACT: Endpoint.CONTACT,
    ApiCall.SUBSCRIBE_CONTACT: Endpoint.CONTACT,
    ApiCall.DELETE_CONTACT: Endpoint.CONTACT,
    ApiCall.ADD_CONTACTS: Endpoint.CONTACTS,
    ApiCall.UPLOAD_CONTACTS: Endpoint.CONTACTS,
    ApiCall.ADD_ORDERS: Endpoint.ORDERS,
    ApiCall.DELETE_ORDERS: Endpoint.ORDERS,
    ApiCall.GENERATE_EVENT: Endpoint.EVENT,
    ApiCall.GENERATE_EVENT_V3: Endpoint.EVENT,
    ApiCall.ADD_PAST_EVENTS: Endpoint.EVENT,
    ApiCall.ATTACH_CONTACTS: Endpoint.GROUP,
    ApiCall.DETACH_CONTACTS: Endpoint.GROUP,
    ApiCall.ADD_UNSUBSCRIBED: Endpoint.UNSUBSCRIBED,
    ApiCall.DELETE_UNSUBSCRIBED: Endpoint.UNSUBSCRIBED,
    ApiCall.UPDATE_PRODUCTS: Endpoint.PRODUCTS,
    ApiCall.DELETE_PRODUCTS: Endpoint.PRODUCTS,
    ApiCall.UPDATE_MARKETS: Endpoint.PRODUCTS,
}

_DELETIONS = frozenset([ApiCall.DELETE_CONTACT, ApiCall.DELETE_ORDERS, ApiCall.DELETE_PRODUCTS])


@dataclass(frozen=True, slots=True)
class Call:
    """One request to eSputnik."""

    endpoint: Endpoint
    request_id: str
    body: bytes
    target: str = ""
    """Method and path of a call of the API; "" for the tracker."""
    is_deletion: bool = False
    """Whether what is not there any more is done."""
    is_import: bool = False
    """Whether only its answer tells what became of its rows."""


def is_known(record: Record) -> bool:
    """Return whether `call_for` has a place for it: a newer version may have left calls of other types."""
    return not record.target or record.type in _ENDPOINTS


def call_for(records: Sequence[Record], tracker_site_id: str | None = None) -> Call:
    """Return the call that delivers the records, their bodies unchanged; several are orders.

    Tracking events go to the tracker, where they name the site by `tracker_site_id` if that is given; a call
    of the API goes to where it was posted. A deletion of a contact says all in its path and query.
    """
    first = records[0]
    if not first.target:
        body = first.body if tracker_site_id is None else _naming(tracker_site_id, first.body)
        return Call(Endpoint.TRACKER, first.id, body)
    body = first.body
    if first.type == ApiCall.ADD_ORDERS:
        body = b'{"orders":[%b]}' % b",".join(record.body for record in records)
    elif first.type == ApiCall.DELETE_CONTACT:
        body = b""
    is_deletion, is_import = first.type in _DELETIONS, first.type in IMPORTS
    return Call(_ENDPOINTS[first.type], first.id, body, first.target, is_deletion, is_import)


def _naming(site_id: str, body: bytes) -> bytes:
    """Return the event with that siteId; a cookie's link message has none, nor may a patched dead letter."""
    event = orjson.loads(body)
    info = event.get("GeneralInfo")
    if not isinstance(info, dict) or info.get("siteId") == site_id:
        return body
    info["siteId"] = site_id
    return orjson.dumps(event)
