"""What goes to the tracker of a record."""

import orjson
import pytest

from gateway.delivery.mapping import call_for
from gateway.event import LINK_MESSAGE, Record

UNUSUAL = b'{"GeneralInfo":{ "eventName":"PageView","siteId":"shop"} , "price": 1.50}'


def record(body: bytes, type_: str = "PageView", target: str = "") -> Record:
    return Record("e-1", "shop", type_, "shop/cookie/c", "c", None, None, None, 0, 0, body, target=target)


def test_without_an_id_of_its_own_at_the_tracker_the_body_goes_out_byte_for_byte():
    assert call_for([record(UNUSUAL)]).body == UNUSUAL


def test_the_site_is_named_by_its_id_at_the_tracker_and_nothing_else_changes():
    body = call_for([record(UNUSUAL)], "es-1").body
    event = orjson.loads(UNUSUAL)
    event["GeneralInfo"]["siteId"] = "es-1"
    assert orjson.loads(body) == event


def test_an_event_that_names_it_so_a_link_message_and_a_call_of_the_api_go_out_byte_for_byte():
    assert call_for([record(UNUSUAL)], "shop").body == UNUSUAL
    link = b'{ "webId": "c", "orgId": 7 }'
    assert call_for([record(link, LINK_MESSAGE)], "es-1").body == link
    contact = b'{ "GeneralInfo": {"siteId": "shop"} }'
    call = call_for([record(contact, "AddContact", "POST v1/contact")], "es-1")
    assert call.body == contact


@pytest.mark.parametrize("info", [5, "x", [], None])
def test_an_event_whose_general_info_was_patched_away_goes_out_as_it_is(info: object):
    body = orjson.dumps({"GeneralInfo": info})
    assert call_for([record(body)], "es-1").body == body
