"""Generated events in the stand-in. GEN is docs page 30168914290, VAL 29685675536, PAST 29352572214."""

from typing import Any

import pytest

from tests.sandbox.conftest import OLENA, Account

EMAIL = {"name": "email", "value": "olena@example.com"}


async def generate(account: Account, version: str = "v1", **event: Any) -> tuple[int, Any]:
    return await account.call("POST", f"/api/{version}/event", {"eventTypeKey": "cartLeft"} | event)


@pytest.mark.parametrize("version", ["v1", "v2", "v3"])
async def test_each_version_takes_its_form_of_params(account: Account, version):
    """registerevent: v1 and v2 an array of {name, value}, v3 an object."""
    params: Any = {"email": "olena@example.com"} if version == "v3" else [EMAIL]
    other: Any = [EMAIL] if version == "v3" else {"email": "olena@example.com"}
    assert await generate(account, version, params=params) == (200, "")
    assert (await generate(account, version, params=other))[0] == 400
    (event,) = await account.shown("events")
    assert (event["params"], event["keyValue"]) == ({"email": "olena@example.com"}, "olena@example.com")


async def test_an_event_is_its_contacts_by_the_strongest_identifier(account: Account):
    """VAL: contactId > externalCustomerId > email > phone > pushToken; 29432212138: in any case."""
    made = (await account.contact(OLENA))[1]["id"]
    named = {"Contact_ID": made, "EXTERNALCUSTOMERID": "42", "UserEmail": "olena@example.com"}
    for name, value in named.items():
        params = [{"name": name, "value": value}, {"name": "sms", "value": "380999999999"}]
        await generate(account, params=params)
    await generate(account, keyValue="+38 050 123 45 67")
    await generate(account, keyValue="nobody@x.ua")
    assert [event["contact"] for event in await account.shown("events")] == [made] * 4 + [None]
    assert len((await account.contacts())[0]["history"]) == 4


async def test_an_event_makes_no_contact(account: Account):
    """GORD against 29432212138 and the guide: the pages contradict each other; nothing may depend on it."""
    await generate(account, "v2", params=[EMAIL])
    assert await account.contacts() == []


@pytest.mark.parametrize(
    ("event", "said"),
    [
        ({"eventTypeKey": ""}, "eventTypeKey is required"),
        ({"eventTypeKey": "x" * 101, "keyValue": "1"}, "eventTypeKey is longer than 100"),
        ({"eventTypeKey": "a?b", "keyValue": "1"}, "eventTypeKey has forbidden characters"),
        ({"keyValue": "1" * 301}, "keyValue is longer than 300"),
        ({"keyValue": "1;2"}, "keyValue has forbidden characters"),
        ({}, "keyValue, or a parameter that identifies a contact, is required"),
        ({"params": [{"name": "size", "value": "M"}]}, "keyValue, or a parameter"),
        ({"keyValue": "1", "params": [{"name": "size"}]}, "must have name and value"),
        ({"params": [EMAIL, EMAIL]}, "Names of params must be unique"),
        ({"params": [{"name": "n" * 101, "value": 1}, EMAIL]}, "1 to 100 characters"),
        ({"params": [{"name": "cart", "value": {"a": 1}}, EMAIL]}, "must be escaped text"),
    ],
)
async def test_an_event_that_breaks_a_rule_is_refused(account: Account, event, said):
    """GEN, VAL: lengths 100, 300, 100; forbidden characters; an identifier; unique names; v1 nests text."""
    status, text = await generate(account, **event)
    assert status == 400
    assert said in text
    assert await account.shown("events") == []


async def test_an_event_of_more_than_20_kb_is_refused(account: Account):
    """GEN: 20 kB."""
    assert (await generate(account, keyValue="1", params=[{"name": "x", "value": "x" * 19_000}]))[0] == 200
    assert (await generate(account, keyValue="1", params=[{"name": "x", "value": "x" * 20_000}]))[0] == 400


async def test_v2_takes_json_to_the_second_level_and_deeper_as_text(account: Account):
    """GEN: nested JSON to the 2nd level, deeper stays text."""
    deep = {"a": {"b": {"c": 1}}, "list": [{"d": [1]}]}
    await generate(account, "v2", params=[EMAIL, {"name": "cart", "value": deep}])
    (event,) = await account.shown("events")
    assert event["params"]["cart"]["a"] == {"b": '{"c":1}'}


@pytest.mark.parametrize("nothing", ["", " ", "null", None])
async def test_v2_ignores_an_external_id_that_is_none(account: Account, nothing):
    """GEN: "", " ", "null" or null is ignored."""
    empty = {"name": "externalCustomerId", "value": nothing}
    assert (await generate(account, "v2", params=[empty]))[0] == 400
    assert (await generate(account, "v2", params=[empty, EMAIL]))[0] == 200
    assert "externalCustomerId" not in (await account.shown("events"))[0]["params"]


@pytest.mark.parametrize(
    ("contact", "status"),
    [
        ('{"firstName": "Олена", "channels": [{"type": "email", "value": "o@x.ua"}]}', 200),
        ('{"firstName": "' + "О" * 61 + '", "channels": [{"type": "email", "value": "o@x.ua"}]}', 400),
        ('{"firstName": "R2D2C3PO4", "channels": [{"type": "email", "value": "o@x.ua"}]}', 400),
        ('{"firstName": "Олена"}', 400),
        ("{", 400),
    ],
)
async def test_contact_json_is_validated_as_a_contact(account: Account, contact, status):
    """GEN: contactJson is validated as a contact, a bad name makes a 400; 60 characters, 3 digits."""
    params = [EMAIL, {"name": "contactJson", "value": contact}]
    assert (await generate(account, params=params))[0] == status


async def test_a_type_whose_validation_is_on_names_what_it_requires(
    account: Account,
):
    """VAL: a 400 and the required list, as a sentence plus a JSON array."""
    await account.call("POST", "/_sandbox/event-types", {"cartLeft": ["size", "email"]})
    status, text = await generate(account, params=[EMAIL])
    assert (status, text[text.index("[") :]) == (400, '["size","email"]')
    assert (await generate(account, params=[EMAIL, {"name": "size", "value": "M"}]))[0] == 200
    assert (await account.call("POST", "/_sandbox/event-types", {"cartLeft": "size"}))[0] == 400


async def test_the_same_event_again_within_a_minute_is_a_409_but_the_same_key_is_not(account: Account):
    """registerevent: 409 on repeat; whether keyValue alone makes a repeat the pages contradict each other."""
    assert (await generate(account, keyValue="1"))[0] == 200
    assert (await generate(account, keyValue="1"))[0] == 409
    assert (await generate(account, keyValue="1", params=[{"name": "size", "value": "M"}]))[0] == 200


def past(count: int = 1, **changes: Any) -> dict[str, Any]:
    one = {"eventTypeKey": "visited", "keyValue": "olena@example.com", "occurred": "2020-05-14T10:11"}
    return {"events": [one | changes for _ in range(count)]}


async def test_past_events_keep_the_time_at_which_they_occurred(account: Account):
    """How to send past events: v1/past_events; PAST: YYYY-MM-DD or YYYY-MM-DDTHH:mm."""
    made = (await account.contact(OLENA))[1]["id"]
    assert (await account.call("POST", "/api/v1/past_events", past()))[0] == 200
    assert (await account.call("POST", "/v2/past_events/", past(occurred="2020-05-14")))[0] == 200
    events = await account.shown("events")
    assert [event["occurred"] for event in events] == ["2020-05-14T10:11", "2020-05-14"]
    assert {event["contact"] for event in events} == {made}


@pytest.mark.parametrize(
    "body",
    [past(501), past(0), past(occurred="14.05.2020"), past(occurred=None), past(eventTypeKey=None), {}],
)
async def test_past_events_that_break_a_rule_are_refused_together(account: Account, body):
    """PAST: 500 a request."""
    assert (await account.call("POST", "/v1/past_events", body))[0] == 400
    assert await account.shown("events") == []


async def test_events_are_not_deleted_until_support_enables_it(account: Account):
    """PAST: DELETE with from and to is off until support enables it."""
    assert (await account.call("DELETE", "/v1/event", {"from": "2026-01-01", "to": "2026-01-02"}))[0] == 403
