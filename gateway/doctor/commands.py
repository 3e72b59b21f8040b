"""`gateway doctor`: one screen of what works, what does not, and what to do next."""

import asyncio
import gc
from typing import Annotated

import orjson
import typer

from gateway.config import load
from gateway.console.commands import ConfigFile, Url
from gateway.doctor.examining import examine
from gateway.doctor.finding import exit_status
from gateway.doctor.showing import json, screen
from gateway.errors import ConfigError
from gateway.feed.apart import COLLECT_EVERY


def doctor(
    site: Annotated[str, typer.Option(help="The site's id; may be left out where there is one.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Write JSON.")] = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Look at a shop's whole way to eSputnik; nothing is changed, no event is sent.

    Exit status: 0 all works, 1 warnings, 2 something is broken.
    """
    gc.set_threshold(COLLECT_EVERY)
    settings = load(config)
    named = [one for one in settings.sites if one.id == site or (not site and len(settings.sites) == 1)]
    if not named:
        known = ", ".join(one.id for one in settings.sites)
        raise ConfigError([f"{f'--site {site}'.strip()}: name one of the configured sites: {known}"])
    findings = asyncio.run(examine(settings, named[0], url))
    if as_json:
        typer.echo(orjson.dumps(json(named[0].id, findings), option=orjson.OPT_INDENT_2))
    else:
        for line in screen(findings):
            typer.echo(line)
    raise typer.Exit(exit_status(findings))
