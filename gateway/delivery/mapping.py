"""Which call to eSputnik a record is. Pure."""

from dataclasses import dataclass
from enum import StrEnum

from gateway.event import Record


class Endpoint(StrEnum):
    """What is called at eSputnik; each has a circuit of its own, and the values are metric labels."""

    TRACKER = "tracker"


@dataclass(frozen=True, slots=True)
class Call:
    """One request to eSputnik."""

    endpoint: Endpoint
    request_id: str
    body: bytes


def call_for(record: Record) -> Call:
    """Return the call that delivers the record: tracking events go to the tracker, body unchanged."""
    return Call(Endpoint.TRACKER, record.id, record.body)
