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
from gateway.feed.apart import COLLECT_EVERY
from gateway.feed.checking import check
from gateway.feed.fixing import fix as write_fixed
from gateway.feed.repairs import Settings
from gateway.feed.report import Report
from gateway.feed.showing import changes, page, terminal
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


@feed.command("check")
def check_command(
    places: Places = None,
    site: Site = "",
    config: ConfigFile = None,
    seen: Annotated[Path | None, typer.Option(help="Ids that tracking sent, one a line.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a web page there, too.")] = None,
) -> None:
    """Say what is wrong with a feed, in one language or several; nothing is changed.

    Exit status: 0 nothing is wrong, 1 warnings, 2 errors, 3 a feed cannot be read.
    """
    gc.set_threshold(COLLECT_EVERY)
    report = asyncio.run(_check(places or _links(config, site), seen))
    if html is not None:
        html.write_text(page(report), encoding="utf-8")
    if as_json:
        typer.echo(orjson.dumps(report.json(), option=orjson.OPT_INDENT_2).decode())
    else:
        for line in terminal(report):
            typer.echo(line)
    raise typer.Exit(report.worst)


@feed.command()
def fix(
    place: Annotated[str, typer.Argument(metavar="URL-or-FILE")],
    target: Annotated[Path, typer.Argument(help="The new file; the feed itself is left as it is.")],
    site: Site = "",
    config: ConfigFile = None,
    currency: Annotated[str | None, typer.Option(help="Behind prices that have none.")] = None,
    brand: Annotated[str | None, typer.Option(help="Of products that have none.")] = None,
    base: Annotated[
        str | None, typer.Option(help="Before relative links; the feed's own <link> else.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
) -> None:
    """Write a feed anew with its mechanical faults mended, and list what was changed.

    What --currency and --brand fill in may also stand in the site's feed settings.
    """
    gc.set_threshold(COLLECT_EVERY)
    if target.exists() and target.resolve() == Path(place).resolve():
        raise ConfigError([f"{target} is the feed itself: name a new file"])
    told = _site_feed(config, site) if site else SiteFeed()
    settings = Settings(currency or told.currency, brand or told.brand, base)
    report = asyncio.run(_fix(place, target, settings))
    if as_json:
        typer.echo(orjson.dumps(report.json()["groups"], option=orjson.OPT_INDENT_2).decode())
    else:
        for line in changes(report):
            typer.echo(line)


async def _fix(place: str, target: Path, settings: Settings) -> Report:
    async with opened(place) as source:
        return write_fixed(source, target, settings)


async def _check(places: list[str], seen: Path | None) -> Report:
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(opened(place)) for place in places]
        if seen is None:
            return check(sources)
        with seen.open(encoding="utf-8") as file:
            return check(sources, filter(None, map(str.strip, file)))


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
