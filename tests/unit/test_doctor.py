"""What the doctor makes of what it is told."""

from typing import Any

import pytest

from gateway.config import Site
from gateway.doctor import judging, judging_shop
from gateway.doctor.finding import Finding, State, exit_status, ok
from gateway.doctor.showing import screen
from gateway.esputnik.client import AccountInfo, Reached
from gateway.esputnik.errors import Unavailable
from gateway.product_keys.comparing import standings
from gateway.setup.worker import Seen

SITE = Site(id="shop", keys=["shop-key"])
DAY = 24 * 3600
KEYS = [f"K-{number}" for number in range(30)]
OTHERS = [f"X-{number}" for number in range(30)]
LOADER = 's.src="https://cdn.esputnik.com/scripts/8DDD38C3.js"'
GAUGES = """# TYPE gateway_site_stopped gauge
gateway_site_stopped{{site="shop"}} {stopped}
gateway_site_stopped{{site="other"}} 1.0
# TYPE gateway_circuit_open gauge
gateway_circuit_open{{endpoint="tracker",site="shop"}} {open}
# TYPE gateway_backlog_records gauge
gateway_backlog_records{{site="shop",stage="deliver"}} 3.0
# TYPE gateway_backlog_age_seconds gauge
gateway_backlog_age_seconds{{site="shop",stage="deliver"}} {age}
"""


def events(site: Site = SITE, **ages: int) -> Finding:
    told = [{"type": kind, "age_seconds": age} for kind, age in ages.items()]
    return judging.events({"last_events": told}, site)


@pytest.mark.parametrize(
    ("ahead", "state", "says"),
    [
        (3.2, "ok", "within 3 s"),
        (-59.0, "ok", "within 59 s"),
        (61.0, "warning", "61 s ahead of"),
        (-3600.0, "warning", "3600 s behind"),
    ],
)
def test_a_clock_that_is_a_minute_off_is_told(ahead: float, state: str, says: str):
    found = judging.clock([Unavailable("no answer"), Reached(404, None), Reached(405, ahead)])
    assert found.state == state
    assert says in found.says


def test_a_clock_is_not_judged_without_a_date():
    assert judging.clock([Unavailable("no answer"), Reached(405, None)]).state == "unknown"


@pytest.mark.parametrize(
    ("outcome", "state"), [(Reached(204, 0), "ok"), (Reached(502, 0), "broken"), (Unavailable("x"), "broken")]
)
def test_a_tracker_that_answers_at_all_is_reached(outcome: Any, state: str):
    assert judging.tracker(outcome, "https://tracker.example").state == state


def test_a_key_tells_whose_it_is():
    assert judging.key(AccountInfo("Shop", 7), "").says == "opens the account of Shop (organisation 7)"
    assert judging.key(Unavailable("no answer: TimeoutError"), "https://api.example").state == "broken"


def test_a_shop_that_posts_none_of_what_counts_is_told_what_to_post():
    found = events(PageView=5)
    assert found.state == "warning"
    assert "StatusCart when a cart changes; PurchasedItems when an order is placed" in found.do


def test_what_is_not_posted_yet_is_told_beside_what_is():
    found = events(StatusCart=7200, PageView=1)
    assert found.state == "ok"
    assert found.says.startswith("StatusCart 2 h ago; not yet: ProductPage when a product is looked at; ")
    assert "eSputnik's script sends it by itself" in found.says


def test_carts_of_a_backend_are_told_with_what_they_cost():
    assert "shows no cart recommendation blocks on the site" in events(StatusCart=1).says
    assert "recommendation" not in events(ProductPage=1).says


def test_a_type_that_the_browser_sends_is_not_asked_of_a_backend():
    site = Site(id="shop", keys=["shop-key"], sources=dict.fromkeys(judging._WANTED, "browser"))
    assert events(site).state == "unknown"
    assert events(site, CategoryPage=1).state == "ok"


def test_silence_for_days_is_a_warning():
    assert "none was delivered for 4 d" in events(StatusCart=4 * DAY).says


@pytest.mark.parametrize(
    ("changes", "states"),
    [
        ({}, ["ok"]),
        ({"stopped": 1.0}, ["broken"]),
        ({"open": 1.0}, ["warning"]),
        ({"age": 901.0}, ["warning"]),
        ({"open": 1.0, "age": 901.0}, ["warning", "warning"]),
    ],
)
def test_delivery_is_judged_by_the_sites_own_gauges(changes: dict[str, float], states: list[str]):
    text = GAUGES.format(**({"stopped": 0.0, "open": 0.0, "age": 0.0} | changes))
    assert [found.state for found in judging.delivery(text, "shop")] == states


def test_a_process_that_does_not_deliver_says_nothing_of_delivery():
    (found,) = judging.delivery(GAUGES.format(stopped=0.0, open=0.0, age=0.0), "elsewhere")
    assert found.state == "unknown"


@pytest.mark.parametrize(
    ("text", "script", "state"),
    [
        (f"<script>{LOADER}</script>", LOADER, "ok"),
        ('<script async src="https://gate.example/sites/shop/tracking.js"></script>', None, "ok"),
        ('<script async src="https://gate.example/sites/shop2/tracking.js"></script>', LOADER, "broken"),
        ("<script>eS('init', {})</script>", None, "ok"),
        ("<script>eS('init', {})</script>", LOADER, "broken"),
        ("<script src='https://www.googletagmanager.com/gtm.js?id=1'>", LOADER, "warning"),
        ("<html></html>", LOADER, "broken"),
    ],
)
def test_a_page_is_searched_for_this_sites_script(text: str, script: str | None, state: str):
    assert judging_shop.page("shop", "shop.example", text, script).state == state


@pytest.mark.parametrize(
    ("status", "content_type", "text", "says"),
    [
        (
            200,
            "application/javascript; charset=utf-8",
            "importScripts('https://own.example/sw.js');",
            "imports",
        ),
        (404, "text/html", "<html>", "is answered with 404"),
        (200, "text/html", "<html>", "is answered with a web page (text/html)"),
        (200, "text/javascript", "<html>", "is answered with a web page (text/javascript)"),
        (200, "text/plain; charset=utf-8", "importScripts('/a.js')", "with something else (text/plain)"),
        (200, "text/javascript", "importScripts('https://cdn.onesignal.com/sw.js');", "OneSignal"),
    ],
)
def test_a_worker_has_to_be_esputniks_and_javascript(status: int, content_type: str, text: str, says: str):
    seen = Seen("/sw.js", "/", status, content_type, text, is_whole=True)
    found = judging_shop.worker("shop", "shop.example", seen, "/", None, ["https://own.example/sw.js"])
    assert says in found.says
    assert (found.state == "ok") == (says == "imports")


YESPO = "importScripts('https://push.yespo.io/{}.js');"


@pytest.mark.parametrize(
    ("path", "allowed", "scope", "state", "says"),
    [
        ("/sw.js", "", "/", "ok", "for the scope /"),
        ("/push/sw.js", "", "/push/", "ok", ""),
        ("/push/sw.js", "", "/", "broken", "comes without Service-Worker-Allowed, so browsers refuse"),
        ("/push/sw.js", "/", "/", "ok", ""),
        ("/push/sw.js", "..", "/", "ok", ""),
        ("/push/sw.js", "https://shop.example/", "/", "ok", ""),
        ("/push/sw.js", "/uk/", "/", "broken", "with Service-Worker-Allowed: /uk/, so browsers refuse"),
        ("/sw.js", "/uk/", "/", "broken", "refuse it the scope /"),
        ("/push/sw.js", "http://[", "/", "broken", "refuse it the scope /"),
    ],
)
def test_a_worker_needs_the_header_that_its_scope_needs(
    path: str, allowed: str, scope: str, state: str, says: str
):
    text = YESPO.format("sw")
    seen = Seen(path, "/", 200, "text/javascript", text, is_whole=True, allowed=allowed)
    found = judging_shop.worker("shop", "shop.example", seen, scope, text, [])
    assert (found.state, says in found.says) == (state, True), found


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (YESPO.format("given"), "ok"),
        (f"// ours\n{YESPO.format('given')}\nself.addEventListener('push', own);", "ok"),
        (YESPO.format("of-another-domain"), "warning"),
        (f"{YESPO.format('another')} // {YESPO.format('given')[:-1]}", "warning"),
        ("importScripts('https://own.example/sw.js');", "ok"),
    ],
)
def test_a_worker_of_esputniks_that_is_not_the_one_it_gave_is_told(text: str, state: str):
    seen = Seen("/sw.js", "/", 200, "text/javascript", text, is_whole=True)
    given = YESPO.format("given")
    ours = ["https://push.yespo.io/given.js", "https://own.example/sw.js"]
    assert judging_shop.worker("shop", "shop.example", seen, "/", given, ours).state == state


@pytest.mark.parametrize(
    ("tracked", "state"), [(["X-1"], "unknown"), (["K-1", "X-1"], "ok"), (KEYS, "ok"), (OTHERS, "broken")]
)
def test_ids_are_judged_only_where_enough_of_them_are_known(tracked: list[str], state: str):
    samples = {"feed": KEYS, "tracking": tracked}
    sampled = {source: list(enumerate(keys)) for source, keys in samples.items()}
    assert judging_shop.ids(standings(sampled)).state == state


@pytest.mark.parametrize(
    ("of_push", "state", "says"),
    [
        (None, "unknown", "is not set up"),
        ("www.shop.example", "warning", "is set up at www"),
    ],
)
def test_web_push_belongs_where_tracking_is(of_push: str | None, state: str, says: str):
    found = judging_shop.no_worker("shop", "shop.example", of_push)
    assert (found.state, says in found.says) == (state, True)


def test_the_exit_status_tells_the_worst():
    states = [State.OK, State.UNKNOWN, State.WARNING, State.BROKEN]
    findings = [Finding("x", state, "") for state in states]
    assert [exit_status(findings[: most + 1]) for most in range(4)] == [0, 0, 1, 2]


def test_what_others_wrote_moves_no_cursor():
    (line, *_) = screen([ok("feed", "\x1b[2Jgone")])
    assert "\x1b[2J" not in line
