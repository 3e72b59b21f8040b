"""What is noted on the way and written to the database in the background, a while later and all at once."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.clock import Clock
from gateway.errors import Unreachable

_log = structlog.get_logger()


async def write_news(
    news: asyncio.Event, write: Callable[[], Awaitable[None]], seconds: float, clock: Clock, complaint: str
) -> None:
    """Write whenever there is news, at most every so many `seconds`, until cancelled.

    While `write` raises Unreachable the news stays; the log says so once, by the word of the `complaint`.
    """
    away = False
    while True:
        await news.wait()
        news.clear()
        try:
            await write()
            away = False
        except Unreachable as problem:
            news.set()
            if not away:
                _log.warning(complaint, reason=str(problem))
            away = True
        await clock.sleep(seconds)
