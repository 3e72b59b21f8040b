from typing import Any

import pytest

from gateway.config import Config, Site
from gateway.errors import ConfigError
from gateway.reload import OF_A_SITE, changes

SITES: list[dict[str, Any]] = [{"id": "one", "keys": ["key-one"]}, {"id": "two", "keys": ["key-two"]}]
RUNNING = Config(sites=SITES, operator={"keys": ["operator-key"]})


def wanted(**values: Any) -> Config:
    return Config(**({"sites": SITES, "operator": {"keys": ["operator-key"]}} | values))


def site(**values: Any) -> dict[str, Any]:
    return {"sites": [SITES[0] | values, SITES[1]]}


def test_nothing_differs():
    assert changes(RUNNING, wanted()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("keys", ["key-one-new", "key-one"]),
        ("tracker", "open"),
        ("tracker_site_id", "es-one"),
        ("sources", {"PageView": "browser"}),
        ("org_id", "7"),
        ("country", "PL"),
        ("strict", True),
        ("blocked_ids", ["none"]),
        ("api_key", "new"),
        ("ingest_rate", 5),
        ("rate", 100),
        ("link_age_days", 3),
        ("back_stitch_days", 3),
        ("cookies_per_customer", 3),
        ("emails_per_customer", 3),
        ("phones_per_customer", 3),
        ("kiosk_customers", 3),
        ("customers_per_contact", 3),
        ("clock_tolerance_seconds", 3),
    ],
)
def test_what_decides_only_what_comes_next_may_change(name, value):
    assert name in OF_A_SITE
    assert changes(RUNNING, wanted(**site(**{name: value}))) == [f"sites.one.{name}"]


def test_the_operators_keys_may_change():
    assert changes(RUNNING, wanted(operator={"keys": ["another-key"]})) == ["operator.keys"]


@pytest.mark.parametrize(
    ("values", "place"),
    [
        ({"listen": {"port": 1}}, "listen.port"),
        ({"limits": {"events": 1}}, "limits.events"),
        ({"stream": {"path": "elsewhere.db"}}, "stream.path"),
        ({"links": {"url": "sqlite:elsewhere.db"}}, "links.url"),
        ({"delivery": {"tries": 1}}, "delivery.tries"),
        ({"logs": {"level": "debug"}}, "logs.level"),
        ({"dev": True}, "dev"),
        ({"operator": {"keys": []}}, "operator.keys"),
        (site(tracker_url="https://elsewhere.example"), "sites.one.tracker_url"),
        (site(api_url="https://elsewhere.example"), "sites.one.api_url"),
        ({"sites": SITES[:1]}, "'two' is removed"),
        ({"sites": [*SITES, {"id": "three", "keys": ["key-three"]}]}, "'three' is added"),
    ],
)
def test_what_is_open_or_shared_needs_a_restart(values, place):
    with pytest.raises(ConfigError) as problem:
        changes(RUNNING, wanted(**values))
    (sentence,) = problem.value.mistakes
    assert place in sentence
    assert "restart" in sentence


def test_every_mistake_is_named_and_no_value():
    with pytest.raises(ConfigError) as problem:
        changes(RUNNING, wanted(**site(tracker_url="https://secret.example"), listen={"port": 4711}))
    assert len(problem.value.mistakes) == 2
    assert "secret" not in str(problem.value)
    assert "4711" not in str(problem.value)


def test_every_setting_that_may_change_is_one_of_a_site():
    assert set(Site.model_fields) > OF_A_SITE
