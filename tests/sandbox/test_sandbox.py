"""The stand-in eSputnik holds to what eSputnik documents; each claim names its source."""

import asyncio
import re
from pathlib import Path

import aiohttp
import pytest
from aiohttp import encode_basic_auth

from gateway.sandbox import arrived, control
from gateway.sandbox.journal import Journal, Request
from tests.sandbox.conftest import OLENA, Account, person


async def test_the_tracker_takes_one_event_without_a_key_and_ignores_one(account: Account):
    """RESTDOC: no authentication; the Shopify and WooCommerce plugins send Basic all the same."""
    assert await account.track("PageView", "c-1") == 200
    event = {"GeneralInfo": {"eventName": "PageView", "siteId": "shop"}}
    assert (await account.call("POST", "/api/v2/", event, auth=encode_basic_auth("", "wrong")))[0] == 200


@pytest.mark.parametrize("message", [{}, [], {"GeneralInfo": {}}, {"GeneralInfo": {"eventName": "PageView"}}])
async def test_the_tracker_refuses_what_names_no_event_or_site(account: Account, message):
    assert (await account.call("POST", "/api/v2", message))[0] == 400


@pytest.mark.parametrize("path", ["/api/v1/account/info", "/v1/account/info", "/v1/account/info/"])
async def test_any_user_with_the_key_as_password_opens_the_api_on_every_path(account: Account, path):
    """FAQ and Getting started: Basic, arbitrary user; official clients leave the user empty."""
    for user in ("", "user", "anyvalue"):
        status, info = await account.call("GET", path, auth=encode_basic_auth(user, "sandbox-key"))
        assert (status, set(info)) == (200, {"userEmail", "organisationName", "orgId"})
    for auth in (None, encode_basic_auth("user", "wrong"), encode_basic_auth("sandbox-key", "")):
        assert (await account.call("GET", path, auth=auth))[0] == 401


async def test_a_contact_needs_a_channel(account: Account):
    """addcontact-1: at least one channel."""
    assert (await account.contact({"externalCustomerId": "42"}))[0] == 400
    assert (await account.contact(OLENA))[0] == 200


async def test_an_external_id_finds_its_contact_and_an_unknown_one_makes_another(account: Account):
    """External ID: found -> updated; not found -> created."""
    first = (await account.contact(OLENA))[1]["id"]
    assert (await account.contact(OLENA | {"firstName": "Olena"}))[1]["id"] == first
    assert (await account.contact(OLENA | {"externalCustomerId": "43"}))[1]["id"] != first


async def test_without_an_external_id_email_and_then_phone_decide(account: Account):
    first = (await account.contact(OLENA))[1]["id"]
    by_email = {"channels": [{"type": "email", "value": "OLENA@example.com "}]}
    by_phone = {"channels": [{"type": "sms", "value": "380501234567"}], "lastName": "К."}
    assert (await account.contact(by_email))[1]["id"] == first
    assert (await account.contact(by_phone))[1]["id"] == first


async def test_the_same_api_request_within_a_minute_is_a_409_and_changes_nothing(account: Account):
    """addcontact-1: 409; the text contains "Duplicated request" (the Shopify client looks for it)."""
    assert (await account.contact(OLENA))[0] == 200
    status, text = await account.contact(OLENA)
    assert (status, text) == (409, "Duplicated request")
    assert len(await account.contacts()) == 1


async def test_the_tracker_knows_no_repeats(account: Account):
    """No documentation tells of any; StatusCarts of one second look alike."""
    assert [await account.track("PageView", "c-1", datetime=1) for _ in range(2)] == [200, 200]


async def test_a_list_of_one_is_its_bare_element_and_numbers_are_text(account: Account):
    """FAQ samples, and what the Shopify client repairs in each answer."""
    _, made = await account.contact(OLENA | {"channels": OLENA["channels"][:1], "addressBookId": 5})
    status, card = await account.call("GET", f"/api/v1/contact/{made['id']}")
    assert status == 200
    assert card["channels"] == {"type": "email", "value": "Olena@example.com"}
    assert (card["id"], card["addressBookId"]) == (str(made["id"]), "5")


async def test_a_deleted_contact_is_restored_by_its_external_id_but_an_erased_one_is_new(account: Account):
    """CMS integration guide 1.4 and External ID: deleted -> restored and updated; erase removes all data."""
    first = (await account.contact(OLENA))[1]["id"]
    deletion = "/api/v1/contact?externalCustomerId=42&erase="
    assert (await account.call("DELETE", deletion + "false"))[0] == 200
    assert (await account.call("GET", f"/api/v1/contact/{first}"))[0] == 404
    assert (await account.contact(OLENA | {"lastName": "1"}))[1]["id"] == first
    assert (await account.call("DELETE", deletion + "true"))[0] == 200
    assert (await account.contact(OLENA | {"lastName": "2"}))[1]["id"] != first


async def test_customer_data_gives_a_contact_the_history_of_its_cookie(account: Account):
    """External ID: after registration the contact receives the earlier cookie history."""
    await account.track("PageView", "c-1")
    await account.track("StatusCart", "c-1", {"GUID": "1", "Products": []})
    await account.contact(OLENA)
    await account.track("CustomerData", "c-1", externalCustomerId=42)
    await account.track("PageView", "c-1")
    (contact,) = await account.contacts()
    assert contact["cookies"] == ["c-1"]
    assert [deed["event"] for deed in contact["history"]] == [
        "PageView",
        "StatusCart",
        "CustomerData",
        "PageView",
    ]


@pytest.mark.parametrize(
    "identity",
    [
        {"externalCustomerId": 42},
        {"user_email": "olena@EXAMPLE.com"},
        {"user_phone": "+38 (050) 123-45-67"},
    ],
)
async def test_any_event_with_an_identity_joins_the_cookie(account: Account, identity):
    """Identification of contacts: GeneralInfo with identity, in any event."""
    await account.contact(OLENA)
    await account.track("PageView", "c-1", **identity)
    assert (await account.contacts())[0]["cookies"] == ["c-1"]


async def test_the_link_message_of_the_woocommerce_plugin_joins_the_cookie(account: Account):
    await account.contact(OLENA)
    link = {"externalCustomerId": 42, "webId": "c-1", "orgId": 7}
    assert (await account.call("POST", "/api/v2", link))[0] == 200
    assert (await account.contacts())[0]["cookies"] == ["c-1"]


async def test_customer_data_makes_no_contact_but_a_purchase_does(account: Account):
    """JSDOC note: CustomerData matches. CMS integration guide: PurchasedItems creates contact and order."""
    await account.track("CustomerData", "c-1", externalCustomerId="42")
    assert await account.contacts() == []
    await account.track("PurchasedItems", "c-1", {"OrderNumber": "1"}, externalCustomerId="42")
    (contact,) = await account.contacts()
    assert (contact["externalCustomerId"], contact["cookies"]) == ("42", ["c-1"])


async def test_a_cookie_goes_over_to_the_contact_that_logs_in_and_the_past_stays(account: Account):
    await account.contact(OLENA)
    await account.contact({"externalCustomerId": "77", "channels": [{"type": "email", "value": "t@x.ua"}]})
    for event, customer in (("PageView", "42"), ("MainPage", "77")):
        await account.track(event, "c-1", externalCustomerId=customer)
    histories = [[deed["event"] for deed in contact["history"]] for contact in await account.contacts()]
    assert histories == [["PageView"], ["MainPage"]]


async def test_over_200_requests_a_second_are_429(account: Account):
    """addcontact-1: over 200 a second -> 429."""
    statuses = await asyncio.gather(*(account.track("PageView", f"c-{n}") for n in range(400)))
    assert statuses.count(200) >= 200
    assert set(statuses) == {200, 429}


async def test_requests_are_shown_in_order_with_keys_masked(account: Account):
    await account.track("PageView", "c-1")
    await account.contact(OLENA)
    first, second = await account.requests()
    assert (first["method"], first["path"], first["body"]["GeneralInfo"]["eventName"]) == (
        "POST",
        "/api/v2",
        "PageView",
    )
    assert first["at"] <= second["at"]
    assert first["at"].endswith("Z")
    assert second["headers"]["Authorization"] == "***"
    assert second["body"] == OLENA


async def test_requests_are_chosen_by_path_person_and_time(account: Account):
    await account.track("PageView", "c-1")
    await account.track("PageView", "c-2")
    await account.contact(OLENA)
    await account.track("CustomerData", "c-1", externalCustomerId="42")
    assert len(await account.requests(path="/api/v2")) == 3
    assert len(await account.requests(path="/api/*")) == 4
    for name in ("42", "c-1", "olena@example.com"):
        assert len(await account.requests(person=name)) == 3
    assert len(await account.requests(person="c-2")) == 1
    everything = await account.requests()
    assert await account.requests(since=everything[2]["at"], limit="1") == everything[-1:]
    assert (await account.call("GET", "/_sandbox/requests?since=yesterday"))[0] == 400


async def test_a_request_tells_whom_it_is_about_as_far_as_is_known_by_now(account: Account):
    await account.track("PageView", "c-1")
    assert (await account.requests())[0]["person"] == {"kind": "visitor", "id": "c-1", "customer": None}
    _, made = await account.contact(OLENA)
    await account.track("CustomerData", "c-1", externalCustomerId="42")
    expected = {"kind": "contact", "id": str(made["id"]), "customer": "42"}
    assert [request["person"] for request in await account.requests()] == [expected] * 3


async def test_reset_forgets_everything(account: Account):
    await account.contact(OLENA)
    await account.faults({"status": 500, "times": None})
    assert (await account.call("POST", "/_sandbox/reset"))[0] == 204
    assert await account.requests() == []
    assert await account.contacts() == []
    assert (await account.contact(OLENA))[0] == 200


async def test_a_fault_is_answered_as_often_as_ordered_and_only_on_its_path(account: Account):
    orders = {"path": "/api/v2", "status": 503, "times": 2, "retry_after": 7, "body": {"message": "busy"}}
    assert await account.faults(orders) == 200
    assert (await account.contact(OLENA))[0] == 200
    async with account.http.post(f"{account.url}/api/v2", json={}) as answer:
        assert (answer.status, answer.headers["Retry-After"]) == (503, "7")
        assert await answer.json() == {"message": "busy"}
    assert [await account.track("PageView", "c-1") for _ in range(2)] == [503, 200]
    assert [request["status"] for request in await account.requests(path="/api/v2")] == [503, 503, 200]


async def test_a_reset_and_a_hang_leave_the_caller_without_an_answer(account: Account):
    await account.faults({"reset": True}, {"hang": True})
    with pytest.raises(aiohttp.ClientError):
        await account.track("PageView", "c-1")
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await account.track("PageView", "c-1")
    assert [request["status"] for request in await account.requests()] == [None, None]


async def test_a_taken_request_whose_answer_is_lost_has_taken_effect(account: Account):
    await account.faults({"path": "/api/v1/*", "reset": True, "taken": True})
    with pytest.raises(aiohttp.ClientError):
        await account.contact(OLENA)
    assert len(await account.contacts()) == 1
    assert (await account.contact(OLENA))[0] == 409


async def test_a_slow_request_is_answered_all_the_same(account: Account):
    await account.faults({"slow": 0.01})
    assert await account.track("PageView", "c-1") == 200


@pytest.mark.parametrize(
    ("orders", "error"),
    [
        ({}, "the body must be a list of faults"),
        ([1], "/0: must be an object"),
        ([{"status": 500}, {}], "/1: needs exactly one of status, slow, hang, reset"),
        ([{"status": 500, "hang": True}], "/0: needs exactly one of status, slow, hang, reset"),
        ([{"status": 42}], "/0/status: must be an HTTP status"),
        ([{"status": 500, "times": 0}], "/0/times: must be a count, or null for ever"),
        ([{"status": 500, "often": 1}], "/0/often: unknown"),
        ([{"status": 500, "path": 1}], "/0/path: must be a path"),
    ],
)
async def test_an_order_that_makes_no_sense_is_refused_by_name_and_changes_nothing(
    account: Account, orders, error
):
    await account.faults({"status": 500})
    status, answer = await account.call("POST", "/_sandbox/faults", orders)
    assert (status, answer["error"][: len(error)]) == (400, error)
    _, left = await account.call("GET", "/_sandbox/faults")
    assert left == {"faults": [{"path": "*", "status": 500, "times": 1}]}


@pytest.mark.parametrize(
    ("path", "order", "field"),
    [
        ("groups", {"title": "VIP"}, "/name"),
        ("groups", [], "/name"),
        ("feeds", {"url": "http://x.ua"}, "/language"),
        ("event-types", {"cartLeft": [1]}, "object of lists"),
        ("activity", {"rows": []}, "activityDateTime"),
        ("refused", {"o@x.ua": 1}, "object of texts"),
        ("imports", {"seconds": "1"}, "/seconds"),
        ("imports", {"move": "DONE"}, "/move"),
    ],
)
async def test_what_it_is_told_and_cannot_use_is_refused_by_name(account: Account, path, order, field):
    status, answer = await account.call("POST", f"/_sandbox/{path}", order)
    assert status == 400
    assert field in answer["error"]


async def test_what_is_no_json_is_kept_as_it_came(account: Account):
    async with account.http.post(f"{account.url}/api/v2", data=b"\xff{") as answer:
        assert answer.status == 400
    assert (await account.requests())[0]["body"] == "�{"


async def test_the_page_is_served_and_writes_only_text(account: Account):
    status, page = await account.call("GET", "/")
    assert status == 200
    assert "/_sandbox/requests" in page
    assert "innerHTML" not in page


def test_the_journal_forgets_the_oldest_past_its_bounds():
    def request(path: str, size: int) -> Request:
        return Request("2026-11-23T00:00:00.000Z", "POST", path, {}, {}, None, size)

    journal = Journal(requests=3, size=100)
    for number in range(5):
        journal.add(request(f"/{number}", 1))
    assert [r.path for r in journal.find()] == ["/2", "/3", "/4"]
    journal.add(request("/large", 99))
    assert [r.path for r in journal.find()] == ["/4", "/large"]


def test_the_page_about_it_names_every_path_of_its_own():
    page = (Path(__file__).parents[2] / "docs" / "sandbox.md").read_text(encoding="utf-8")
    routes = arrived.routes() + control.routes()
    named = set(re.findall(r"^\| `(/\S*)` \| ([A-Z, ]+) \|", page, re.MULTILINE))
    assert {(path, verb) for path, verbs in named for verb in verbs.split(", ")} == {
        (route.path, route.method) for route in routes
    }


async def test_people_that_are_refused_fail_alone_in_batches(account: Account):
    await account.call("POST", "/_sandbox/refused", {"olena@example.com": "Email is in the stop list"})
    assert await account.contact(OLENA) == (400, "Email is in the stop list")
    answer = await account.bulk(OLENA, person("77", "t@x.ua"), dedupeOn="email")
    assert answer["failedContacts"]["errorMessage"] == "Email is in the stop list"
    order = {"externalOrderId": "1", "totalCost": 5, "status": "DELIVERED", "date": "2026-05-14T10:11:10"}
    orders = [order | {"email": "Olena@example.com"}, order | {"externalOrderId": "2", "email": "t@x.ua"}]
    _, answer = await account.call("POST", "/v1/orders", {"orders": orders})
    assert answer["failedOrders"] == {"externalOrderId": "1", "errorMessage": "Email is in the stop list"}
    assert [one["externalCustomerId"] for one in await account.contacts()] == ["77"]


async def test_counts_follow_what_arrives_and_contacts_are_chosen_by_any_name(account: Account):
    await account.contact(OLENA)
    await account.track("PageView", "c-1", externalCustomerId=42)
    await account.imports(seconds=None)
    await account.call("POST", "/v1/contacts", {"contacts": [person("77", "t@x.ua")]})
    _, counts = await account.call("GET", "/_sandbox/counts")
    assert (counts["contacts"], counts["imports_waiting"]) == (1, 1)
    await account.imports(move="FINISHED")
    _, counts = await account.call("GET", "/_sandbox/counts")
    assert (counts["contacts"], counts["imports_waiting"]) == (2, 0)
    for name in ("42", "c-1", "olena@example.com", "380501234567"):
        _, found = await account.call("GET", f"/_sandbox/contacts?person={name}")
        assert [one["externalCustomerId"] for one in found["contacts"]] == ["42"]
