"""A database of an earlier version is read by this one: links, contact keys and conflicts are still known."""

import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from gateway.identity.people import look_up_person
from gateway.store import open_store
from gateway.store.dialect import POSTGRES, SQLITE, Dialect, table
from gateway.store.migrations import STEPS
from tests.contracts.shop import NOON, SETTINGS, Shop, customers, event

FIRST_STEPS = 3
"""Of the version whose contact keys had a table with the first claim alone."""

CONTENT = f"""
    CREATE TABLE schema_steps (number integer PRIMARY KEY, what text);
    INSERT INTO schema_steps (number, what) VALUES (1, ''), (2, ''), ({FIRST_STEPS}, '');
    INSERT INTO sightings (site, cookie, at, event_id, owner) VALUES
        ('shop', 'C', {NOON}, 'e1', 'customer/A'), ('shop', 'E', {NOON + 5}, 'e2', 'email/a@x.ua');
    INSERT INTO contact_keys (site, contact, owner, at, event_id) VALUES
        ('shop', 'email/a@x.ua', 'customer/A', {NOON}, 'e1');
"""


def as_it_was(dialect: Dialect) -> str:
    statements = [table(sql, dialect) for step in STEPS[:FIRST_STEPS] for sql in step.statements]
    return ";\n".join([*statements, CONTENT])


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_links_and_contact_keys_of_the_first_version_are_known(
    kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    if kind == "sqlite":
        url = f"sqlite:{tmp_path}/links.db"
        with closing(sqlite3.connect(tmp_path / "links.db")) as database:
            database.executescript(as_it_was(SQLITE))
    else:
        url = request.getfixturevalue("postgres_url")
        connection = await asyncpg.connect(url)
        await connection.execute(as_it_was(POSTGRES))
        await connection.close()
    store = await open_store(url)
    shop = Shop(store)
    assert [owner for owner, *_ in await shop.owners("C")] == ["customer/A"]
    assert [owner for owner, *_ in await shop.owners("E")] == ["customer/A"]
    login = event(2, 11, cookie="F", customer="B", email="a@x.ua")
    stitched = await shop.post(event(1, 10, cookie="E"), login)
    assert customers(stitched) == ["A", "B"]
    assert stitched[1].decision.conflict
    person = await look_up_person(store, "shop", "email/a@x.ua", SETTINGS)
    assert person.owner == "customer/A"
    await store.close()
