"""What the shop shows, judged: its page, its worker, its feed, its ids. Pure."""

import re
from collections.abc import Collection, Mapping
from typing import Any

from gateway.config import Feeds
from gateway.doctor.finding import Finding, broken, ok, unknown, warning
from gateway.feed.watching import is_good
from gateway.product_keys.comparing import Standing
from gateway.setup.pages import TRACKING_PATH
from gateway.setup.status import command
from gateway.setup.worker import Seen, is_as_given, worker_in

_LOADED = re.compile(r"https?://[^\s\"'<>]+/([^\s\"'<>/?]+)\.js\b")
_INIT = re.compile(r"\beS\s*\(\s*['\"]init['\"]")
_TAG_MANAGER = "googletagmanager.com/gtm.js"
_EXAMPLES = 3


def page(site: str, domain: str, text: str, script: str | None) -> Finding:
    """Judge whether the home page has the site's tracking script, `script` as the gateway serves it."""
    if TRACKING_PATH.format(site=site) in text:
        return ok("page", f"{domain} loads the tracking script from the gateway")
    marks = _LOADED.findall(script or "")
    if any(mark in text for mark in marks):
        return ok("page", f"{domain} has the tracking script")
    do = f"paste what `{command(site, domain)}` prints before </head> of every page"
    if _INIT.search(text):
        if not marks:
            return ok("page", f"{domain} has a tracking script of eSputnik's")
        return broken("page", f"{domain} has a tracking script of eSputnik's that is not this domain's", do)
    if _TAG_MANAGER in text:
        said = f"{domain} has no tracking script but a tag manager, which may bring it and is not looked into"
        return warning("page", said, do)
    return broken("page", f"{domain} has no tracking script", do)


def worker(
    site: str, domain: str, seen: Seen, scope: str, given: str | None, ours: Collection[str]
) -> Finding:
    """Judge what stands where the web push worker should, for the pages of the `scope`.

    `given` is the worker as eSputnik gave it, if that is known, `ours` are addresses of eSputnik's worker.
    """
    place = f"{domain}{seen.path}"
    do = f"let it answer with the worker, as `gateway setup webpush --site {site} --domain {domain}` says"
    if seen.status != 200:
        return broken("worker", f"{place} is answered with {seen.status}", do)
    found = worker_in(seen, ours)
    if found is None:
        said = f"{place} is answered with {_kind(seen)}, and browsers take a worker as JavaScript alone"
        return broken("worker", said, do)
    if not found.takes_ours:
        return broken("worker", f"{place} does not import eSputnik's worker: {found.provider}", do)
    if not scope.startswith(seen.widest_scope):
        return _narrow_worker(place, seen, scope)
    if given is not None and not is_as_given(found, given, ours):
        return warning("worker", f"{place} is a worker of eSputnik's, but not the one that it gave", do)
    return ok("worker", f"{place} imports eSputnik's, for the scope {scope}")


def _narrow_worker(place: str, seen: Seen, scope: str) -> Finding:
    """Judge a worker that browsers refuse to register for its scope."""
    comes = (
        f"with Service-Worker-Allowed: {seen.allowed}" if seen.allowed else "without Service-Worker-Allowed"
    )
    said = f"{place} comes {comes}, so browsers refuse it the scope {scope}"
    do = f"let the shop's server send Service-Worker-Allowed: {scope} with it, as the gateway does"
    return broken("worker", said, do)


def no_worker(site: str, domain: str, of_push: str | None) -> Finding:
    """Judge that web push is not set up where tracking is, but at the domain `of_push` or nowhere."""
    do = f"gateway setup webpush --site {site} --domain {domain}"
    if of_push is None:
        return unknown("worker", "web push is not set up through this gateway", do)
    said = f"web push is set up at {of_push}, and tracking at {domain}"
    return warning("worker", said, f"set both up at one of the two; for this one: {do}")


def unregistered_worker(site: str, domain: str, path: str | None, other: str) -> Finding:
    """Judge that the pages' script registers another worker than the one set up at `path`."""
    again = f"gateway setup webpush --site {site} --domain {domain} --worker-path {other}"
    do = f"change the worker's path in eSputnik's account, or set it up there: {again}"
    return broken("worker", f"eSputnik's script for {domain} registers {other}, not {path}", do)


def _kind(seen: Seen) -> str:
    """Return what stands in the place of a worker."""
    text = seen.text.strip()
    kind = "a web page" if text.startswith("<") else "something else" if text else "nothing"
    return f"{kind} ({seen.content_type.partition(';')[0]})"


def feed(report: Mapping[str, Any], feeds: Feeds, site: str) -> list[Finding]:
    """Judge what a check found of the site's feeds."""
    return [_feed(one, report, feeds, site) for one in report["feeds"]]


def _feed(one: Mapping[str, Any], report: Mapping[str, Any], feeds: Feeds, site: str) -> Finding:
    name, do = one["name"], f"gateway feed check --site {site} tells each with its line"
    if one["unreadable"]:
        return broken("feed", f"{name}: {one['unreadable']}", do)
    said = f"{name}: {one['products']} products, {one['errors']} errors, {one['warnings']} warnings"
    if not is_good(one, report, feeds):
        return broken("feed", said, do)
    return warning("feed", said, do) if one["errors"] else ok("feed", said)


def ids(standings: Mapping[str, Standing]) -> Finding:
    """Judge whether feed, tracking, orders and products calls name products alike."""
    compared = {source: one for source, one in standings.items() if one.compared}
    if not compared:
        return unknown("product ids", "there are not two sources yet to be compared")
    apart = {source: one for source, one in compared.items() if one.is_apart}
    if apart:
        do = "send one kind of id everywhere, the variant's or the whole product's"
        if any(one.groups for one in apart.values()):
            do += "; those sent now are whole products' (item_group_id), so the variant's is missing there"
        return broken("product ids", "; ".join(_apart(*one) for one in apart.items()), do)
    known = ", ".join(
        f"{source} {one.compared - len(one.unknown)} of {one.compared}" for source, one in compared.items()
    )
    if all(len(one.unknown) == one.compared for one in compared.values()):
        return unknown("product ids", f"too few to conclude anything; known elsewhere: {known}")
    return ok("product ids", f"known elsewhere: {known}")


def _apart(source: str, one: Standing) -> str:
    groups = f", {one.groups} of them groups" if one.groups else ""
    examples = ", ".join(one.unknown[:_EXAMPLES])
    return f"{source}: {len(one.unknown)} of {one.compared} are in no other source{groups} ({examples})"
