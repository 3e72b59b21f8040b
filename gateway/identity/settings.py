"""What a site decides about its links; the defaults stand in `gateway.config.Site`."""

from dataclasses import dataclass

from gateway.config import Site

_DAY_MS = 24 * 3600 * 1000


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
    crowd: int
    """So many different customers with one contact key, and it stands for nobody."""
    clock_tolerance_ms: int
    """How far a sender's clock may be ahead; what comes later than that after it happened came late."""


def settings_of(site: Site) -> StitchSettings:
    """Return what the site's configuration says of its links."""
    return StitchSettings(
        link_age_ms=int(site.link_age_days * _DAY_MS),
        back_stitch_ms=int(site.back_stitch_days * _DAY_MS),
        cookies=site.cookies_per_customer,
        emails=site.emails_per_customer,
        phones=site.phones_per_customer,
        kiosk=site.kiosk_customers,
        crowd=site.customers_per_contact,
        clock_tolerance_ms=int(site.clock_tolerance_seconds * 1000),
    )
