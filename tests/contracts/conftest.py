"""What the suites about identity share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.store import Store, open_store
from tests.contracts.shop import Shop


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    """An empty store, each kind in turn."""
    url = f"sqlite:{tmp_path}/links.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres_url")
    opened = await open_store(url)
    yield opened
    await opened.close()


@pytest.fixture
def shop(store: Store) -> Shop:
    """A shop on it."""
    return Shop(store)
