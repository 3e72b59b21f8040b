"""What the gateway and eSputnik told, judged. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from gateway.config import Config, Site
from gateway.doctor.finding import Finding, broken, ok, unknown, warning
from gateway.esputnik.client import AccountInfo, Reached
from gateway.esputnik.errors import EsputnikError, KeyRefused, Unavailable
from gateway.setup.commands import ago

CLOCK_SECONDS = 60
"""How far our clock may be off before events look as if they came from another time."""
_BACKLOG_SECONDS = 900
_SILENT_SECONDS = 3 * 24 * 3600
_AUTOMATIC = "PageView"
"""What eSputnik's script sends by itself."""
_WANTED = {
    "ProductPage": "a product is looked at",
    "StatusCart": "a cart changes",
    "PurchasedItems": "an order is placed",
    "CustomerData": "a shopper logs in or is recognised",
}
"""Tracking events without which eSputnik's blocks and workflows have nothing to go on, and their moments."""


def configuration(config: Config, site: Site) -> Finding:
    """Judge what can be told without asking anybody."""
    if not site.api_key.get_secret_value():
        do = "make an API key in eSputnik's account and write it there"
        return broken("configuration", f"sites.{site.id}.api_key is missing", do)
    others = f", one of {len(config.sites)} sites" if len(config.sites) > 1 else ""
    return ok("configuration", f"is read: {site.id}{others}, stream {config.stream.kind}")


def key(outcome: AccountInfo | EsputnikError, api_url: str) -> Finding:
    """Judge eSputnik's answer to the key."""
    if isinstance(outcome, AccountInfo):
        number = "" if outcome.org_id is None else f" (organisation {outcome.org_id})"
        return ok("key", f"opens the account of {outcome.organisation or 'an organisation'}{number}")
    if isinstance(outcome, KeyRefused):
        do = "make a new key in eSputnik's account, write it to api_key and send the gateway a SIGHUP"
        return broken("key", "eSputnik refuses api_key: it is wrong or disabled", do)
    if isinstance(outcome, Unavailable):
        return broken("key", f"{api_url}: {outcome}", "see that this host reaches api_url")
    return warning("key", f"{api_url}: {outcome}", "ask again in a minute")


def tracker(outcome: Reached | EsputnikError, url: str) -> Finding:
    """Judge whether the tracker is there; OPTIONS is what browsers ask before they post, and no event."""
    if isinstance(outcome, Reached) and outcome.status < 500:
        return ok("tracker", f"{url} answered OPTIONS with {outcome.status}; no event was sent")
    said = f"answered OPTIONS with {outcome.status}" if isinstance(outcome, Reached) else str(outcome)
    return broken("tracker", f"{url}: {said}", "see that this host reaches tracker_url")


def clock(answers: Iterable[Reached | EsputnikError]) -> Finding:
    """Judge our clock by the first answer that has a date."""
    for answer in answers:
        if isinstance(answer, Reached) and answer.ahead is not None:
            ahead = round(answer.ahead)
            if abs(ahead) <= CLOCK_SECONDS:
                return ok("clock", f"within {max(1, abs(ahead))} s of eSputnik's")
            side = "ahead of" if ahead > 0 else "behind"
            do = "let this host's clock be set by NTP: events without a time take the gateway's"
            return warning("clock", f"{abs(ahead)} s {side} eSputnik's", do)
    return unknown("clock", "no answer of eSputnik has a date")


def tracking(setup: Mapping[str, Any] | None) -> list[Finding]:
    """Judge the domain, its siteId and its script, as the gateway has them."""
    if setup is None:
        return [unknown("domain", "only the running gateway knows")]
    missing = [
        (broken if one["what"] == "tracker_site_id" else warning)("domain", one["why"], one["do"])
        for one in setup["missing"]
    ]
    if missing:
        return missing
    known = setup["tracking"]
    return [ok("domain", f"{known['domain']} is registered, siteId {known['site_id']}")]


def events(setup: Mapping[str, Any] | None, site: Site) -> Finding:
    """Judge when events of each type were last delivered."""
    if setup is None:
        return unknown("events", "only the running gateway knows")
    ages = {one["type"]: one["age_seconds"] for one in setup["last_events"]}
    wanted = {kind: when for kind, when in _WANTED.items() if site.sources.get(kind) != "browser"}
    post = "; ".join(f"{kind} when {when}" for kind, when in wanted.items() if kind not in ages)
    if wanted and not wanted.keys() & ages.keys():
        said = f"none of {', '.join(wanted)} was ever delivered"
        return warning("events", said, f"post to /v1/events: {post}")
    if not ages:
        return unknown("events", "none was delivered yet, and the browser sends all of those that count")
    if min(ages.values()) > _SILENT_SECONDS:
        said = f"none was delivered for {ago(min(ages.values()))}"
        return warning("events", said, "see that the shop still posts to the gateway")
    last = ", ".join(f"{kind} {ago(age)} ago" for kind, age in ages.items() if kind in _WANTED)
    never = f"; not yet: {post}" if post else ""
    return ok("events", f"{last or 'some were delivered'}{never}{_carts(ages)}{_automatic(ages, site)}")


def _carts(ages: Mapping[str, int]) -> str:
    if "StatusCart" not in ages:
        return ""
    return "; eSputnik shows no cart recommendation blocks on the site for a StatusCart that a backend sends"


def _automatic(ages: Mapping[str, int], site: Site) -> str:
    if _AUTOMATIC not in ages or site.tracker == "open":
        return ""
    return f"; {_AUTOMATIC} comes from a backend, and eSputnik's script sends it by itself, too"


def delivery(text: str | None, site: str) -> list[Finding]:
    """Judge what the gateway's metrics say of the way to eSputnik."""
    if text is None:
        return [unknown("delivery", "the gateway's metrics cannot be read from here")]
    told = _samples(text, site)
    stopped = told.get(("gateway_site_stopped",))
    if stopped is None:
        return [unknown("delivery", "another process delivers for this site: see its metrics")]
    if stopped:
        do = "repair api_key and send the gateway a SIGHUP; nothing is lost meanwhile"
        return [broken("delivery", "stands still, for eSputnik refuses the key", do)]
    found = [
        warning("delivery", f"{name[1]} is left alone after failures", "see what eSputnik answers in the log")
        for name, value in told.items()
        if name[0] == "gateway_circuit_open" and value
    ]
    age = told.get(("gateway_backlog_age_seconds", "deliver"), 0.0)
    count = round(told.get(("gateway_backlog_records", "deliver"), 0.0))
    if age > _BACKLOG_SECONDS:
        do = "see that eSputnik answers, and that `rate` is not too low"
        found.append(warning("delivery", f"{count} records wait, the oldest for {ago(round(age))}", do))
    return found or [ok("delivery", f"goes on, {count} records wait")]


def _samples(text: str, site: str) -> dict[tuple[str, ...], float]:
    """Return the site's gauges, by their names and their other label."""
    try:
        families = list(text_string_to_metric_families(text))
    except ValueError:
        return {}
    return {
        (sample.name, *(value for label, value in sample.labels.items() if label != "site")): sample.value
        for family in families
        for sample in family.samples
        if sample.labels.get("site") == site
    }


def dead_letters(answer: Mapping[str, Any] | None, site: str) -> Finding:
    """Judge how many records eSputnik refused for good."""
    if answer is None:
        return unknown("dead letters", "only the running gateway knows")
    groups: Sequence[Mapping[str, Any]] = answer["groups"]
    if not groups:
        return ok("dead letters", "none")
    counts = ", ".join(f"{group['count']} {group['type']} ({group['reason']})" for group in groups[:3])
    do = f"gateway dead list --site {site}, then show, fix and replay"
    return warning("dead letters", f"{sum(group['count'] for group in groups)}: {counts}", do)
