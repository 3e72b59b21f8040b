"""A site's desk: what is accepted and goes no further, and what is said once."""

import time
from typing import Any

from structlog.testing import capture_logs

from gateway.config import Site
from gateway.ingest.desk import Desk
from gateway.validation import Catalogue
from tests.contracts.shop import counted
from tests.service.conftest import cart, event

CATALOGUE = Catalogue()
LABELS = {"site": "shop", "type": "StatusCart"}


def now() -> int:
    return time.time_ns() // 1_000_000


def desk(**of: Any) -> Desk:
    return Desk(Site(id="shop", keys=["shop-key"], **of), CATALOGUE, 0.0)


def codes(results: Any) -> list[list[str]]:
    return [[one.code for one in result.get("warnings", ())] for result in results]


def test_of_a_batch_what_the_browser_sends_is_set_aside_and_an_invalid_one_is_refused_all_the_same():
    sources = {"StatusCart": "browser", "PageView": "browser", "MainPage": "both", "ProductPage": "backend"}
    page = event("ProductPage", {"Product": {"productKey": "kettle-1"}})
    posted = [event(), page, cart(0), event("MainPage"), {**cart(), "id": "cart-1"}]
    results, records = desk(sources=sources).judge(posted, now())
    assert [result["status"][0] for result in results] == ["a", "a", "r", "a", "a"]
    assert codes(results) == [["not_forwarded"], [], [], [], ["not_forwarded"]]
    assert [result.get("durable") for result in results] == [None, "stream", None, "stream", None]
    assert [record.type for record in records] == ["ProductPage", "MainPage"]
    assert len({result["id"] for result in results if "id" in result}) == 4


def test_what_is_set_aside_is_counted_as_a_warning_alone_and_a_strict_site_refuses_nothing_for_it():
    names = ("gateway_events_warned_total", "gateway_events_accepted_total", "gateway_events_refused_total")
    extra = ({"code": "not_forwarded"}, {}, {"code": "strict_mode"})
    before = [counted(name, **LABELS, **more) for name, more in zip(names, extra, strict=True)]
    strict = desk(sources={"StatusCart": "browser"}, strict=True)
    (result,), records = strict.judge([cart()], now())
    strict.settle(records, now())
    assert (result["status"], records) == ("accepted", [])
    after = [counted(name, **LABELS, **more) for name, more in zip(names, extra, strict=True)]
    assert after == [before[0] + 1, *before[1:]]


def test_a_backends_first_cart_is_told_what_it_costs_once_and_every_one_goes_on():
    shop = desk(strict=True)
    with capture_logs() as logs:
        results, records = shop.judge([event(), cart(), cart(2)], now())
        shop.change(shop.site, 0.0)
        later, more = shop.judge([cart(3)], now())
    assert codes(results) == [[], ["cart_from_backend"], []]
    assert codes(later) == [[]]
    assert len(records + more) == 4
    assert [(log["site"], log["log_level"]) for log in logs] == [("shop", "warning")]


def test_a_site_that_says_its_carts_are_the_backends_is_told_once_too_and_its_log_warns_of_nothing():
    shop = desk(sources={"StatusCart": "backend"})
    with capture_logs() as logs:
        results, records = shop.judge([cart(), cart(2)], now())
    assert (codes(results), len(records)) == ([["cart_from_backend"], []], 2)
    assert [(log["event"], log["log_level"]) for log in logs] == [("cart_from_backend", "info")]
