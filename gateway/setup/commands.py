"""`gateway setup ...`: connects a shop to eSputnik."""

import asyncio
import sys
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import quote

import orjson
import typer
from rich.table import Table

from gateway.config import load
from gateway.console.client import ConsoleClient
from gateway.console.commands import ConfigFile, Url, run, screen
from gateway.errors import ConfigError

setup = typer.Typer(no_args_is_help=True, help="Connect a shop: its domain, the tracking script, web push.")

Site = Annotated[str, typer.Option(help="The site's id.")]
DomainName = Annotated[str, typer.Option("--domain", help="Where the shop's pages are: shop.example")]


def path_of(site: str, thing: str = "") -> str:
    """Return the route of a site's set-up."""
    return f"/v1/sites/{quote(site, safe='')}/setup{thing}"


@setup.command()
def tracking(
    site: Site,
    domain: DomainName,
    site_id: Annotated[str, typer.Option(help="eSputnik's siteId of a domain that is there.")] = "",
    script: Annotated[
        Path | None, typer.Option(help="A file with the script's HTML, where eSputnik gives another's.")
    ] = None,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Register the domain at eSputnik and say what its pages need; done again, it says the same."""

    order = {"domain": domain} | ({"site_id": site_id} if site_id else {})
    if script is not None:
        order["script"] = _html(script)

    async def ask(client: ConsoleClient) -> None:
        answer = await client.post(path_of(site, "/tracking"), **order)
        if answer["site_id"] is None and sys.stdin.isatty():
            _tell_missing(answer["missing"][:1])
            typed = await asyncio.to_thread(typer.prompt, "siteId (nothing: later)", "", show_default=False)
            if typed:
                answer = await client.post(path_of(site, "/tracking"), **(order | {"site_id": typed}))
        _tell(answer)

    run(config, url, ask)


def _html(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError as problem:
        raise ConfigError([f"--script {file}: {problem.strerror}"]) from None


def _tell(answer: dict[str, Any]) -> None:
    named = f", siteId {answer['site_id']}" if answer["site_id"] else ""
    typer.echo(f"{answer['domain']} is registered at eSputnik{named}.\n")
    typer.echo("Paste this before </head> of every page:\n")
    typer.echo(f"{answer['snippet'].strip()}\n")
    typer.echo("or this, which the gateway keeps up to date:\n")
    typer.echo(answer["link"])
    for note in answer["notes"]:
        typer.echo(f"\nNote: {note}.")
    _tell_missing(answer["missing"])


def _tell_missing(missing: list[dict[str, str]]) -> None:
    for one in missing:
        typer.echo(f"\nStill missing: {one['what']}: {one['why']}\n  {one['do']}")


@setup.command()
def status(
    site: Annotated[str, typer.Option(help="This site only.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The gateway's own answers, as a list.")] = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Tell of each site what is set up, what is missing, and when its events were last delivered."""
    sites = [site] if site else [one.id for one in load(config).sites]

    async def ask(client: ConsoleClient) -> None:
        answers = [await client.get(path_of(one)) for one in sites]
        if as_json:
            typer.echo(orjson.dumps(answers, option=orjson.OPT_INDENT_2))
            return
        for answer in answers:
            _show(answer)

    run(config, url, ask)


def _show(answer: dict[str, Any]) -> None:
    typer.echo(f"{answer['site']}")
    for thing in ("tracking", "webpush"):
        for name, value in (answer[thing] or {}).items():
            typer.echo(f"  {thing} {name}: {value}")
    if answer["webpush"] is None:
        typer.echo(f"  webpush: gateway setup webpush --site {answer['site']} --domain DOMAIN sets it up")
    _tell_missing(answer["missing"])
    if answer["last_events"]:
        table = Table("last delivered", "at", "ago")
        for event in answer["last_events"]:
            table.add_row(event["type"], event["delivered_at"], ago(event["age_seconds"]))
        screen().print(table)
    typer.echo()


def ago(seconds: int) -> str:
    """Return an age in its largest whole unit: `5 min`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"
