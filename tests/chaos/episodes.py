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
_TELL_SECONDS = 60
_AFTERWARDS = 200
"""Events that are accepted after the last fault."""
_UNDECIDED = 2000
"""The newest requests are looked at again: they may have been taken since."""


async def run(
    mode: str,
    episodes: int,
    seconds: float,
    seed: int,
    batch: int = 1,
    pause: float = 0.01,
    apart: float = 0.5,
) -> Verdict:
    """Play episodes until there were that many or the time is over; return what the books say.

    A store posts `batch` events, then pauses; faults are `apart` seconds apart, on average.
    """
    print(f"chaos: {mode}, seed {seed}", flush=True)
    shuffle = random.Random(seed)
    with tempfile.TemporaryDirectory(prefix="gateway-chaos-") as folder:
        async with WORLDS[mode](Path(folder)) as world:
            poster = Poster(world.url, seed, DEADLINE, pause, batch)
            posting = asyncio.create_task(poster.run())
            arrivals = Arrivals(world.sandbox.url)
            watching = asyncio.gather(arrivals.watch(), _tell(poster, arrivals))
            hits = await _hit(world, shuffle, episodes, time.monotonic() + seconds, apart)
            await _taken_again(poster)
            poster.stop()
            await posting
            verdict = await _settled(world, poster, arrivals)
            watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)
    print(f"  faults: {dict(hits)}; posts without an answer: {poster.unanswered}\n  {verdict}", flush=True)
    return verdict


async def _tell(poster: Poster, arrivals: "Arrivals") -> None:
    """Say how far it has come, now and then, until cancelled."""
    while True:
        await asyncio.sleep(_TELL_SECONDS)
        print(f"  {len(poster.books.accepted)} accepted, {len(arrivals.ids)} arrived", flush=True)


async def _hit(
    world: World, shuffle: random.Random, episodes: int, until: float, apart: float
) -> Counter[str]:
    hits = Counter[str]()
    while hits.total() < episodes and time.monotonic() < until:
        await asyncio.sleep(shuffle.uniform(0.1, 2 * apart))
        names = shuffle.sample(sorted(world.faults), k=min(len(world.faults), shuffle.choice([1, 1, 2])))
        await asyncio.gather(*(world.faults[name](shuffle) for name in names))
        hits.update(names)
    return hits


async def _taken_again(poster: Poster) -> None:
    """Return once the stores' events are taken after the last fault; raises TimeoutError where none are.

    A slow machine may start a gateway for longer than the faults let it live.
    """
    enough = len(poster.books.accepted) + _AFTERWARDS
    async with asyncio.timeout(_HEAL_SECONDS):
        while len(poster.books.accepted) < enough:
            await asyncio.sleep(0.1)


class Arrivals:
    """What eSputnik took, whether or not its answer arrived; looked at all along: it keeps the newest."""

    def __init__(self, url: str) -> None:
        self._url = f"{url}/_sandbox/requests"
        self._taken: dict[int, tuple[str, str]] = {}
        self.ids = set[str]()
        """Of everything that has arrived."""
        self._last = 0

    async def watch(self) -> None:
        """Look once a second until cancelled."""
        async with aiohttp.ClientSession() as http:
            while True:
                await self.look(http)
                await asyncio.sleep(1)

    async def look(self, http: aiohttp.ClientSession) -> None:
        """Take in what has arrived since, and what became of the newest before that."""
        query = {"path": "/api/v2", "after": str(max(0, self._last - _UNDECIDED))}
        async with http.get(self._url, params=query) as answer:
            requests = (await answer.json(content_type=None))["requests"]
        for request in requests:
            self._last = max(self._last, request["number"])
            if request["taken"]:
                event_id = request["headers"]["X-Request-Id"]
                self._taken[request["number"]] = event_id, place(request["body"])
                self.ids.add(event_id)

    def taken(self) -> list[tuple[str, str]]:
        """Return id and place of everything taken so far, in the order of arrival."""
        return [self._taken[number] for number in sorted(self._taken)]


async def _settled(world: World, poster: Poster, arrivals: Arrivals) -> Verdict:
    """Return the verdict once nothing is missing, or nothing has come for so long that it stays lost.

    The books are long and the stand-in shares this process, so they are compared once, at the end.
    """
    await _without_faults(world)
    missing = poster.books.accepted.keys() - arrivals.ids
    deadline = time.monotonic() + _HEAL_SECONDS
    while missing and time.monotonic() < deadline:
        await asyncio.sleep(0.5)
        left = missing - arrivals.ids
        if len(left) < len(missing):
            missing, deadline = left, time.monotonic() + _HEAL_SECONDS
    return audit(poster.books, arrivals.taken())


async def _without_faults(world: World) -> None:
    async with aiohttp.ClientSession() as http:
        await http.post(f"{world.sandbox.url}/_sandbox/faults", json=[])


def main() -> None:
    """Run the chosen modes; exit 1 where a promise was broken."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--mode", choices=[*WORLDS, "both"], default="both")
    options.add_argument("--episodes", type=int, default=10**6)
    options.add_argument("--seconds", type=float, default=60)
    options.add_argument("--batch", type=int, default=1, help="events in one post")
    options.add_argument("--pause", type=float, default=0.01, help="seconds between a store's posts")
    options.add_argument("--apart", type=float, default=0.5, help="seconds between faults, on average")
    options.add_argument("--seed", type=int, default=random.randrange(10**6))
    chosen = options.parse_args()
    modes = list(WORLDS) if chosen.mode == "both" else [chosen.mode]
    settings = chosen.episodes, chosen.seconds, chosen.seed, chosen.batch, chosen.pause, chosen.apart
    verdicts = [uvloop.run(run(mode, *settings)) for mode in modes]
    sys.exit(0 if all(verdict.is_clean for verdict in verdicts) else 1)


if __name__ == "__main__":
    main()
