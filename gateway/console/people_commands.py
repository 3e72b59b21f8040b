"""`gateway who`, `merge`, `unmerge`, `lift`, `forget`: people from the command line."""

import getpass
from typing import Annotated, Any

import orjson
import typer
from rich.table import Table

from gateway.console.client import ConsoleClient
from gateway.console.commands import ConfigFile, DryRun, Url, run, screen

Site = Annotated[str, typer.Option(help="The site's id.")]
Cookie = Annotated[str, typer.Option(help="A visitor's cookie.")]
Customer = Annotated[str, typer.Option(help="externalCustomerId.")]
Email = Annotated[str, typer.Option()]
Phone = Annotated[str, typer.Option()]
Who = Annotated[str, typer.Option(help="Who decides this, you else; stands in the audit trail.")]
Reason = Annotated[str, typer.Option(help="Why; stands in the audit trail, so no personal data.")]
AsJson = Annotated[bool, typer.Option("--json", help="The gateway's own answer.")]


def who(
    site: Site,
    cookie: Cookie = "",
    customer: Customer = "",
    email: Email = "",
    phone: Phone = "",
    as_json: AsJson = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Tell whose cookie it is, or what is known of a person; and what opened and closed each link."""

    async def ask(client: ConsoleClient) -> None:
        named = {"cookie": cookie, "customer": customer, "email": email, "phone": phone}
        answer = await client.get("/v1/people", site=site, **named)
        if as_json:
            typer.echo(orjson.dumps(answer, option=orjson.OPT_INDENT_2))
        else:
            _show(answer)

    run(config, url, ask)


def merge(
    site: Site,
    customer: Customer,
    into: Annotated[str, typer.Option(help="The customer that he is from now on.")],
    reason: Reason,
    who: Who = "",
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Make one customer another, for all that is known of both; `unmerge` takes it back."""

    async def ask(client: ConsoleClient) -> None:
        order = {"site": site, "customer": customer, "into": into, "who": _operator(who), "reason": reason}
        await client.post("/v1/people/merge", **order)
        typer.echo("merged")

    run(config, url, ask)


def unmerge(
    site: Site,
    customer: Customer,
    reason: Reason,
    who: Who = "",
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Make a merged customer himself again: everything is as if the merge had never been."""

    async def ask(client: ConsoleClient) -> None:
        order = {"site": site, "customer": customer, "who": _operator(who), "reason": reason}
        await client.post("/v1/people/unmerge", **order)
        typer.echo("unmerged")

    run(config, url, ask)


def lift(
    site: Site,
    reason: Reason,
    email: Email = "",
    phone: Phone = "",
    who: Who = "",
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Let an email or a phone that was set aside as a placeholder name people again, as if it were new."""

    async def ask(client: ConsoleClient) -> None:
        order = {"site": site, "email": email, "phone": phone, "who": _operator(who), "reason": reason}
        await client.post("/v1/people/lift", **order)
        typer.echo("lifted")

    run(config, url, ask)


def forget(
    site: Site,
    customer: Customer = "",
    email: Email = "",
    phone: Phone = "",
    cookie: Cookie = "",
    who: Who = "",
    dry_run: DryRun = False,
    config: ConfigFile = None,
    url: Url = "",
) -> None:
    """Erase a person: links, contact keys, dead letters; late events do not bring him back."""

    async def ask(client: ConsoleClient) -> None:
        named = {"customer": customer, "email": email, "phone": phone, "cookie": cookie}
        answer = await client.post(
            "/v1/people/forget", site=site, who=_operator(who), dry_run=dry_run, **named
        )
        found = ", ".join(f"{name.replace('_', ' ')} {count}" for name, count in answer["found"].items())
        typer.echo(f"{'would be erased' if dry_run else 'erased'}: {found}")

    run(config, url, ask)


def _operator(who: str) -> str:
    try:
        return who or getpass.getuser()
    except (KeyError, OSError):  # a container's user may have no name
        return "operator"


def _show(answer: dict[str, Any]) -> None:
    links = Table("cookie", "owner", "from", "to", "opened by", "ended by", "person")
    for link in answer["links"]:
        links.add_row(
            link.get("cookie", answer.get("cookie")),
            link["customer"] or link.get("email") or link.get("phone"),
            link["from"],
            link["to"] or "open",
            f"{link['opened_by']['type']} {link['opened_by']['event']}",
            _ended(link),
            link["person"],
        )
    screen().print(links)
    if answer.get("shared"):
        typer.echo(f"shared by too many since {answer['shared_since']}: it links nobody any more")
    if answer.get("placeholder_since"):
        typer.echo(f"a placeholder since {answer['placeholder_since']}: too many have it, it names nobody")
    for contact in answer.get("contacts", ()):
        name = contact.get("email") or contact.get("phone")
        typer.echo(f"{name}: {'his' if contact['held'] else 'set aside'}, last seen {contact['last_seen']}")
    if answer.get("merged"):
        typer.echo(f"merged into this customer: {', '.join(answer['merged'])}")
    for entry in answer["trail"]:
        typer.echo(f"{entry['at']}  {entry['word']}: {entry['reason']}  {entry['type']} {entry['event']}")


def _ended(link: dict[str, Any]) -> str:
    closed_by = link["closed_by"]
    return f"{link['ended_by']}: {closed_by['event']}" if closed_by else link["ended_by"] or ""
