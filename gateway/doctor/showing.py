"""One screen of what was found."""

from collections.abc import Iterator, Sequence
from typing import Any

import typer

from gateway.doctor.finding import Finding, State
from gateway.feed.showing import printable

_COLORS = {State.OK: "green", State.UNKNOWN: "blue", State.WARNING: "yellow", State.BROKEN: "red"}
_WIDTH = 400


def screen(findings: Sequence[Finding]) -> Iterator[str]:
    """Yield the lines, coloured."""
    for finding in findings:
        state = typer.style(f"{finding.state:<9}", fg=_COLORS[finding.state], bold=True)
        yield f"{state}{finding.check:<15}{printable(finding.says, _WIDTH)}"
        if finding.do:
            yield f"{'':24}→ {printable(finding.do, _WIDTH)}"
    yield ""
    yield summary(findings)


def summary(findings: Sequence[Finding]) -> str:
    """Return how it stands as a whole."""
    counts = {state: sum(finding.state is state for finding in findings) for state in State}
    bad = [f"{counts[state]} {word}" for state, word in _WORDS.items() if counts[state]]
    return ", ".join(bad) if bad else "all that was looked at works"


_WORDS = {State.BROKEN: "broken", State.WARNING: "to be looked at"}


def json(site: str, findings: Sequence[Finding]) -> dict[str, Any]:
    """Return what `--json` writes."""
    return {
        "site": site,
        "summary": summary(findings),
        "findings": [finding._asdict() | {"state": finding.state.value} for finding in findings],
    }
