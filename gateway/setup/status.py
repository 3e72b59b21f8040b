"""What of a site is set up, what is missing, and what to do about it. Pure."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from gateway.config import Site
from gateway.console.answers import time_of
from gateway.setup.place import needs_header
from gateway.setup.tracking import Tracking
from gateway.setup.webpush import WebPush, registered_instead


class Missing(NamedTuple):
    """Something that is not set up yet."""

    what: str
    why: str
    do: str
    """A command, or a line of the configuration."""


def sent_as(site: Site) -> str:
    """Return the siteId under which the site's events go to eSputnik."""
    return site.tracker_site_id or site.id


def status_of(
    site: Site,
    tracking: Tracking | None,
    web_push: WebPush | None,
    last_events: Mapping[str, int],
    now_ms: int,
) -> dict[str, Any]:
    """Return what `GET /v1/sites/{site}/setup` answers; `last_events` are types with times in ms."""
    return {
        "site": site.id,
        "tracking": _tracking(site, tracking) if tracking else None,
        "webpush": _web_push(web_push) if web_push else None,
        "missing": [one._asdict() for one in missing(site, tracking)],
        "last_events": [
            {"type": kind, "delivered_at": time_of(at), "age_seconds": max(0, now_ms - at) // 1000}
            for kind, at in last_events.items()
        ],
    }


def _tracking(site: Site, tracking: Tracking) -> dict[str, Any]:
    return {
        "domain": tracking.domain,
        "site_id": tracking.site_id,
        "sent_as": sent_as(site),
        "site_ids_agree": None if tracking.site_id is None else tracking.site_id == sent_as(site),
        "script_fetched_at": time_of(tracking.fetched_at) if tracking.html else None,
        "script_is_given": tracking.is_given,
    }


def _web_push(web_push: WebPush) -> dict[str, Any]:
    return {
        "domain": web_push.domain,
        "worker": web_push.origin + web_push.path,
        "scope": web_push.scope,
        "registered_instead": registered_instead(web_push),
        "needs_header": needs_header(web_push.path, web_push.scope),
        "fetched_at": time_of(web_push.fetched_at),
    }


def missing(site: Site, tracking: Tracking | None) -> list[Missing]:
    """Return what is to be done, in that order."""
    if tracking is None:
        return [Missing("tracking", "no domain is registered through this gateway", command(site.id))]
    of_domain = command(site.id, tracking.domain)
    found = []
    if tracking.html is None:
        found.append(Missing("script", "eSputnik's script was not fetched yet", of_domain))
    if tracking.site_id is None:
        found.append(Missing("site_id", UNTOLD, f"{of_domain} --site-id ID"))
    elif tracking.site_id != sent_as(site):
        why = f"events name {sent_as(site)} to eSputnik, but the domain's siteId is {tracking.site_id}"
        do = f'in the configuration of this site: tracker_site_id = "{tracking.site_id}"'
        found.append(Missing("tracker_site_id", why, do))
    return found


def no_public_url(host: str) -> Missing:
    """Return that links lead to the host under which somebody asked the gateway, for want of a better one."""
    why = f"the link leads to {host}, where you asked, and shoppers' browsers may not get there"
    do = 'in the configuration: listen.public_url = "https://events.shop.example"; it needs a restart'
    return Missing("public_url", why, do)


UNTOLD = (
    "eSputnik tells a siteId only when a domain is new, and this one was there: it stands in what the shop's "
    "pages post to the tracker, as GeneralInfo.siteId, and in the account; give it with --site-id"
)


def command(site: str, domain: str = "DOMAIN") -> str:
    """Return the command that sets up tracking."""
    return f"gateway setup tracking --site {site} --domain {domain}"
