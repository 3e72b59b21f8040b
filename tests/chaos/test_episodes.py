"""The short run of `make chaos`: whatever was hit, nothing that was accepted is lost, swapped or doubled."""

import random
from dataclasses import replace

import pytest

from tests.chaos.episodes import WORLDS, run

SECONDS = 60


@pytest.mark.timeout(400)
@pytest.mark.parametrize("mode", WORLDS)
async def test_faults_at_random_lose_swap_and_double_nothing(mode: str):
    verdict = await run(mode, episodes=1000, seconds=SECONDS, seed=random.randrange(10**6))
    # How late an answer is depends on the machine; `make chaos` looks at it, this test does not.
    assert replace(verdict, late=0).is_clean, verdict
