"""Failed rows of an import as CSV, in the columns that eSputnik reads in a file of contacts. Pure."""

import csv
import io
from collections.abc import Iterable, Mapping
from typing import Any

PLAIN = ("externalCustomerId", "firstName", "lastName", "contactKey", "languageCode", "timeZone")
CHANNELS = ("email", "sms", "viber", "mobilepush", "webpush")
ADDRESS = ("address", "town", "region", "postcode")
FIELD = "field_"
"""Column `field_123` is the additional field of that id."""
EVENT = ("eventTypeKey", "keyValue", "occurred")
REASON = "reason"
COLUMNS = (*PLAIN, *CHANNELS, *ADDRESS, REASON)


def as_csv(rows: Iterable[tuple[str, Mapping[str, Any]]]) -> str:
    """Return a line for each contact with the reason for which it failed, below the names of the columns."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    for reason, contact in rows:
        writer.writerow({**columns(contact), REASON: reason})
    return text.getvalue()


def columns(contact: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a row holds by column; what is a column already stays one."""
    found = {name: value for name, value in contact.items() if not isinstance(value, dict | list)}
    address = contact.get("address")
    if isinstance(address, dict):
        found |= {name: address[name] for name in ADDRESS if name in address}
    channels = contact.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        if isinstance(channel, dict) and channel.get("type") in CHANNELS:
            found.setdefault(channel["type"], channel.get("value"))
    fields = contact.get("fields")
    for one in fields if isinstance(fields, list) else ():
        if isinstance(one, dict):
            found[f"{FIELD}{one.get('id')}"] = one.get("value")
    return found
