"""What eSputnik refuses in a contact; pure.

The reference pages name the rules, not what their breach does. The careful reading: what cannot be read at
all (a wrong type, an unknown word where only some are known) spoils the whole request, what can be read but
not be used spoils the contact alone.
"""

import re
from typing import Any

from gateway.sandbox.identity import Body, as_phone, channels, elements, text

CHANNELS = ("email", "sms", "viber", "mobilepush", "webpush")
_PER_TYPE = 2  # yespo.io/api, schema ns0_contact
_DEVICE_MODEL = 50  # docs.reteno.com/reference/addcontact-1
_FIELD_TEXT = 5000  # docs page 29515525355: a textarea's; which field is one the call does not tell
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_PHONE_DIGITS = range(5, 16)
_FORBIDDEN = re.compile("[<;\u2019\\\\/|\"`'^?!,>]")  # docs page 30168914290, Using Generate event


def unreadable(call: Any) -> str:
    """Return why this cannot be read as a contact, "" when it can."""
    if not isinstance(call, dict):
        return "Request body is not a contact"
    for channel in elements(call.get("channels")):
        if not isinstance(channel, dict):
            return "Channel is not an object"
        if channel.get("type") not in CHANNELS:
            return "Unknown channel type"
    if not isinstance(call.get("address"), dict | None):
        return "Address is not an object"
    if not all(isinstance(one, dict) for one in elements(call.get("fields"))):
        return "Field is not an object"
    return ""


def unusable(call: Body) -> str:
    """Return why no contact can be made of this, "" when one can.

    A channel whose value is blank counts as none: official clients send " " for a phone that they do not know
    (Yespo-CDP/yespo-woocommerce). Names are taken as they are, since no page tells what a bad one does here.
    """
    given = channels(call)
    if not given:
        return "Contact must have at least one channel"
    types = [channel["type"] for channel in given]
    if any(types.count(kind) > _PER_TYPE for kind in types):
        return "Contact must have at most two channels of one type"
    if problem := next(filter(None, map(_unusable_channel, given)), ""):
        return problem
    if any(len(str(one.get("value", ""))) > _FIELD_TEXT for one in elements(call.get("fields"))):
        return f"Field value is longer than {_FIELD_TEXT} characters"
    return ""


def _unusable_channel(channel: Body) -> str:
    value = text(channel["value"])
    if channel["type"] == "email" and not _EMAIL.fullmatch(value):
        return "Invalid email"
    if channel["type"] in {"sms", "viber"} and len(as_phone(value)) not in _PHONE_DIGITS:
        return "Invalid phone"
    device = channel.get("device")
    if isinstance(device, dict) and len(text(device.get("deviceModel"))) > _DEVICE_MODEL:
        return f"deviceModel is longer than {_DEVICE_MODEL} characters"
    return ""


def unusable_word(name: str, value: str, most: int) -> str:
    """Return why the value cannot be an event's type or key, "" when it can."""
    if len(value) > most:
        return f"{name} is longer than {most} characters"
    return f"{name} has forbidden characters" if _FORBIDDEN.search(value) else ""
