"""What an operator sees of refused events: over HTTP, and `gateway refused`."""

from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from gateway.console.answers import time_of
from gateway.console.client import ConsoleClient
from gateway.console.commands import ConfigFile, Site, Type, Url, run, screen
from gateway.refused.table import Refusal

Code = Annotated[str, typer.Option(help="With this code only.")]


def shown(refusal: Refusal) -> dict[str, Any]:
    """Return a refused event as it is answered."""
    return {
        "at": time_of(refusal.at),
        "site": refusal.site,
        "type": refusal.type,
        "code": refusal.code,
        "errors": orjson.Fragment(refusal.errors),
        "event": orjson.Fragment(refusal.event),
    }


def refused(
    site: Site = "",
    kind: Type = "",
    code: Code = "",
    as_json: Annotated[bool, typer.Option("--json", help="The gateway's own answer, with shapes.")] = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Show a sample of refused events: when, why, and with --json their shape, every text masked."""

    async def ask(client: ConsoleClient) -> None:
        answer = await client.get("/v1/refused", site=site, type=kind, code=code)
        if as_json:
            typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
            return
        table = Table("at", "site", "type", "code", "where", "why")
        for one in answer["refused"]:
            cells = [str(one[name]) for name in ("at", "site", "type", "code")]
            for error in one["errors"] or [{"pointer": "", "message": ""}]:
                table.add_row(*cells, error["pointer"] or "/", error["message"])
                cells = [""] * len(cells)
        screen().print(table)

    run(config, url, ask)
