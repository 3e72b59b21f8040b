"""`gateway check`: reaches every part that the configuration names, and changes nothing."""

from collections.abc import Awaitable
from typing import NamedTuple

from gateway.clients import esputnik_client
from gateway.config import Config, Site
from gateway.errors import GatewayError
from gateway.esputnik.errors import EsputnikError
from gateway.parts import topics_of
from gateway.store import open_store
from gateway.stream.opening import open_log


class Finding(NamedTuple):
    """One part that `check` has reached, or has not."""

    ok: bool
    text: str


async def check(config: Config) -> list[Finding]:
    """Return what was found of every part; nothing is changed."""
    findings = [Finding(True, f"configuration: {len(config.sites)} sites")]
    findings.append(await _reach("stream", _check_stream(config)))
    findings.append(await _reach("links", _check_store(config)))
    for site in config.sites:
        findings.append(await _reach(f"eSputnik for site {site.id}", _check_esputnik(config, site)))
    return findings


async def _reach(part: str, attempt: Awaitable[str]) -> Finding:
    try:
        return Finding(True, f"{part}: {await attempt}")
    except (GatewayError, EsputnikError) as problem:
        return Finding(False, f"{part}: {problem}")


async def _check_stream(config: Config) -> str:
    async with open_log(config.stream) as log:
        for topic in topics_of(config):
            await log.topic(topic)
    return f"{config.stream.kind}, {len(topics_of(config))} topics"


async def _check_store(config: Config) -> str:
    store = await open_store(config.links.url.get_secret_value(), config.links.ca_file)
    await store.close()
    return "sqlite" if config.links.is_sqlite else "postgresql"


async def _check_esputnik(config: Config, site: Site) -> str:
    async with esputnik_client(site, config.delivery.timeout_seconds, 1, config.delivery.ca_file) as client:
        await client.account_info()
    return f"the key opens {site.api_url}"
