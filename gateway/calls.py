"""Calls of eSputnik's API that the gateway takes, keeps and delivers: the type of their records.

A record of such a type holds in `target` the method and the path that it came to, and as its body what
eSputnik gets. Stitching leaves these records as they are.
"""

from enum import StrEnum


class ApiCall(StrEnum):
    """What a call does; the values are record types, names of schemas and metric labels."""

    ADD_CONTACT = "AddContact"
    UPDATE_CONTACT = "UpdateContact"
    SUBSCRIBE_CONTACT = "SubscribeContact"
    DELETE_CONTACT = "DeleteContact"
    ADD_CONTACTS = "AddContacts"
    UPLOAD_CONTACTS = "UploadContacts"
    ADD_ORDERS = "AddOrders"
    """One record for each order of the call, so that each is in its customer's lane."""
    DELETE_ORDERS = "DeleteOrders"
    GENERATE_EVENT = "GenerateEvent"
    GENERATE_EVENT_V3 = "GenerateEventV3"
    ADD_PAST_EVENTS = "AddPastEvents"
    ATTACH_CONTACTS = "AttachContacts"
    DETACH_CONTACTS = "DetachContacts"
    ADD_UNSUBSCRIBED = "AddUnsubscribed"
    DELETE_UNSUBSCRIBED = "DeleteUnsubscribed"
    UPDATE_PRODUCTS = "UpdateProducts"
    DELETE_PRODUCTS = "DeleteProducts"
    UPDATE_MARKETS = "UpdateMarkets"


DELETIONS = frozenset([ApiCall.DELETE_CONTACT])
"""Types that go on though whom they name was erased: they tell eSputnik so."""

IMPORTS = frozenset([ApiCall.ADD_CONTACTS, ApiCall.UPLOAD_CONTACTS])
"""Types that eSputnik takes first and carries out later."""

STAYING = frozenset(ApiCall)
"""Types that keep their lane and their body when they are stitched."""
