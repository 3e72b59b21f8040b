"""`make chaos`: faults at random while stores post; then everything heals and the books are compared.

Prints its seed, every fault, and at the end what was lost (nothing), repeated, or out of order (nothing).
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import aiohttp
import uvloop

from tests.chaos.audit import Verdict, audit
from tests.chaos.poster import Poster
from tests.chaos.worlds import World, apart, embedded
from tests.ledger import place

WORLDS = {"embedded": embedded, "kafka": apart}
DEADLINE = 3.0
"""Seconds for an answer: the append's deadline, the disk's, and room for a machine shared with everything."""
_HEAL_SECONDS = 120
_PAUSE = 0.01


async def run(mode: str, episodes: int, seconds: float, seed: int) -> Verdict:
    """Play episodes until there were that many or the time is over; return what the books say."""
    print(f"chaos: {mode}, seed {seed}", flush=True)
    shuffle = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="gateway-chaos-") as folder:
        async with WORLDS[mode](Path(folder)) as world:
            poster = Poster(world.url, seed, DEADLINE, _PAUSE)
            posting = asyncio.create_task(poster.run())
            hits = await _hit(world, shuffle, episodes, time.monotonic() + seconds)
            poster.stop()
            await posting
            verdict = await _settled(world, poster)
    print(f"  faults: {dict(hits)}; posts without an answer: {poster.unanswered}\n  {verdict}", flush=True)
    return verdict


async def _hit(world: World, shuffle: random.Random, episodes: int, until: float) -> Counter[str]:
    hits = Counter[str]()
    while hits.total() < episodes and time.monotonic() < until:
        await asyncio.sleep(shuffle.uniform(0.1, 1))
        names = shuffle.sample(sorted(world.faults), k=min(len(world.faults), shuffle.choice([1, 1, 2])))
        await asyncio.gather(*(world.faults[name](shuffle) for name in names))
        hits.update(names)
    return hits


async def _settled(world: World, poster: Poster) -> Verdict:
    """Return the verdict once nothing is missing any more, or it is clear that something stays lost."""
    deadline = time.monotonic() + _HEAL_SECONDS
    async with aiohttp.ClientSession() as http:
        await http.post(f"{world.sandbox.url}/_sandbox/faults", json=[])
        while True:
            verdict = audit(poster.books, await _arrivals(http, world.sandbox.url))
            if not verdict.lost or time.monotonic() > deadline:
                return verdict
            await asyncio.sleep(0.5)


async def _arrivals(http: aiohttp.ClientSession, url: str) -> list[tuple[str, str]]:
    """Return what eSputnik took, whether or not its answer arrived."""
    async with http.get(f"{url}/_sandbox/requests", params={"path": "/api/v2"}) as answer:
        requests = (await answer.json(content_type=None))["requests"]
    return [(r["headers"]["X-Request-Id"], place(r["body"])) for r in requests if r["taken"]]


def main() -> None:
    """Run the chosen modes; exit 1 where a promise was broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mode", choices=[*WORLDS, "both"], default="both")
    options.add_argument("--episodes", type=int, default=10**6)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = options.parse_args()
    modes = list(WORLDS) if chosen.mode == "both" else [chosen.mode]
    verdicts = [uvloop.run(run(mode, chosen.episodes, chosen.seconds, chosen.seed)) for mode in modes]
    sys.exit(0 if all(verdict.is_clean for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
