"""The command line: one command per mode, and what an operator needs besides."""

import errno
import sys
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
import uvloop

from gateway.check import check
from gateway.config import Config, load
from gateway.console import people_commands
from gateway.console.commands import dead
from gateway.console.product_keys import product_keys
from gateway.console.refused import refused
from gateway.doctor.commands import doctor
from gateway.errors import ConfigError, GatewayError
from gateway.feed.commands import feed
from gateway.jobs.commands import import_file, jobs
from gateway.keys import hashed, new_key
from gateway.logs import set_up
from gateway.parts import Part, topics_of
from gateway.running import run_until_told
from gateway.setup.commands import setup
from gateway.setup.push_commands import webpush

ConfigFile = Annotated[
    Path | None,
    typer.Option(
        "--config", "-c", envvar="GATEWAY_CONFIG", help="TOML file; see the README.", show_default=False
    ),
]

T = TypeVar("T")

_NOT_TO_BE_HAD = (errno.EADDRINUSE, errno.EADDRNOTAVAIL)
"""Why an address cannot be listened on."""

cli = typer.Typer(no_args_is_help=True, add_completion=False, help="Event gateway for eSputnik.")
topics = typer.Typer(no_args_is_help=True, help="Kafka topics.")
key = typer.Typer(no_args_is_help=True, help="Keys of sites and operators.")
cli.add_typer(topics, name="topics")
cli.add_typer(key, name="key")
cli.add_typer(dead, name="dead")
cli.add_typer(feed, name="feed")
cli.add_typer(setup, name="setup")
setup.command()(webpush)
cli.command()(jobs)
cli.command("import")(import_file)
cli.command()(product_keys)
cli.command()(refused)
cli.command()(doctor)
for people_command in (
    people_commands.who,
    people_commands.merge,
    people_commands.unmerge,
    people_commands.lift,
    people_commands.forget,
):
    cli.command()(people_command)


@cli.command()
def run(config: ConfigFile = None) -> None:
    """Run everything in one process."""
    _serve(config, set(Part))


@cli.command()
def serve(config: ConfigFile = None) -> None:
    """Run ingest alone: HTTP in, stream out."""
    _serve(config, {Part.INGEST})


@cli.command()
def stitch(config: ConfigFile = None) -> None:
    """Run stitching alone: from the events to each site's stream."""
    _serve(config, {Part.STITCH})


@cli.command()
def deliver(config: ConfigFile = None) -> None:
    """Run delivery alone: from each site's stream to eSputnik."""
    _serve(config, {Part.DELIVER})


@feed.command()
def watch(config: ConfigFile = None) -> None:
    """Look at every site's feeds on a schedule, as `gateway run` does.

    The last good version of each stays in `feeds.path`; a `run` or `serve` on the same folder serves it.
    """
    _serve(config, {Part.FEED})


@cli.command(name="check")
def check_command(config: ConfigFile = None) -> None:
    """Read the configuration, reach every part, and say what is wrong."""
    found = _run(check(_load(config)))
    for finding in found:
        typer.echo(("ok    " if finding.ok else "WRONG ") + finding.text)
    raise typer.Exit(0 if all(finding.ok for finding in found) else 1)


@topics.command("create")
def topics_create(config: ConfigFile = None) -> None:
    """Create the Kafka topics that the configuration names; those that exist are checked."""
    from gateway.stream.kafka_topics import create_topics  # noqa: PLC0415 - Kafka is loaded only when chosen

    settings = _load(config)
    if settings.stream.kind != "kafka":
        raise typer.Exit(_fail('stream.kind is "sqlite": there are no topics to create'))
    for report in _run(create_topics(settings.stream, topics_of(settings))):
        typer.echo(f"{report.outcome:8} {report.name}")
        for difference in report.differences:
            typer.echo(f"  but {difference}")


@key.command("new")
def key_new() -> None:
    """Make a key; print it for who will present it, and its hash for the configuration."""
    made = new_key()
    typer.echo(f"{made}\n{hashed(made)}")


@key.command("hash")
def key_hash() -> None:
    """Read a key from standard input and print its hash; only for keys that were made at random."""
    typer.echo(hashed(sys.stdin.readline().strip()))


@cli.command()
def sandbox(
    port: Annotated[int, typer.Option(help="0 picks a free one.")] = 8090,
    host: str = "127.0.0.1",
    api_key: Annotated[str, typer.Option(help="What its API takes as the key.")] = "sandbox-key",
) -> None:
    """Run the stand-in eSputnik."""
    from gateway.sandbox.server import serve_until_told  # noqa: PLC0415 - a development tool

    _run(serve_until_told(host, port, api_key))


@cli.command()
def demo(
    stay: Annotated[bool, typer.Option("--stay", help="Keep everything up after the story.")] = False,
    kafka: Annotated[bool, typer.Option("--kafka", help="On a real Kafka and PostgreSQL.")] = False,
) -> None:
    """Play a small shop's story through the gateway, and show what arrived at eSputnik."""
    from gateway.demo.play import play  # noqa: PLC0415 - a development tool

    raise typer.Exit(_run(play(stay=stay, kafka=kafka)))


def main() -> None:
    """Run the command line; a mistake in the configuration is sentences on stderr and exit status 2."""
    try:
        cli()
    except ConfigError as problem:
        for mistake in problem.mistakes:
            print(f"gateway: {mistake}", file=sys.stderr)
        sys.exit(2)
    except GatewayError as problem:
        print(f"gateway: {problem}", file=sys.stderr)
        sys.exit(1)
    except OSError as problem:
        if problem.errno not in _NOT_TO_BE_HAD:
            raise
        sys.exit(_fail(f"{problem.strerror}: choose another, or stop what has it"))


def _load(path: Path | None) -> Config:
    config = load(path)
    set_up(config.logs)
    return config


def _serve(path: Path | None, parts: set[Part]) -> None:
    raise typer.Exit(_run(run_until_told(_load(path), parts, partial(load, path))))


def _run(main: Coroutine[Any, Any, T]) -> T:
    return uvloop.run(main)


def _fail(text: str) -> int:
    print(f"gateway: {text}", file=sys.stderr)
    return 2
