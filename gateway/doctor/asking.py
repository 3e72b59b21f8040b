"""What only the running gateway knows, asked over HTTP."""

import asyncio
from typing import Any, NamedTuple

from gateway.config import Config, Site
from gateway.console.client import ConsoleClient, Refusal
from gateway.console.commands import gateway_of
from gateway.doctor.finding import Finding, broken, ok, warning
from gateway.errors import ConfigError, GatewayError
from gateway.setup.commands import path_of
from gateway.setup.pages import TRACKING_PATH
from gateway.setup.webpush import WORKER_PAGE

_SECONDS = 15.0
"""How long the gateway may take for all of it."""


class Told(NamedTuple):
    """What the gateway answered; None where it did not."""

    setup: Any = None
    keys: Any = None
    dead: Any = None
    script: str | None = None
    """The tracking script that it serves."""
    worker: str | None = None
    """The web push worker that it serves."""
    metrics: str | None = None


async def ask(config: Config, site: Site, url: str) -> tuple[list[Finding], Told]:
    """Return how the gateway itself stands, and what it tells; an empty answer where it does not answer."""
    url = url or f"http://{config.listen.host}:{config.listen.port}"
    try:
        async with asyncio.timeout(_SECONDS), ConsoleClient(url, "") as anybody:
            await anybody.get("/readyz")
            told = Told(
                script=await anybody.text(TRACKING_PATH.format(site=site.id)),
                worker=await anybody.text(WORKER_PAGE.format(site=site.id)),
                metrics=await _metrics(config),
            )
            finding, told = await _operated(config, site, url, told)
    except Refusal as problem:
        reason = problem.problem.get("reason", str(problem))
        return [broken("gateway", f"{url} is not ready: {reason}", "see the gateway's log")], Told()
    except (GatewayError, TimeoutError) as problem:
        said, _, do = (str(problem) or f"{url} does not answer in time").partition(": ")
        return [broken("gateway", said, do or "see the gateway's log")], Told()
    return [ok("gateway", f"{url} answers and is ready"), finding], told


async def _operated(config: Config, site: Site, url: str, told: Told) -> tuple[Finding, Told]:
    try:
        async with gateway_of(config, url) as operator:
            setup = await operator.get(path_of(site.id))
            keys = await operator.get("/v1/product-keys", site=site.id, keys="true")
            dead = await operator.get("/v1/dead", site=site.id)
    except ConfigError as problem:
        makes = "" if config.operator.keys else "`gateway key new` makes one for [operator] keys; "
        return warning("operator key", str(problem), f"{makes}with it, more of the shop is told"), told
    except GatewayError as problem:
        said, _, do = str(problem).partition(": ")
        return warning("operator key", said, do or "start the gateway with this configuration"), told
    return ok("operator key", "opens the operator's routes"), told._replace(setup=setup, keys=keys, dead=dead)


async def _metrics(config: Config) -> str | None:
    listen = config.listen
    if not listen.metrics_port:
        return None
    async with ConsoleClient(f"http://{listen.metrics_host}:{listen.metrics_port}", "") as metrics:
        try:
            return await metrics.text("/metrics")
        except GatewayError:
            return None
