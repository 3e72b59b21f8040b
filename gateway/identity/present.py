"""Who is on a cookie now, and on which cookie a customer: one lean read each, for somebody who waits."""

from gateway.identity.facts import CUSTOMER, Moment
from gateway.identity.links import read
from gateway.identity.questions import Question
from gateway.identity.rules import Rules
from gateway.identity.settings import StitchSettings
from gateway.identity.sites import read_merged
from gateway.store import Store


async def customer_on(
    store: Store, site: str, cookie: str, settings: StitchSettings, now_ms: int
) -> str | None:
    """Return the customer whose the cookie is now; None where it is nobody's, or a guest's.

    Raises Unreachable.
    """
    now = _moment(settings, now_ms)
    asked = Question({site}, {(site, cookie): now[0]}, set(), set(), now[0])
    rules = await _rules(store, asked, site, settings)
    link = rules.timelines.before(cookie, now)
    if link is None or not link.is_open(now) or not link.owner.startswith(CUSTOMER):
        return None
    return link.owner.removeprefix(CUSTOMER)


async def cookie_of(
    store: Store, site: str, customer: str, settings: StitchSettings, now_ms: int
) -> str | None:
    """Return the newest cookie that is the customer's now, as rule 8 picks it; None without one.

    Raises Unreachable.
    """
    now = _moment(settings, now_ms)
    name = CUSTOMER + customer
    asked = Question({site}, {}, {(site, name)}, {(site, name)}, now[0])
    rules = await _rules(store, asked, site, settings)
    return rules.newest_open_link(rules.owners.owner(name, now), now)


def _moment(settings: StitchSettings, now_ms: int) -> Moment:
    """Return the present by a clock as far ahead as a sender's may be: his login counts at once."""
    return now_ms + settings.clock_tolerance_ms, ""


async def _rules(store: Store, asked: Question, site: str, settings: StitchSettings) -> Rules:
    async with store.transaction() as transaction:
        merged = await read_merged(transaction, site)
        known = await read(transaction, asked, {site: settings}, {site: merged})
    return Rules(known.facts[site], settings)
