"""What delivery and ingest keep of calls, in both databases."""

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from gateway import contacts
from gateway.calls import ApiCall
from gateway.clock import SystemClock
from gateway.contacts import Contacts, ContactState
from gateway.event import Record
from gateway.jobs import table
from gateway.jobs.table import FailedRow, Job
from gateway.outcomes import DistantCallers, Outcome
from gateway.store import Store, open_store

CLOCK = SystemClock()


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    postgres = request.param == "postgres"
    opened = await open_store(
        request.getfixturevalue("postgres_url") if postgres else f"sqlite:{tmp_path}/links.db"
    )
    yield opened
    await opened.close()


async def test_an_outcome_is_taken_once(store: Store) -> None:
    until = CLOCK.now_ms() + 60_000
    record = Record(
        "a-1", "shop", ApiCall.ADD_CONTACT, "lane", None, None, None, None, 0, 0, b"{}", answer_by=until
    )
    callers = DistantCallers(store, CLOCK)
    assert await callers.tell(record, Outcome(400, b"\x00wrong")) is None
    assert not await callers.heard("a-1")
    assert await callers.heard("a-1")


async def test_a_contact_is_one_claimants_to_make_until_it_is_made_released_or_deleted(store: Store) -> None:
    mine, other = Contacts(store, "shop", CLOCK), Contacts(store, "shop", CLOCK)
    assert await mine.claim("42") is None
    assert await other.claim("42") is ContactState.CLAIMED
    await mine.release("42")
    assert await other.claim("42") is None
    await other.made("42", ContactState.KNOWN)
    assert other.are_settled("42")
    assert await mine.claim("42") is ContactState.KNOWN
    await mine.deleted("42")
    assert not mine.are_settled("42")
    assert await mine.claim("42") is ContactState.DELETED
    await mine.answered("42")
    assert await other.claim("42") is ContactState.KNOWN
    await contacts.forget(store, "shop", ["42"])
    assert await other.claim("42") is None


async def test_a_claim_that_a_deletion_came_between_stays_deleted(store: Store) -> None:
    known = Contacts(store, "shop", CLOCK)
    assert await known.claim("42") is None
    await known.deleted("42")
    await known.made("42", ContactState.KNOWN)
    assert await Contacts(store, "shop", CLOCK).claim("42") is ContactState.DELETED


async def test_a_job_is_begun_once_looked_after_by_one_and_keeps_its_failed_rows(store: Store) -> None:
    now = CLOCK.now_ms()
    job = Job("j-1", "shop", "AddContacts", "STARTED", "", "session", 3, 1, now - 1000, now - 1000)
    rows = [FailedRow(1, "no address", {"externalCustomerId": 42, "firstName": "Ім'я"})]
    await table.begin(store, job, rows)
    await table.begin(store, job, [])
    (due,) = await table.due(store, now)
    assert due == job
    assert await table.due(store, now) == []
    await table.looked(store, job, table.FINISHED, "done", now, now)
    assert await table.due(store, now + 10**6) == []
    found = await table.one(store, "shop", "j-1")
    assert found is not None
    assert (found.status, found.has_ended, found.received) == ("FINISHED", True, 3)
    assert await table.one(store, "other", "j-1") is None
    assert await table.newest(store, "shop", 10) == [found]
    assert await table.failed_rows(store, job, 10) == rows
    await table.forget(store, "shop", ["42"])
    assert await table.failed_rows(store, job, 10) == []


async def test_a_job_that_esputnik_refused_begins_anew_when_it_is_sent_once_more(store: Store) -> None:
    now = CLOCK.now_ms()
    refused = Job("j-1", "shop", "AddContacts", table.ERROR, "no such segment", "", 3, 3, now, now)
    await table.begin(store, refused, [])
    assert await table.one(store, "shop", "j-1") == refused
    taken = replace(refused, status=table.STARTED, description="", session="session", failed=0)
    await table.begin(store, taken, [])
    await table.begin(store, refused, [])
    assert await table.one(store, "shop", "j-1") == taken
    assert await table.due(store, now + 1000) == [taken]
