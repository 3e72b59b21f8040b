"""`gateway dead ...`: dead letters from the command line."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table

from gateway.config import Config, load
from gateway.console.client import KEY_VARIABLE, ConsoleClient
from gateway.console.patch import JSON_PATCH, MERGE_PATCH
from gateway.errors import ConfigError, GatewayError
from gateway.keys import is_hashed

dead = typer.Typer(no_args_is_help=True, help="Dead letters: what eSputnik refused for good.")

ConfigFile = Annotated[Path | None, typer.Option("--config", "-c", envvar="GATEWAY_CONFIG")]
Url = Annotated[str, typer.Option(envvar="GATEWAY_URL", help="The gateway; listen.port of the file else.")]
Site = Annotated[str, typer.Option(help="Of this site only.")]
Type = Annotated[str, typer.Option("--type", help="Of this type only.")]
EventId = Annotated[str, typer.Option("--id", help="This one only.")]
Reason = Annotated[str, typer.Option(help="With this reason only.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Show what would be done, and change nothing.")]


@dead.command("list")
def list_command(config: ConfigFile = None, url: Url = "", site: Site = "", reason: Reason = "") -> None:
    """Count them by site, type and reason."""

    async def ask(client: ConsoleClient) -> None:
        answer = await client.get("/v1/dead", site=site, reason=reason)
        table = Table("site", "type", "reason", "count", "first", "last")
        for group in answer["groups"]:
            table.add_row(
                *(str(group[name]) for name in ("site", "type", "reason", "count", "first_at", "last_at"))
            )
        screen().print(table)

    run(config, url, ask)


@dead.command()
def show(event_id: str, config: ConfigFile = None, url: Url = "") -> None:
    """Show one as eSputnik would get it."""

    async def ask(client: ConsoleClient) -> None:
        _print(await client.get(f"/v1/dead/letters/{event_id}"))

    run(config, url, ask)


@dead.command()
def fix(
    event_id: str,
    patch: Annotated[Path, typer.Argument(help="A JSON Patch (a list) or a JSON Merge Patch (an object).")],
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Change one's event by a patch."""

    async def ask(client: ConsoleClient) -> None:
        content = patch.read_bytes()
        kind = JSON_PATCH if content.lstrip().startswith(b"[") else MERGE_PATCH
        _print(await client.patch(f"/v1/dead/letters/{event_id}", content, kind))

    run(config, url, ask)


@dead.command()
def replay(
    config: ConfigFile = None,
    url: Url = "",
    site: Site = "",
    kind: Type = "",
    reason: Reason = "",
    event_id: EventId = "",
    dry_run: DryRun = False,
) -> None:
    """Send them again, in their order and with their ids; Ctrl-C stops between two batches."""

    order = _order(site, kind, reason, event_id, dry_run)

    async def ask(client: ConsoleClient) -> None:
        sent, kept = 0, list[str]()
        async for answer in client.batches("/v1/dead/replay", **order):
            for letter in answer.get("letters", ()):
                _print(letter)
            sent += answer.get("replayed", 0)
            kept += answer.get("kept", ())
        if not dry_run:
            typer.echo(f"{sent} sent again" + (f", {len(kept)} cannot be read and stay" if kept else ""))

    run(config, url, ask)


@dead.command()
def drop(
    config: ConfigFile = None,
    url: Url = "",
    site: Site = "",
    kind: Type = "",
    reason: Reason = "",
    event_id: EventId = "",
    everything: Annotated[bool, typer.Option("--all", help="Every letter, whatever it is.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Remove them for good."""

    if not (site or kind or reason or event_id or everything or dry_run):
        raise GatewayError("name what to drop by --site, --type, --reason or --id, or say --all")
    order = _order(site, kind, reason, event_id, dry_run) | {"all": everything}

    async def ask(client: ConsoleClient) -> None:
        chosen = 0
        async for answer in client.batches("/v1/dead/drop", **order):
            chosen += answer["chosen"]
        typer.echo(f"{chosen} would be removed" if dry_run else f"{chosen} removed")

    run(config, url, ask)


def _order(site: str, kind: str, reason: str, event_id: str, dry_run: bool) -> dict[str, Any]:
    return {"site": site, "type": kind, "reason": reason, "event_id": event_id, "dry_run": dry_run}


def run(path: Path | None, url: str, ask: Callable[[ConsoleClient], Awaitable[None]]) -> None:
    """Let `ask` talk to the running gateway, with the operator's key of the configuration."""
    gateway = gateway_of(load(path), url)

    async def main() -> None:
        async with gateway as client:
            await ask(client)

    asyncio.run(main())


def gateway_of(config: Config, url: str) -> ConsoleClient:
    """Return a client, not yet open, of the running gateway. Raises ConfigError without an operator's key."""
    if not config.operator.keys:
        raise ConfigError(["operator.keys: none is configured, so the gateway has no operator routes"])
    return ConsoleClient(url or f"http://{config.listen.host}:{config.listen.port}", _operator_key(config))


def screen() -> Console:
    """Return where tables go: as wide as the terminal, or wide enough for a file."""
    return Console(width=None if Console().is_terminal else 150)


def _operator_key(config: Config) -> str:
    """Return a key to present: of the environment, else the first that the configuration does not hash."""
    configured = [key.get_secret_value() for key in config.operator.keys]
    for key in (os.environ.get(KEY_VARIABLE), *configured):
        if key and not is_hashed(key):
            return key
    raise ConfigError([f"operator.keys: all are hashed; put the key itself into {KEY_VARIABLE}"])


def _print(content: Any) -> None:
    typer.echo(orjson.dumps(content, option=orjson.OPT_INDENT_2))
