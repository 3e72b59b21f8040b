"""Bulk calls in the stand-in: how rows meet contacts, and how imports get on.

APIADD is docs page 29359639788, "API Methods for Adding Contacts"; contactsbulkupdate-1 is a reference page.
"""

import sys
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from gateway.sandbox.account import Account as Held
from gateway.sandbox.merging import Terms, merge
from tests.sandbox.conftest import Account, person

BY_ID = {"dedupeOn": "externalCustomerId"}
BY_EMAIL = {"dedupeOn": "email"}


async def cards(account: Account) -> list[tuple[str | None, str | None]]:
    """Return (external id, first name) of every living contact, oldest first."""
    found = [one for one in await account.contacts() if not one["deleted"]]
    return [(one.get("externalCustomerId"), one.get("firstName")) for one in found]


async def test_an_unknown_external_id_with_a_known_email_is_given_to_that_contact(account: Account):
    """APIADD: "the existing contact is updated with the externalCustomerId and other fields"."""
    await account.contact(person(email="o@x.ua"))
    await account.bulk(person("42", "o@x.ua", firstName="Олена"), **BY_EMAIL)
    assert await cards(account) == [("42", "Олена")]


async def test_of_several_contacts_with_the_address_the_one_updated_last_is_used(account: Account):
    """APIADD: "the contact that was updated later than the others is used"."""
    first = (await account.contact(person(sms="380500000001", email="a@x.ua")))[1]["id"]
    second = (await account.contact(person(sms="380500000002", email="b@x.ua")))[1]["id"]
    for contact in (second, first):
        address = {"channels": [{"type": "email", "value": "same@x.ua"}]}
        assert (await account.call("PUT", f"/v1/contact/{contact}", address))[0] == 200
    await account.bulk(person(email="same@x.ua", firstName="Остання"), **BY_EMAIL)
    assert await cards(account) == [(None, "Остання"), (None, None)]


async def test_of_two_with_the_email_the_one_without_an_external_id_gets_it(account: Account):
    """APIADD: "one of which has a different externalCustomerId and the other doesn't ... the latter"."""
    await account.contact(person(email="o@x.ua"))
    await account.contact(person("77", "o@x.ua"))
    await account.bulk(person("42", "o@x.ua", firstName="Олена"), **BY_EMAIL)
    assert await cards(account) == [("42", "Олена"), ("77", None)]


async def test_where_all_with_the_email_have_other_external_ids_a_contact_is_made(account: Account):
    """APIADD: "both have externalCustomerIds that don't match ..., a new contact is created"."""
    await account.contact(person("1", "o@x.ua"))
    await account.contact(person("2", "o@x.ua"))
    await account.bulk(person("42", "o@x.ua"), **BY_EMAIL)
    assert [customer for customer, _ in await cards(account)] == ["1", "2", "42"]


async def test_the_external_id_is_looked_for_first_and_dedupe_on_second(account: Account):
    """APIADD: "the priority for the search is externalCustomerId, dedupeOn"."""
    await account.contact(person("42", "old@x.ua"))
    await account.contact(person(email="new@x.ua"))
    await account.bulk(person("42", "new@x.ua", firstName="Олена"), **BY_EMAIL)
    assert await cards(account) == [("42", "Олена"), (None, None)]


@pytest.mark.parametrize(("restore", "expected"), [(False, []), (True, [("42", "Нова")])])
async def test_restore_deleted_decides_about_a_deleted_contact(account: Account, restore, expected):
    """APIADD: "restoreDeleted = false, this contact is skipped ... true, restored and updated"."""
    await account.contact(person("42", "o@x.ua"))
    await account.call("DELETE", "/v1/contact?externalCustomerId=42&erase=false")
    await account.bulk(person("42", "o@x.ua", firstName="Нова"), restoreDeleted=restore, **BY_ID)
    assert await cards(account) == expected
    (session,) = await account.imports()
    assert session["skipped"] == (0 if restore else 1)


async def test_without_contact_fields_everything_is_overwritten_and_what_is_missing_is_blanked(
    account: Account,
):
    """contactsbulkupdate-1: contactFields omitted -> all are overwritten, a missing one becomes empty."""
    rich = person("42", "o@x.ua", sms="380501234567", firstName="Олена", languageCode="uk")
    await account.contact(rich | {"address": {"town": "Київ", "countryCode": "UA"}})
    await account.bulk(person("42", "o@x.ua", lastName="Коваль"), **BY_ID)
    (contact,) = await account.contacts()
    assert contact["channels"] == [{"type": "email", "value": "o@x.ua"}]
    assert contact["lastName"] == "Коваль"
    assert not {"firstName", "languageCode"} & contact.keys()
    assert contact["address"] == {"countryCode": "UA"}  # no field of contactFields


async def test_contact_fields_of_sms_alone_clears_a_phone_and_nothing_else(account: Account):
    """Yespo-CDP/yespo-woocommerce clears a phone so: contactFields ["sms"], a contact with an email only."""
    await account.contact(person("42", "o@x.ua", sms="380501234567", firstName="Олена"))
    await account.bulk(person("42", "o@x.ua"), contactFields=["sms"], **BY_ID)
    (contact,) = await account.contacts()
    assert contact["channels"] == [{"type": "email", "value": "o@x.ua"}]
    assert contact["firstName"] == "Олена"


async def test_the_field_that_dedupe_on_uses_is_not_updated(account: Account):
    """contactsbulkupdate-1: the field used for dedupeOn is not updated."""
    await account.contact(person("42", "old@x.ua", sms="380501234567"))
    row = person("42", "new@x.ua", sms="380509999999")
    await account.bulk(row, contactFields=["email", "sms"], **BY_EMAIL)
    (contact,) = await account.contacts()
    assert [channel["value"] for channel in contact["channels"]] == ["old@x.ua", "380509999999"]


async def test_custom_fields_that_are_not_listed_are_not_touched(account: Account):
    """contactsbulkupdate-1: customFieldsIDs; ids are numbers in most samples, a string in one."""
    await account.contact(
        person("42", "o@x.ua") | {"fields": [{"id": 1, "value": "a"}, {"id": 2, "value": "b"}]}
    )
    row = person("42", "o@x.ua") | {"fields": [{"id": "1", "value": "A"}, {"id": "2", "value": "B"}]}
    await account.bulk(row, customFieldsIDs=[1], **BY_ID)
    assert (await account.contacts())[0]["fields"] == [{"id": 2, "value": "b"}, {"id": "1", "value": "A"}]


async def test_email_or_sms_looks_for_the_phone_first(account: Account):
    """contactsbulkupdate-1: email_or_sms, sms first."""
    await account.contact(person(email="o@x.ua"))
    await account.contact(person(sms="380501234567"))
    await account.bulk(person(email="o@x.ua", sms="380501234567", firstName="Х"), dedupeOn="email_or_sms")
    assert await cards(account) == [(None, None), (None, "Х")]


async def test_a_field_of_their_own_can_tell_contacts_apart_by_50_characters(account: Account):
    """contactsbulkupdate-1: fieldId with dedupeOn=fieldId, value up to 50 characters."""
    card = person(email="o@x.ua") | {"fields": [{"id": 9, "value": "7" * 50}]}
    await account.contact(card)
    row = person(email="other@x.ua", firstName="Х") | {"fields": [{"id": 9, "value": "7" * 51}]}
    await account.bulk(row, dedupeOn="fieldId", fieldId=9)
    assert await cards(account) == [(None, "Х")]


async def test_rows_that_cannot_be_added_come_back_and_the_rest_goes_in(account: Account):
    """APIADD: "returned in response 200 in the failedContacts field"; one of them is a bare object."""
    good, bad = person("1", "a@x.ua"), person("2", "none")
    answer = await account.bulk(good, bad, **BY_ID)
    assert answer["failedContacts"] == bad | {"errorMessage": "Invalid email", "channels": bad["channels"][0]}
    assert await cards(account) == [("1", None)]
    answer = await account.bulk(good, bad, person("3"), **BY_EMAIL)
    assert [row["errorMessage"] for row in answer["failedContacts"]] == [
        "Invalid email",
        "Contact must have at least one channel",
    ]
    assert (await account.bulk(person(sms="380501234567"), good, **BY_EMAIL))["failedContacts"][
        "errorMessage"
    ] == "Contact has nothing to compare by dedupeOn=email"


@pytest.mark.parametrize(
    ("call", "said"),
    [
        ({"contacts": []}, "contacts must be a list of 1 to 3000"),
        ({"contacts": [person("1", "a@x.ua")] * 3001}, "contacts must be a list of 1 to 3000"),
        ({"contacts": [person("1", "a@x.ua")], "dedupeOn": "name"}, "Unknown dedupeOn"),
        ({"contacts": [person("1", "a@x.ua")], "dedupeOn": "fieldId"}, "fieldId is required"),
        ({"contacts": [person("1", "a@x.ua")], "contactFields": ["shoes"]}, "Unknown contactFields"),
        ({"contacts": [person("1", "a@x.ua"), 5]}, "Request body is not a contact"),
        ({"contacts": [person("1", "a@x.ua")], "eventKeyForNewContacts": "a/b"}, "has forbidden characters"),
    ],
)
async def test_a_bulk_call_that_breaks_a_rule_is_refused_as_a_whole(account: Account, call, said):
    """contactsbulkupdate-1: 1-3000 contacts, values of dedupeOn and contactFields; forbidden characters."""
    status, text = await account.call("POST", "/v1/contacts", call)
    assert status == 400
    assert said in text
    assert await account.imports() == []


async def test_an_import_takes_its_time_and_its_groups_appear_when_it_runs(account: Account):
    """APIADD: "not instantly, it may take a few minutes"; statuses STARTED, IMPORTING, FINISHED."""
    await account.imports(seconds=None)
    call = {"contacts": [person("42", "o@x.ua")], "groupNames": ["New"], **BY_ID}
    _, answer = await account.call("POST", "/v1/contacts/", call)
    path = f"/v1/importstatus/{answer['asyncSessionId']}"
    assert await account.call("GET", path) == (200, {"status": "STARTED", "description": ""})
    await account.imports(move="IMPORTING")
    assert (await account.call("GET", path))[1]["status"] == "IMPORTING"
    assert (await account.contacts(), await account.shown("groups")) == ([], [])
    await account.imports(move="FINISHED")
    status = (await account.call("GET", path))[1]
    (contact,) = await account.contacts()
    assert status["status"] == "FINISHED"
    assert status["mapping"] == {"contactId": str(contact["id"]), "externalCustomerId": "42"}
    assert (await account.call("GET", "/v1/groups"))[1]["name"] == "New"


async def test_an_import_ends_by_itself_when_its_time_is_over(account: Account):
    await account.imports(seconds=1)
    _, answer = await account.call("POST", "/v1/contacts", {"contacts": [person("42", "o@x.ua")]})
    seen = []
    while not seen or seen[-1] != "FINISHED":
        seen.append((await account.call("GET", f"/v1/importstatus/{answer['asyncSessionId']}"))[1]["status"])
    assert seen[0] in {"STARTED", "IMPORTING"}
    assert len(await account.contacts()) == 1


async def test_an_import_that_fails_says_so_and_adds_nobody(account: Account):
    await account.imports(seconds=None)
    _, answer = await account.call("POST", "/v1/contacts", {"contacts": [person("42", "o@x.ua")]})
    await account.imports(move="ERROR")
    status = (await account.call("GET", f"/v1/importstatus/{answer['asyncSessionId']}"))[1]
    assert status == {"status": "ERROR", "description": "Import failed"}
    assert await account.contacts() == []
    assert (await account.call("GET", "/v1/importstatus/none"))[0] == 404


@pytest.mark.parametrize("order", [{}, {"minutes": 1}, {"seconds": "1"}, {"seconds": True}, {"move": "DONE"}])
async def test_an_order_about_imports_that_makes_no_sense_is_refused(account: Account, order):
    assert (await account.call("POST", "/_sandbox/imports", order))[0] == 400


async def test_groups_are_joined_and_left_and_new_contacts_make_an_event(account: Account):
    """APIADD: groupNames, groupNamesExclude; eventKeyForNewContacts: the key is the email, else the phone."""
    await account.bulk(person("1", "a@x.ua"), groupNames=["Old"], **BY_ID)
    terms = {"groupNames": ["New"], "groupNamesExclude": ["Old"], "eventKeyForNewContacts": "newContact"}
    await account.bulk(person("1", "a@x.ua"), person("2", sms="380501234567"), **BY_ID, **terms)
    first, second = (one["id"] for one in await account.contacts())
    groups = {group["name"]: group["contacts"] for group in await account.shown("groups")}
    assert groups == {"Old": [], "New": [first, second]}
    (event,) = await account.shown("events")
    assert (event["eventTypeKey"], event["keyValue"]) == ("newContact", "380501234567")
    assert event["params"] == {"contactId": second, "EmailAddress": "", "SMS": "380501234567"}


@pytest.fixture
async def shop_server() -> AsyncIterator[TestServer]:
    """A shop that offers contacts as a file."""
    app = web.Application()
    lines = "externalCustomerId,email,firstName,town\n1,a@x.ua,Олена,Київ\n2,none,,\n"
    files = {"contacts.csv": lines.encode("utf-8"), "bytes.csv": b"\xff\xfe"}

    async def file(request: web.Request) -> web.Response:
        body = files.get(request.match_info["name"])
        return web.Response(body=body, status=200 if body else 404)

    app.router.add_get("/{name}", file)
    async with TestServer(app) as server:
        yield server


async def test_contacts_come_from_a_file_that_a_link_leads_to(account: Account, shop_server: TestServer):
    """APIADD: "our system downloads the file and imports contacts from it"; CSV, UTF-8."""
    link = str(shop_server.make_url("/contacts.csv"))
    status, answer = await account.call("POST", "/v1/contacts/upload", {"link": link, **BY_ID})
    assert (status, answer["failedContacts"]["errorMessage"]) == (200, "Invalid email")
    await account.imports(move="FINISHED")
    (contact,) = await account.contacts()
    assert (contact["externalCustomerId"], contact["address"]) == ("1", {"town": "Київ"})


@pytest.mark.parametrize("path", ["/none.csv", "/bytes.csv"])
async def test_a_file_that_cannot_be_read_ends_its_import_in_error(account: Account, shop_server, path):
    call = {"link": str(shop_server.make_url(path)), **BY_ID}
    status, _ = await account.call("POST", "/v1/contacts/upload", call)
    (session,) = await account.imports()
    assert (status, session["status"]) == (200, "ERROR")
    assert (await account.call("POST", "/v1/contacts/upload", {"link": "ftp://x"}))[0] == 400


def test_a_row_costs_the_same_among_ten_thousand_contacts_as_among_ten():
    """A full call is 3000 rows, an import easily 100 000: no row may be compared with every contact."""

    def steps(contacts: int) -> int:
        account, terms, count = Held(), Terms(dedupe_on="email"), 0
        for n in range(contacts):
            merge(account, person(str(n), f"c{n}@x.ua", sms=f"38050{n:07}"), terms, "")

        def trace(*_: object) -> object:
            nonlocal count
            count += 1
            return trace

        sys.settrace(trace)
        try:
            for row in (person("5", "c5@x.ua", firstName="Х"), person("new", "c6@x.ua", firstName="Х")):
                merge(account, row, terms, "")
        finally:
            sys.settrace(None)
        return count

    assert steps(10_000) == steps(10)
