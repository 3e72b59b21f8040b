"""What an operator sees of a site's product keys: over HTTP, and `gateway product-keys`."""

from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from gateway.console.client import ConsoleClient
from gateway.console.commands import ConfigFile, Url, run, screen
from gateway.product_keys.comparing import Standing, standings
from gateway.product_keys.table import Rows

EXAMPLES = 5


def told(site: str, rows: Rows, keys: bool = False) -> dict[str, Any]:
    """Return how each source's keys stand to those of the others, with a few that no other has.

    With `keys` the samples themselves go along, by source.
    """
    sources = [{"source": source, **told_of(standing)} for source, standing in standings(rows).items()]
    samples = {source.value: [key for _, key in rows[source]] for source in rows} if keys else None
    return {"site": site, "sources": sources} | ({"keys": samples} if samples is not None else {})


def told_of(standing: Standing) -> dict[str, Any]:
    """Return how one source stands, as JSON has it."""
    return {
        "sampled": standing.sampled,
        "compared": standing.compared,
        "unknown": len(standing.unknown),
        "unknown_that_are_groups": standing.groups,
        "apart": standing.is_apart,
        "examples": standing.unknown[:EXAMPLES],
    }


def product_keys(
    site: Annotated[str, typer.Option(help="The site's id.")],
    as_json: Annotated[bool, typer.Option("--json", help="The gateway's own answer.")] = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Tell whether tracking, orders and products calls name the site's products alike."""

    async def ask(client: ConsoleClient) -> None:
        answer = await client.get("/v1/product-keys", site=site)
        if as_json:
            typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
            return
        names = ("source", "sampled", "compared", "unknown", "unknown_that_are_groups", "apart")
        table = Table("source", "keys", "compared", "in no other", "of these groups", "apart", "such as")
        for one in answer["sources"]:
            table.add_row(*(str(one[name]) for name in names), ", ".join(one["examples"]))
        screen().print(table)

    run(config, url, ask)
