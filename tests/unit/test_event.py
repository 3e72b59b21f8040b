import tracemalloc
import uuid

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import UnreadableRecord
from gateway.event import Record, caller_event_id, event_ids, json_to_keep, lane_of

RECORD = Record(
    id="01a2098c-437d-7a05-888b-8a143761be03",
    site="shop",
    type="StatusCart",
    lane="shop/cookie/c-1",
    cookie="c-1",
    customer="42",
    email="olena@example.com",
    phone="+380501234567",
    occurred_at=1_795_461_206_364,
    accepted_at=1_795_461_206_999,
    body=b'{"GeneralInfo":{}}',
    caller_id=True,
    decision="kept",
)


def test_event_ids_are_uuid7_ascending_and_never_the_same():
    ids = [event_id for _ in range(1000) for event_id in event_ids(3)]
    assert len(set(ids)) == 3000
    for event_id in ids:
        parsed = uuid.UUID(event_id)
        assert (str(parsed), parsed.version, parsed.variant) == (event_id, 7, uuid.RFC_4122)
    many = event_ids(1000)
    assert many == sorted(many)
    assert event_ids(0) == []


def test_a_callers_id_gives_the_same_event_id_everywhere_but_on_another_site():
    assert caller_event_id("shop", "order-1") == caller_event_id("shop", "order-1")
    assert caller_event_id("shop", "order-1") != caller_event_id("shop2", "order-1")


@given(body=st.binary())
def test_a_record_is_read_as_it_was_written_whatever_its_body(body):
    record = Record.decode(RECORD.encode())
    assert record == RECORD
    record.body = body
    record.replays = 2
    assert Record.decode(record.encode()) == record
    record.target, record.answer_by = "PUT v1/contact/42", 1_795_461_210_000
    assert Record.decode(record.encode()) == record
    assert record.copy() == record


def test_an_older_head_is_read_and_a_newer_one_is_left_alone():
    head, _, body = RECORD.encode().partition(b"\n")
    fields = orjson.loads(head)
    newer = orjson.dumps(fields | {"v": 3}) + b"\n" + body
    with pytest.raises(UnreadableRecord, match="version 3 is newer"):
        Record.decode(newer)
    del fields["decision"], fields["caller_id"]
    older = Record.decode(orjson.dumps(fields) + b"\n" + body)
    assert (older.decision, older.caller_id, older.body) == (None, False, body)


@pytest.mark.parametrize(
    ("cookie", "customer", "email", "phone", "lane"),
    [
        ("c", "42", "a@x", "+1", "shop/cookie/c"),
        (None, "42", "a@x", "+1", "shop/customer/42"),
        (None, None, "a@x", "+1", "shop/contact/a@x"),
        (None, None, None, "+1", "shop/contact/+1"),
        (None, None, None, None, "shop/event/id"),
    ],
)
def test_a_lane_is_the_cookie_else_the_customer_else_the_contact_else_the_event(
    cookie, customer, email, phone, lane
):
    assert lane_of("shop", cookie, customer, email, phone, "id") == lane


def test_what_is_kept_of_an_event_takes_no_more_memory_than_it_is_long():
    event = {"GeneralInfo": {"s_location": "x" * 4000}}
    tracemalloc.start()
    kept = [json_to_keep(event) for _ in range(100)]
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept[0] == orjson.dumps(event)
    assert taken < 100 * 4300  # 100 * 32 KB as orjson leaves them
