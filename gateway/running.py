"""One process from start to end: SIGTERM and SIGINT stop it, SIGHUP lets it read its settings again."""

import asyncio
import signal
from collections.abc import Callable

import structlog

from gateway import metrics
from gateway.app import Gateway
from gateway.config import Config
from gateway.errors import ConfigError
from gateway.parts import Part

_log = structlog.get_logger()


async def run_until_told(config: Config, parts: set[Part], load_again: Callable[[], Config]) -> int:
    """Run the parts until SIGTERM or SIGINT, reloading on SIGHUP; return the exit status."""
    told, hung_up = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_signal_handler(signal.SIGHUP, hung_up.set)
    gateway = Gateway(config, parts)
    await gateway.start()
    waiting = [
        asyncio.create_task(told.wait()),
        asyncio.create_task(gateway.failed()),
        asyncio.create_task(_reload_when_told(gateway, hung_up, load_again)),
    ]
    await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    failure = next((task.exception() for task in waiting if task.done()), None)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    if failure is not None:
        _log.error("stage_failed", error=type(failure).__name__, reason=str(failure), exc_info=failure)
    _log.info("stopping")
    try:
        async with asyncio.timeout(config.listen.grace_seconds):
            await gateway.stop()
    except TimeoutError:
        _log.warning("stopped_late", seconds=config.listen.grace_seconds)
    return 1 if failure is not None else 0


async def _reload_when_told(
    gateway: Gateway, hung_up: asyncio.Event, load_again: Callable[[], Config]
) -> None:
    """Read the configuration at each SIGHUP; one with a mistake leaves everything as it is."""
    while True:
        await hung_up.wait()
        hung_up.clear()
        try:
            places = gateway.reload(await asyncio.to_thread(load_again))
        except ConfigError as problem:
            metrics.CONFIG_RELOADS.labels("kept").inc()
            _log.error("configuration_kept", reason="the new one has mistakes", mistakes=problem.mistakes)
        except Exception as error:  # a mistake of ours, which must not stop what runs
            metrics.CONFIG_RELOADS.labels("kept").inc()
            _log.error("configuration_kept", reason="it cannot be taken over", error=type(error).__name__)
        else:
            metrics.CONFIG_RELOADS.labels("changed").inc()
            _log.info("configuration_reloaded", changed=places)
