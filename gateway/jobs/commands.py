"""`gateway jobs` and `gateway import`: imports from the command line."""

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from gateway.config import Config, Site, load
from gateway.console.client import ConsoleClient
from gateway.errors import ConfigError
from gateway.jobs import importing
from gateway.jobs.client import Gateway
from gateway.jobs.importing import Importer
from gateway.keys import is_hashed
from gateway.validation import CallJudge, Catalogue, status_map

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG")]
Url = Annotated[str, typer.Option(envvar="GATEWAY_URL", help="The gateway; listen.port of the file else.")]

KEY_VARIABLE = "GATEWAY_SITE_KEY"
_SHOWN = ("id", "kind", "status", "received", "failed", "created_at", "updated_at")


def jobs(config: ConfigFile = None, url: Url = "") -> None:
    """Show every site's imports, the newest first, and where their failed rows are."""
    settings = load(config)
    address = _address(settings, url)
    shown = Table("site", *_SHOWN)

    async def ask() -> None:
        for site in settings.sites:
            if site.keys:
                async with ConsoleClient(address, _key(site)) as client:
                    for job in (await client.get("/v1/jobs"))["jobs"]:
                        shown.add_row(site.id, *(str(job[name]) for name in _SHOWN))

    asyncio.run(ask())
    Console(width=None if Console().is_terminal else 180).print(shown)


class Kind(StrEnum):
    """What the rows of a file are."""

    CONTACTS = "contacts"
    ORDERS = "orders"
    EVENTS = "events"
    """Past ones."""


def import_file(
    kind: Annotated[Kind, typer.Argument(help="What its rows are.")],
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="CSV, or a JSON object a line.")],
    config: ConfigFile = None,
    url: Url = "",
    site: Annotated[str, typer.Option(help="Whose they are, where several sites are configured.")] = "",
    dedupe_on: Annotated[str, typer.Option(help="By what eSputnik knows a contact.")] = "externalCustomerId",
    field: Annotated[list[str] | None, typer.Option(help="Contact's field to update; else all.")] = None,
    group: Annotated[list[str] | None, typer.Option(help="Segment to put the contacts into.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Judge every row, and send nothing.")] = False,
) -> None:
    """Import a file through the running gateway; started again, it goes on where it was stopped."""
    settings = load(config)
    terms: dict[str, Any] = {}
    if kind is Kind.CONTACTS:
        lists = {"contactFields": field, "groupNames": group}
        terms = {"dedupeOn": dedupe_on} | {name: value for name, value in lists.items() if value}
    _import(settings, _site(settings, site), kind, file, _address(settings, url), terms, dry_run)


def _import(
    settings: Config, site: Site, kind: Kind, file: Path, url: str, terms: dict[str, Any], dry_run: bool
) -> None:
    statuses = status_map(site.order_software, site.order_statuses)
    judge = CallJudge(Catalogue("api"), site.country, site.strict, site.blocked_ids, statuses)
    columns = (
        TextColumn("{task.completed:,} rows"),
        BarColumn(),
        TextColumn("{task.fields[failed]:,} failed"),
    )
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as shown:
        task = shown.add_task(str(file), total=None, failed=0)

        def tell(done: int, failed: int) -> None:
            shown.update(task, completed=done, failed=failed)

        async def main() -> importing.Progress:
            async with Gateway(url, _key(site)) as gateway:
                importer = Importer(file, kind.value, judge, terms, gateway, tell)
                return importer.check() if dry_run else await importer.run()

        ended = asyncio.run(main())
    typer.echo(f"{ended.done} rows, {ended.failed} failed" + (", nothing was sent" if dry_run else ""))
    if ended.queued:
        typer.echo(f"{ended.queued} wait for eSputnik; what it refuses of them: gateway dead list")


def _site(settings: Config, site_id: str) -> Site:
    found = [site for site in settings.sites if site.keys and site_id in ("", site.id)]
    if len(found) != 1:
        raise ConfigError(["--site: name one of the configured sites that have a key"])
    return found[0]


def _key(site: Site) -> str:
    """Return a key to present: of the environment, else the first that the configuration does not hash."""
    configured = [key.get_secret_value() for key in site.keys]
    for key in (os.environ.get(KEY_VARIABLE), *configured):
        if key and not is_hashed(key):
            return key
    raise ConfigError([f"sites: the keys of {site.id!r} are hashed; put the key itself into {KEY_VARIABLE}"])


def _address(settings: Config, url: str) -> str:
    return url or f"http://{settings.listen.host}:{settings.listen.port}"
