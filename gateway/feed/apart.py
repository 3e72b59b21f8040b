"""Checks feeds in a process of its own, so that a large one takes no time from who waits for an answer."""

import asyncio
import gc
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson

from gateway.errors import FeedUnreadable, GatewayError
from gateway.feed.checking import check
from gateway.feed.source import Source

COLLECT_EVERY = 50_000
"""Containers made and not yet freed; a product has five, none of them in a cycle."""
_NICE = 10


async def check_apart(sources: Sequence[Source]) -> Any:
    """Return the report of `check` as JSON; raises GatewayError where the process fails."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "gateway.feed.apart",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        answer, _ = await process.communicate(orjson.dumps([_written(source) for source in sources]))
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise GatewayError(f"the check of a feed ended with status {process.returncode}")
    return orjson.loads(answer)


def _written(source: Source) -> dict[str, Any]:
    problem = source.problem
    return {
        "name": source.name,
        "path": str(source.path),
        "content_type": source.content_type,
        "problem": [problem.reason, problem.line] if problem else None,
        "content_encoding": source.content_encoding,
        "is_market": source.is_market,
    }


def _read(written: dict[str, Any]) -> Source:
    problem = FeedUnreadable(*written["problem"]) if written["problem"] else None
    return Source(**(written | {"path": Path(written["path"]), "problem": problem}))


def main() -> None:
    """Check what stdin names and write the report to stdout."""
    os.nice(_NICE)
    gc.set_threshold(COLLECT_EVERY)
    sources = [_read(written) for written in orjson.loads(sys.stdin.buffer.read())]
    sys.stdout.buffer.write(orjson.dumps(check(sources).json()))


if __name__ == "__main__":
    main()
