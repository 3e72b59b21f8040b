"""Segments and unsubscribed addresses. APIADD is docs page 29359639788."""

import pytest

from tests.sandbox.conftest import OLENA, Account, person


async def group(account: Account, *contacts: int) -> str:
    """Return the path of a segment with those contacts."""
    _, made = await account.call("POST", "/_sandbox/groups", {"name": "VIP"})
    path = f"/api/v1/group/{made['id']}/contacts"
    if contacts:
        assert (await account.call("POST", f"{path}/attach", {"contactIds": list(contacts)}))[0] == 200
    return path


async def members(account: Account) -> list[int]:
    (found,) = await account.shown("groups")
    return found["contacts"]


async def test_contacts_are_attached_by_either_id_and_never_by_both(account: Account):
    """APIADD: "by contactId or externalCustomerId ... use only one contact identifier in the request"."""
    one = (await account.contact(OLENA))[1]["id"]
    two = (await account.contact(person("77", "t@x.ua")))[1]["id"]
    path = await group(account, one)
    by_customer = {"externalCustomerIds": ["77", "nobody"]}
    assert (await account.call("POST", f"{path}/attach", by_customer))[0] == 200
    assert await members(account) == [one, two]
    both = {"contactIds": [one], "externalCustomerIds": ["77"]}
    for verb in ("attach", "detach"):
        assert (await account.call("POST", f"{path}/{verb}", both))[0] == 400


async def test_a_detached_contact_leaves_and_the_answer_is_a_sentence(account: Account):
    """A production client: the answer of a detach is a plain sentence."""
    one = (await account.contact(OLENA))[1]["id"]
    two = (await account.contact(person("77", "t@x.ua")))[1]["id"]
    path = await group(account, one, two)
    status, text = await account.call("POST", f"{path}/detach", {"contactIds": [str(one)]})
    assert (status, text) == (200, "Contacts have been detached")
    assert await members(account) == [two]


@pytest.mark.parametrize("body", [None, {}, {"contactIds": []}])
async def test_a_detach_without_ids_empties_the_list(account: Account, body):
    """APIADD: "If you do not specify IDs, all contacts will be removed from the segment"."""
    path = await group(account, (await account.contact(OLENA))[1]["id"])
    assert (await account.call("POST", f"{path}/detach", body))[0] == 200
    assert await members(account) == []


@pytest.mark.parametrize("verb", ["attach", "detach"])
async def test_more_than_500_ids_are_refused_and_change_nothing(account: Account, verb):
    """APIADD: "the maximum number of contacts in one request is 500"."""
    made = (await account.contact(OLENA))[1]["id"]
    path = await group(account, made)
    assert (await account.call("POST", f"{path}/{verb}", {"contactIds": [made] * 501}))[0] == 400
    assert (await account.call("POST", f"{path}/{verb}", {"contactIds": [made] * 500}))[0] == 200
    assert await members(account) == ([made] if verb == "attach" else [])


async def test_a_segment_that_is_not_there_is_a_404(account: Account):
    for call in (("GET", ""), ("POST", "/attach"), ("POST", "/detach")):
        assert (await account.call(call[0], f"/v1/group/5/contacts{call[1]}"))[0] == 404


async def test_segments_and_their_living_contacts_are_listed(account: Account):
    """FAQ samples: one element is a bare object; a group's contacts are paged like the search."""
    one = (await account.contact(OLENA))[1]["id"]
    two = (await account.contact(person("77", "t@x.ua")))[1]["id"]
    path = await group(account, one, two)
    _, listed = await account.call("GET", "/v1/groups")
    assert (listed["name"], listed["type"]) == ("VIP", "Static")
    assert [card["id"] for card in (await account.call("GET", path))[1]] == [str(one), str(two)]
    assert (await account.call("GET", f"{path}?startindex=2&maxrows=1"))[1]["id"] == str(two)
    await account.call("DELETE", f"/v1/contact/{one}")
    assert (await account.call("GET", path))[1]["id"] == str(two)
    assert (await account.call("GET", f"/v1/contact/{two}"))[1]["groups"]["name"] == "VIP"


async def test_unsubscribing_acts_on_the_address(account: Account):
    """FAQ: emails/unsubscribed/add and delete act on the address, not on the contact."""
    body = {"emails": ["Nobody@x.ua", "o@x.ua"]}
    assert (await account.call("POST", "/v1/emails/unsubscribed/add", body))[0] == 200
    assert (await account.call("GET", "/_sandbox/unsubscribed"))[1]["emails"] == ["nobody@x.ua", "o@x.ua"]
    gone = {"emails": ["nobody@x.ua"]}
    assert (await account.call("POST", "/v1/emails/unsubscribed/delete/", gone))[0] == 200
    assert (await account.call("GET", "/_sandbox/unsubscribed"))[1]["emails"] == ["o@x.ua"]
    assert (await account.call("POST", "/v1/emails/unsubscribed/add", {"emails": []}))[0] == 400


async def test_a_contact_joins_segments_that_are_there_by_id_or_name(account: Account):
    """addcontact-1: groups [{id, name, type}]."""
    await group(account)
    named = [{"name": "VIP", "type": "Static"}, {"name": "Unknown"}]
    made = (await account.contact(OLENA | {"groups": named}))[1]["id"]
    assert await members(account) == [made]
