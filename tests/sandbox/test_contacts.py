"""Single contacts in the stand-in; each claim names the vendor's page that it quotes."""

import pytest

from tests.sandbox.conftest import OLENA, Account, person

PLAIN = {"channels": [{"type": "email", "value": "taras@x.ua"}]}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"channels": [{"type": "pigeon", "value": "x"}]}, "Unknown channel type"),
        ({"channels": [{"type": "email", "value": "none"}]}, "Invalid email"),
        ({"channels": [{"type": "sms", "value": "12"}]}, "Invalid phone"),
        ({"channels": [{"type": "email", "value": f"{n}@x.ua"} for n in range(3)]}, "at most two channels"),
        ({"channels": [{"type": "sms", "value": " "}]}, "at least one channel"),
        (
            {"channels": [{"type": "mobilepush", "value": "t", "device": {"deviceModel": "x" * 51}}]},
            "deviceModel is longer than 50",
        ),
        ({"address": "Kyiv"}, "Address is not an object"),
    ],
)
async def test_a_contact_that_breaks_a_rule_is_a_400_in_words(account: Account, change, said):
    """addcontact-1: channel types, deviceModel up to 50 characters; ns0_contact: two of one type at most."""
    status, text = await account.contact(OLENA | change)
    assert status == 400
    assert said in text


async def test_a_blank_phone_beside_an_email_is_passed_over(account: Account):
    """Yespo-CDP/yespo-woocommerce sends " " for a phone that it does not know."""
    assert (await account.contact(person("42", "o@x.ua", sms=" ")))[0] == 200
    assert (await account.contacts())[0]["channels"] == [{"type": "email", "value": "o@x.ua"}]


async def test_a_body_that_is_no_json_by_its_type_is_a_415(account: Account):
    """addcontact-1: 415."""
    headers = {"Authorization": "Bearer sandbox-key", "Content-Type": "text/plain"}
    async with account.http.post(f"{account.url}/v1/contact", data=b"{}", headers=headers) as answer:
        assert answer.status == 415


async def test_an_update_by_id_changes_and_never_creates(account: Account):
    """updatecontact-1: "it doesn't allow creating contacts"; a live answer of 2015 was a sentence."""
    made = (await account.contact(OLENA))[1]["id"]
    assert await account.call("PUT", f"/api/v1/contact/{made}", {"lastName": "Коваль"}) == (
        200,
        "Contact has been updated",
    )
    (contact,) = await account.contacts()
    assert (contact["firstName"], contact["lastName"]) == ("Олена", "Коваль")
    assert (await account.call("PUT", "/api/v1/contact/5", {"lastName": "К"}))[0] == 404


async def test_an_update_to_an_external_id_of_another_contact_is_an_error(account: Account):
    """External ID: an external id owned by another contact is an error."""
    await account.contact(OLENA)
    other = (await account.contact(person("77", "t@x.ua")))[1]["id"]
    status, text = await account.call("PUT", f"/v1/contact/{other}", {"externalCustomerId": "42"})
    assert (status, text) == (400, "externalCustomerId belongs to another contact")


async def test_a_deletion_by_id_marks_and_the_external_id_restores(account: Account):
    """yespo.io/api: DELETE /v1/contact/{id}; External ID: deleted -> restored and updated."""
    made = (await account.contact(OLENA))[1]["id"]
    assert await account.call("DELETE", f"/v1/contact/{made}/") == (200, "Contact has been deleted")
    assert await account.call("GET", f"/v1/contact/{made}") == (404, "Contact not found")
    assert (await account.contact(OLENA | {"lastName": "1"}))[1]["id"] == made


async def test_an_erased_customer_is_gone_and_his_orders_name_nobody(account: Account):
    """CMS integration guide 1.4: erase=true removes all data and anonymises orders."""
    made = (await account.contact(OLENA))[1]["id"]
    order = {"externalOrderId": "1", "externalCustomerId": "42", "email": "olena@example.com"}
    order |= {"totalCost": 5, "status": "DELIVERED", "date": "2026-05-14T10:11:10"}
    await account.call("POST", "/v1/orders", {"orders": [order]})
    assert (await account.shown("orders"))[0]["contact"] == made
    assert (await account.call("DELETE", "/v1/contact?externalCustomerId=42&erase=false"))[0] == 200
    assert (await account.shown("orders"))[0]["contact"] == made  # "profile and order links stay"
    assert (await account.call("DELETE", "/v1/contact?externalCustomerId=42&erase=true"))[0] == 200
    assert await account.contacts() == []
    (left,) = await account.shown("orders")
    assert not {"externalCustomerId", "email"} & left.keys()
    assert (left["externalOrderId"], left["contact"]) == ("1", None)
    assert not any(event["params"] for event in await account.shown("events"))


async def test_a_deletion_of_nobody_is_a_404_that_says_not_found(account: Account):
    """Yespo-CDP/yespo-shopify counts an error text with "not found" as success."""
    status, text = await account.call("DELETE", "/v1/contact?externalCustomerId=5&erase=true")
    assert (status, text) == (404, "Contact not found")


async def test_a_subscription_makes_an_unconfirmed_contact_its_segments_and_an_event(account: Account):
    """Subscribe contact: unconfirmed; segments are made when missing; the event's key is the contact's id."""
    call = {"contact": PLAIN, "groups": ["News"], "formType": "abc"}
    _, made = await account.call("POST", "/v1/contact/subscribe", call)
    (contact,) = await account.contacts()
    assert (contact["id"], contact["confirmed"]) == (made["id"], False)
    assert [(group["name"], group["contacts"]) for group in await account.shown("groups")] == [
        ("News", [made["id"]])
    ]
    (event,) = await account.shown("events")
    assert (event["eventTypeKey"], event["keyValue"]) == ("subscribeFromApi-abc", str(made["id"]))
    assert event["params"] == {"ContactId": made["id"], "EmailAddress": "taras@x.ua"}


async def test_a_subscription_of_somebody_known_updates_and_says_so(account: Account):
    """Subscribe contact: "existing contact is updated"; with a phone alone there is no EmailAddress."""
    made = (await account.contact(person("42", sms="380501234567")))[1]["id"]
    call = {"contact": person(sms="+38 050 123 45 67", firstName="Тарас")}
    assert (await account.call("POST", "/v1/contact/subscribe", call))[1] == {"id": made}
    (contact,) = await account.contacts()
    assert (contact["firstName"], contact["confirmed"]) == ("Тарас", True)
    (event,) = await account.shown("events")
    assert (event["eventTypeKey"], event["params"]) == ("subscribeUpdateFromApi", {"ContactId": made})


async def test_a_subscription_looks_for_the_external_id_first_then_email_then_phone(account: Account):
    """Subscribe contact: externalCustomerId > email > phone."""
    known = (person("1", "one@x.ua"), person(email="two@x.ua"), person(sms="380500000003"))
    one, two, three = [(await account.contact(contact))[1]["id"] for contact in known]
    asked = (
        person(email="two@x.ua", sms="380500000003"),
        person("1", sms="380500000003"),
        person(email="new@x.ua", sms="380500000004"),
    )
    found = []
    for contact in asked:
        found.append((await account.call("POST", "/v1/contact/subscribe", {"contact": contact}))[1]["id"])
    assert found[:2] == [two, one]
    assert found[2] not in {one, two, three}


async def test_an_app_inbox_token_needs_one_identifier_of_a_contact(account: Account):
    """Page 29499908720: email, phone, externalCustomerId, one at least; OpenCart's key is extid."""
    await account.contact(OLENA)
    for identifier in ({"email": "olena@EXAMPLE.com"}, {"extid": "42"}, {"phone": "380501234567"}):
        status, answer = await account.call("POST", "/v1/auth/contact/token", identifier)
        assert (status, set(answer)) == (200, {"token"})
    assert (await account.call("POST", "/v1/auth/contact/token", {"email": ""}))[0] == 400
    assert (await account.call("POST", "/v1/auth/contact/token", {"email": "who@x.ua"}))[0] == 404


async def test_the_search_is_no_exact_match_and_its_total_is_wrong(account: Account):
    """A production client: the search by email is no exact match, TotalCount was off by four orders."""
    await account.contact(OLENA)
    await account.contact(person("2", "not.olena@example.com"))
    await account.contact(person("3", "taras@example.com"))
    async with account.http.get(
        f"{account.url}/api/v1/contacts?email=OLENA@example.com",
        headers={"Authorization": "Bearer sandbox-key"},
    ) as answer:
        assert {one["externalCustomerId"] for one in await answer.json()} == {"42", "2"}
        assert int(answer.headers["TotalCount"]) == 20_000


async def test_one_found_contact_is_a_bare_object_and_none_is_an_empty_list(account: Account):
    """FAQ samples: a list of one element comes as that element."""
    made = (await account.contact(OLENA))[1]["id"]
    for query in ("sms=0501234567", "firstname=олен", "externalCustomerId=42"):
        _, found = await account.call("GET", f"/v1/contacts?{query}")
        assert found["id"] == str(made)
    assert await account.call("GET", "/v1/contacts?email=nobody@x.ua") == (200, [])
    assert (await account.call("GET", "/v1/contacts?email=a@x.ua&externalCustomerId=42"))[0] == 400


async def test_the_search_returns_500_at_most_and_pages_from_1(account: Account):
    """yespo.io/api: startindex from 1, 500 a page."""
    await account.bulk(*(person(str(n), f"c{n}@x.ua") for n in range(503)), dedupeOn="externalCustomerId")
    first = (await account.call("GET", "/v1/contacts?email=x.ua&maxrows=1000"))[1]
    second = (await account.call("GET", "/v1/contacts?email=x.ua&startindex=501"))[1]
    assert (len(first), len(second)) == (500, 3)
    assert second[0]["externalCustomerId"] == "500"
    assert (await account.call("GET", "/v1/contacts?startindex=0"))[0] == 400


async def test_the_account_tells_of_itself_with_numbers_as_text(account: Account):
    """FAQ: `"required":"false"`, `fieldGroups` a bare object."""
    _, books = await account.call("GET", "/v1/addressbooks")
    group = books["addressBook"]["fieldGroups"]
    assert (group["fields"][0]["id"], group["fields"][0]["required"]) == ("12345", "false")
    assert (await account.call("GET", "/v1/balance"))[1]["currentBalance"] == "1000"
    assert (await account.call("GET", "/api/v1/version/"))[1]["protocolVersion"] == "v1"
