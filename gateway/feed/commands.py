"""`gateway feed ...`: a shop's product feed from the command line."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AsyncExitStack
from itertools import chain
from pathlib import Path
from typing import Annotated, NamedTuple

import orjson
import typer

from gateway.clients import esputnik_client
from gateway.clock import SystemClock
from gateway.config import Config, SiteFeed, load
from gateway.config import Site as SiteSettings
from gateway.console.commands import Url, gateway_of
from gateway.errors import ConfigError, GatewayError
from gateway.esputnik.errors import EsputnikError
from gateway.feed.apart import COLLECT_EVERY
from gateway.feed.checking import check
from gateway.feed.fixing import fix as write_fixed
from gateway.feed.ids import FeedIds, hold, seen_of
from gateway.feed.money import CURRENCIES
from gateway.feed.push import Outcome, Push, in_words
from gateway.feed.pushed import PRODUCTS, Pushed
from gateway.feed.repairs import Settings
from gateway.feed.report import Report
from gateway.feed.showing import changes, page, pushed, terminal
from gateway.feed.source import of_market, opened
from gateway.product_keys.reading import Source as Tracked

feed = typer.Typer(no_args_is_help=True, help="A shop's product feed.")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG")]
Places = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="URL-or-FILE…", help="One for each language, the main one first; the site's else."
    ),
]
Markets = Annotated[
    list[str] | None,
    typer.Option(metavar="ID=URL-or-FILE", help="A market's feed, once for each; the site's else."),
]
Site = Annotated[str, typer.Option(help="Whose feed it is: its links and settings count.")]
_PUSH_SECONDS = 60
"""How long eSputnik may take for one batch."""


class Feeds(NamedTuple):
    """Where the feeds of one push are."""

    links: Mapping[str, str]
    """By language, the main one first."""
    markets: Mapping[str, str]


@feed.command("check")
def check_command(
    places: Places = None,
    site: Site = "",
    market: Markets = None,
    config: ConfigFile = None,
    seen: Annotated[Path | None, typer.Option(help="Ids that tracking sent, one a line.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a web page there, too.")] = None,
    url: Url = "",
) -> None:
    """Say what is wrong with a feed, in one language or several, and with markets'; nothing is changed.

    With --site, and a gateway that runs and has an operator's key, the feed's ids are held against those that
    tracking, orders and products calls named.

    Exit status: 0 nothing is wrong, 1 warnings, 2 errors, 3 a feed cannot be read.
    """
    gc.set_threshold(COLLECT_EVERY)
    if html is not None:
        _refuse_no_place("--html", html)
    if seen is not None and (seen.is_dir() or not seen.exists()):
        raise ConfigError([f"--seen: there is no file {seen}"])
    markets = _markets(market)
    if not places:
        told = _told(config, site)
        places, markets = list(told.links.values()), markets or told.markets
    report = asyncio.run(_check(places, markets, seen, _asking(config, site, url)))
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
    _refuse_no_place("the new file", target)
    if currency and currency not in CURRENCIES:
        raise ConfigError([f"--currency {currency}: give the code of ISO 4217, such as UAH"])
    if base and not base.startswith(("https://", "http://")):
        raise ConfigError([f"--base {base}: give the whole address, such as https://shop.example/"])
    told = _site(load(config), site).feed if site else SiteFeed()
    settings = Settings(currency or told.currency, brand or told.brand, base)
    report = asyncio.run(_fix(place, target, settings))
    if as_json:
        typer.echo(orjson.dumps(report.json()["groups"], option=orjson.OPT_INDENT_2).decode())
    else:
        for line in changes(report):
            typer.echo(line)


def _refuse_no_place(what: str, file: Path) -> None:
    """Raise ConfigError where no file can be written, before a long check is done for nothing."""
    if not file.parent.is_dir():
        raise ConfigError([f"{what}: there is no folder {file.parent}"])
    if file.is_dir():
        raise ConfigError([f"{what}: {file} is a folder: name a file in it"])


@feed.command()
def push(
    site: Annotated[str, typer.Option(help="Whose products they are.")],
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="LANGUAGE=URL-or-FILE…", help="The main one first; the site's links else."),
    ] = None,
    market: Markets = None,
    config: ConfigFile = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be sent; send nothing.")] = False,
    remove_many: Annotated[
        bool, typer.Option("--remove-many", help="Remove more than half of the products, too.")
    ] = False,
) -> None:
    """Send the products that changed since the last push to eSputnik's Products API, and markets likewise.

    Exit status: 0 all were taken, 1 some were skipped or rejected.
    """
    gc.set_threshold(COLLECT_EVERY)
    settings = load(config)
    told = _site(settings, site).feed
    feeds = Feeds(_named(places) or told.links, _markets(market) or told.markets)
    if not feeds.links or not all(feeds.links.values()):
        raise ConfigError(["name feeds as LANGUAGE=URL-or-FILE, or a --site that has feed.links"])
    outcomes = asyncio.run(_push(settings, site, feeds, dry_run, remove_many))
    for name, outcome in outcomes.items():
        for line in pushed(outcome, dry_run, name):
            typer.echo(line)
    raise typer.Exit(0 if all(outcome.is_whole for outcome in outcomes.values()) else 1)


def _markets(places: list[str] | None) -> Mapping[str, str]:
    """Return where each market's feed is; raises ConfigError."""
    markets = {name.lower(): place for name, place in _named(places).items()}
    for name, place in markets.items():
        if not name or not place:
            raise ConfigError([f"--market {name}: name the market and its feed, as in pl=URL-or-FILE"])
    return markets


def _named(places: list[str] | None) -> dict[str, str]:
    return dict(place.partition("=")[::2] for place in places or ())


async def _push(
    config: Config, site_id: str, feeds: Feeds, dry_run: bool, remove_many: bool
) -> dict[str, Outcome]:
    """Return what was done, of the products themselves first, then by market."""
    site = _site(config, site_id)
    folder = config.feeds.path / site_id
    folder.mkdir(parents=True, exist_ok=True)
    client = esputnik_client(site, _PUSH_SECONDS, 1, config.delivery.ca_file)
    async with AsyncExitStack() as stack:
        links, markets = [
            {
                name: await stack.enter_async_context(opened(place, config.feeds.max_bytes))
                for name, place in places.items()
            }
            for places in feeds
        ]
        known = stack.enter_context(Pushed(folder / "pushed.db"))
        await stack.enter_async_context(client)
        try:
            push = Push(client, known, SystemClock(), dry_run)
            outcomes = {PRODUCTS: await push.run(links, remove_many)}
            for market, source in markets.items():
                outcomes[market] = await push.run_market(market, source, next(iter(links)), remove_many)
            return outcomes
        except EsputnikError as problem:
            raise in_words(problem) from None


async def _fix(place: str, target: Path, settings: Settings) -> Report:
    async with opened(place) as source:
        return write_fixed(source, target, settings)


Seen = Mapping[str, list[str]]


async def _check(
    places: list[str], markets: Mapping[str, str], file: Path | None, ask: Callable[[], Awaitable[Seen]]
) -> Report:
    seen = await ask()
    tracked = chain(_lines(file), seen.get(Tracked.TRACKING, ()))
    ids = FeedIds()
    async with AsyncExitStack() as stack:
        sources = [await stack.enter_async_context(opened(place)) for place in places]
        for market, place in markets.items():
            sources.append(of_market(market, await stack.enter_async_context(opened(place))))
        report = check(sources, tracked, look=ids.look if seen else None)
    if seen:
        hold(report, ids, seen)
    return report


def _lines(file: Path | None) -> Iterator[str]:
    if file is not None:
        with file.open(encoding="utf-8") as lines:
            yield from filter(None, map(str.strip, lines))


def _asking(config: Path | None, site: str, url: str) -> Callable[[], Awaitable[Seen]]:
    """Return what asks the running gateway for the ids that it has seen of the site, none without a site."""

    async def ask() -> Seen:
        if not site:
            return {}
        try:
            async with gateway_of(load(config), url) as gateway:
                return seen_of(await gateway.get("/v1/product-keys", site=site, keys="true"))
        except GatewayError as problem:
            typer.echo(f"ids are not compared with what was tracked: {problem}", err=True)
            return {}

    return ask


def _told(config: Path | None, site: str) -> SiteFeed:
    """Return where the site's feeds are; raises ConfigError where it has none."""
    told = _site(load(config), site).feed if site else SiteFeed()
    if not told.links:
        whose = f"site {site} has no feed.links" if site else "nothing is given to check"
        raise ConfigError([f"{whose}: name a file or a web address, or a --site that has feed.links"])
    return told


def _site(config: Config, site: str) -> SiteSettings:
    """Return the site of that id; raises ConfigError."""
    try:
        return config.site(site)
    except KeyError:
        raise ConfigError([f"--site {site}: the configuration has no such site"]) from None
