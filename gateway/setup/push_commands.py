"""`gateway setup webpush`: web push from the command line, and the worker's file where that is wanted."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gateway.console.client import ConsoleClient, Refusal
from gateway.console.commands import ConfigFile, Url, run
from gateway.errors import ConfigError, GatewayError
from gateway.setup.commands import DomainName, Site, path_of
from gateway.setup.place import DEFAULT_PATH
from gateway.setup.worker import FILE_CHARACTERS


def webpush(
    site: Site,
    domain: DomainName,
    worker_path: Annotated[str, typer.Option(help="Where the worker is to stand.")] = DEFAULT_PATH,
    scope: Annotated[str, typer.Option(help="The paths whose pages it is for.")] = "/",
    write: Annotated[
        Path | None, typer.Option(help="Write the worker to this file, but never over another's.")
    ] = None,
    look: Annotated[
        bool, typer.Option("--look/--no-look", help="Whether the gateway first looks for another's worker.")
    ] = True,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Register the domain for web push and say what its pages need; done again, it says the same.

    Where another's worker is in the way nothing is changed: how the two go together is told, with exit
    status 1.
    """
    order = {"domain": domain, "worker_path": worker_path, "scope": scope, "look": look}
    if write is not None:
        order["file"] = _present(write)

    async def ask(client: ConsoleClient) -> None:
        try:
            answer = await client.post(path_of(site, "/webpush"), **order)
        except Refusal as refusal:
            if "advice" not in refusal.problem:
                raise
            _advise(refusal.problem)
            raise typer.Exit(1) from None
        _tell(answer, write)

    run(config, url, ask)


def _present(file: Path) -> str:
    """Return what stands in the file; raises ConfigError where it cannot be a worker's."""
    if file.suffix != ".js":
        raise ConfigError([f"--write {file}: name a file that ends in .js"])
    if not file.parent.is_dir():
        raise ConfigError([f"--write {file}: there is no folder {file.parent}"])
    try:
        text = file.read_text(encoding="utf-8", errors="replace") if file.exists() else ""
    except OSError as problem:
        raise ConfigError([f"--write {file}: {problem.strerror}"]) from None
    if len(text) > FILE_CHARACTERS:
        raise ConfigError([f"--write {file}: a large file stands there, which is not overwritten"])
    return text


def _write(file: Path, worker: str) -> None:
    try:
        file.write_text(worker, encoding="utf-8")
    except OSError as problem:
        raise GatewayError(f"--write {file}: {problem.strerror}; all else is done, so try it again") from None


def _advise(problem: dict[str, Any]) -> None:
    advice = problem["advice"]
    typer.echo(f"{problem['detail']}.", err=True)
    for worker in advice["workers"]:
        typer.echo(f"\n{worker['path']} ({worker['provider']}):")
        for step in worker["steps"]:
            typer.echo(f"- {step}")
        if worker["merged"]:
            typer.echo(f"\nIt then is:\n\n{worker['merged'].rstrip()}")
    typer.echo(f"\nThen set up that worker:\n\n  {advice['then']}")


def _tell(answer: dict[str, Any], file: Path | None) -> None:
    worker = answer["worker"]
    typer.echo(f"{answer['domain']} is registered for web push at eSputnik.\n")
    typer.echo(f"Paste this before </head> of every page:\n\n{answer['snippet'].strip()}\n")
    if file is not None and not worker["is_merged"]:
        _write(file, worker["text"])
        typer.echo(f"The worker is written to {file}; {worker['address']} must answer with it.")
    elif not worker["is_merged"]:
        typer.echo(
            f"Let {worker['address']} answer with the worker: by a line in the shop's server (nginx),\n"
        )
        typer.echo(f"  location = {worker['path']} {{ proxy_pass {worker['served_at']}; }}\n")
        typer.echo(f"or by a file with this text, which --write FILE makes:\n\n{worker['text'].strip()}")
    for note in answer["notes"]:
        typer.echo(f"\nNote: {note}.")
