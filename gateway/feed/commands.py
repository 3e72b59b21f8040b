"""`gateway feed ...`: a shop's product feed from the command line."""

import asyncio
import gc
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.config import SiteFeed, load
from gateway.errors import ConfigError
from gateway.feed.checking import check
from gateway.feed.report import Report
from gateway.feed.showing import page, terminal
from gateway.feed.source import opened

feed = typer.Typer(no_args_is_help=True, help="A shop's product feed.")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG")]
Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL-or-FILE…", help="One for each language, the main one first; the site's else."
    ),
]
Site = Annotated[str, typer.Option(help="Whose feed it is: its links and settings count.")]
_COLLECT_EVERY = 50_000
"""Containers made and not yet freed; a product has five, none of them in a cycle."""


@feed.command("check")
def check_command(
    places: Places = None,
    site: Site = "",
    config: ConfigFile = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a web page there, too.")] = None,
) -> None:
    """Say what is wrong with a feed, in one language or several; nothing is changed.

    Exit status: 0 nothing is wrong, 1 warnings, 2 errors, 3 a feed cannot be read.
    """
    gc.set_threshold(_COLLECT_EVERY)
    report = asyncio.run(_check(places or _links(config, site)))
    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if as_json:
        typer.echo(orjson.dumps(report.json(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in terminal(report):
            typer.echo(line)
    raise typer.Exit(report.worst)


async def _check(places: list[str]) -> Report:
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(opened(place)) for place in places]
        return check(sources)


def _links(config: Path | None, site: str) -> list[str]:
    links = list(_site_feed(config, site).links.values()) if site else []
    if not links:
        whose = f"site {site} has no feed.links" if site else "nothing is given to check"
        raise ConfigError([f"{whose}: name a file or a web address, or a --site that has feed.links"])
    return links


def _site_feed(config: Path | None, site: str) -> SiteFeed:
    """Return what the configuration says of the site's feed; raises ConfigError."""
    sites = {known.id: known.feed for known in load(config).sites}
    if site not in sites:
        raise ConfigError([f"--site {site}: the configuration has no such site"])
    return sites[site]
