"""What the suites about identity share."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from gateway.store import Store, open_store
from tests.contracts.grounds import Grounds, Market, RulesAlone
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


@pytest.fixture(scope="module", params=["rules", "sqlite", "postgres"])
def grounds(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Grounds]:
    """New grounds, as many as wanted: of the rules alone, or of a store that all of a module share."""
    if request.param == "rules":
        yield RulesAlone
        return
    url = f"sqlite:{tmp_path_factory.mktemp('market')}/links.db"
    if request.param == "postgres":
        url = request.getfixturevalue("postgres").create_database(request.module.__name__)
    market = Market(url)
    yield market.ground
    market.close()
