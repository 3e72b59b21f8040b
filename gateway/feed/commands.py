"""`gateway feed ...`: a shop's product feed from the command line."""

import asyncio
import gc
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Annotated

import orjson
import typer

from gateway.clock import SystemClock
from gateway.config import Config, SiteFeed, load
from gateway.config import Site as SiteSettings
from gateway.errors import ConfigError
from gateway.esputnik.client import EsputnikClient
from gateway.esputnik.errors import EsputnikError
from gateway.feed.apart import COLLECT_EVERY
from gateway.feed.checking import check
from gateway.feed.fixing import fix as write_fixed
from gateway.feed.push import Outcome, Push, in_words
from gateway.feed.pushed import Pushed
from gateway.feed.repairs import Settings
from gateway.feed.report import Report
from gateway.feed.showing import changes, page, pushed, terminal
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
_PUSH_SECONDS = 60
"""How long eSputnik may take for one batch."""


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
    told = _site(load(config), site).feed if site else SiteFeed()
    settings = Settings(currency or told.currency, brand or told.brand, base)
    report = asyncio.run(_fix(place, target, settings))
    if as_json:
        typer.echo(orjson.dumps(report.json()["groups"], option=orjson.OPT_INDENT_2).decode())
    else:
        for line in changes(report):
            typer.echo(line)


@feed.command()
def push(
    site: Annotated[str, typer.Option(help="Whose products they are.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="LANGUAGE=URL-or-FILE…", help="The main one first; the site's links else."),
    ] = None,
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    remove_many: Annotated[
        bool, typer.Option("--remove-many", help="Remove more than half of the products, too.")
    ] = False,
) -> None:
    """Send the products that changed since the last push to eSputnik's Products API.

    Exit status: 0 all were taken, 1 some were skipped or rejected.
    """
    gc.set_threshold(COLLECT_EVERY)
    settings = load(config)
    links = dict(place.partition("=")[::2] for place in places or ()) or _site(settings, site).feed.links
    if not links or not all(links.values()):
        raise ConfigError(["name feeds as LANGUAGE=URL-or-FILE, or a --site that has feed.links"])
    outcome = asyncio.run(_push(settings, site, links, dry_run, remove_many))
    for line in pushed(outcome, dry_run):
        typer.echo(line)
    raise typer.Exit(1 if outcome.skipped or outcome.rejected or outcome.kept else 0)


async def _push(
    config: Config, site_id: str, links: Mapping[str, str], dry_run: bool, remove_many: bool
) -> Outcome:
    site = _site(config, site_id)
    folder = config.feeds.path / site_id
    folder.mkdir(parents=True, exist_ok=True)
    client = EsputnikClient(
        tracker_url=site.tracker_url,
        api_url=site.api_url,
        api_key=site.api_key.get_secret_value(),
        timeout=_PUSH_SECONDS,
        connections=1,
    )
    async with AsyncExitStack() as stack:
        feeds = {
            language: await stack.enter_async_context(opened(place, config.feeds.max_bytes))
            for language, place in links.items()
        }
        known = stack.enter_context(Pushed(folder / "pushed.db"))
        await stack.enter_async_context(client)
        try:
            return await Push(client, known, SystemClock(), dry_run).run(feeds, remove_many)
        except EsputnikError as problem:
            raise in_words(problem) from None


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
    links = list(_site(load(config), site).feed.links.values()) if site else []
    if not links:
        whose = f"site {site} has no feed.links" if site else "nothing is given to check"
        raise ConfigError([f"{whose}: name a file or a web address, or a --site that has feed.links"])
    return links


def _site(config: Config, site: str) -> SiteSettings:
    """Return the site of that id; raises ConfigError."""
    try:
        return config.site(site)
    except KeyError:
        raise ConfigError([f"--site {site}: the configuration has no such site"]) from None
