"""What a site decides about its links; the defaults stand in `gateway.config.Site`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StitchSettings:
    """Times and limits of one site's links."""

    link_age_ms: int
    """A link ends after this time without its owner being seen on the cookie."""
    back_stitch_ms: int
    """How far before a link the visitor's anonymous events are its owner's."""
    cookies: int
    """A customer's cookies; past them the one unseen longest retires."""
    emails: int
    phones: int
    kiosk: int
    """So many different owners on one cookie within a day mark it as shared."""
    clock_tolerance_ms: int
    """How far a sender's clock may be ahead; what comes later than that after it happened came late."""
