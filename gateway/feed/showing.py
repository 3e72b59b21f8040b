"""A report as people read it: on a terminal, or as a web page. What feeds hold may be hostile to either."""

from collections.abc import Iterator
from html import escape

import typer

from gateway.feed.findings import Severity
from gateway.feed.fixing import DONE
from gateway.feed.push import Outcome
from gateway.feed.report import Example, Feed, Group, Report

_COLORS = {
    Severity.UNREADABLE: "red",
    Severity.ERROR: "red",
    Severity.WARNING: "yellow",
    Severity.NOTICE: "blue",
}
_SHOWN = 5
"""Examples of one group on a terminal; the JSON and the page have all that the report keeps."""
_WIDTH = 200

_PAGE = """<!doctype html>
<html lang="en"><meta charset="utf-8"><title>Product feed</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; }}
table {{ border-collapse: collapse; }}
td, th {{ text-align: left; padding: .1em 1.5em .1em 0; vertical-align: top; }}
td:last-child {{ word-break: break-all; }}
summary {{ cursor: pointer; margin-top: .5em; }}
.do {{ color: #555; }}
.unreadable, .error {{ color: #b00; }} .warning {{ color: #a60; }} .notice {{ color: #06a; }}
</style>
<h1>Product feed</h1>
<p>{summary}</p>
<table><tr><th>feed<th>products<th>in stock<th>price 0<th>no category<th></tr>
{feeds}</table>
{groups}
</html>
"""


def terminal(report: Report) -> Iterator[str]:
    """Yield the report's lines, coloured."""
    for feed in report.feeds:
        yield typer.style(printable(feed.name), bold=True) + ": " + _numbers(feed)
    many = len(report.feeds) > 1
    for group in report.groups:
        yield ""
        severity = group.rule.severity
        head = typer.style(f"{severity.name:<10}{group.count:>8}  ", fg=_COLORS[severity], bold=True)
        yield f"{head}{group.says} → {group.rule.do}"
        for example in filter(None, (_example(one, many) for one in group.examples[:_SHOWN])):
            yield f"{'':20}{example}"
    for source, standing in report.ids.items():
        if standing.compared:
            known = standing.compared - len(standing.unknown)
            yield f"ids of {source}: {known} of {standing.compared} that are comparable are known elsewhere"
    yield ""
    yield summary(report)


def changes(report: Report) -> Iterator[str]:
    """Yield what `fix` changed, line by line."""
    for group in report.groups:
        yield (
            typer.style(f"{group.count:>8}  ", bold=True) + f"{group.field or group.says}: {DONE[group.code]}"
        )
        for example in group.examples[:_SHOWN]:
            yield f"{'':10}{_example(example, many=False)}"
    if not report.groups:
        yield "nothing to mend"


def pushed(outcome: Outcome, dry_run: bool, market: str = "") -> Iterator[str]:
    """Yield what a push did, line by line, of a market or of the products themselves."""
    done = "would be" if dry_run else "were"
    yield (
        f"{f'market {market}: ' if market else ''}{outcome.created} {done} created, "
        f"{outcome.updated} updated, {outcome.removed} {'taken out of stock' if market else 'removed'}; "
        f"{outcome.unchanged} have not changed"
    )
    if outcome.unreadable:
        yield f"{'':10}{printable(outcome.unreadable)}"
    if outcome.kept:
        yield f"{outcome.kept} are not in the feed any more; so many are removed only with --remove-many"
    for word, counts in (("skipped", outcome.skipped), ("rejected", outcome.rejected)):
        for why, count in counts.most_common():
            yield f"{count:>8}  {word}: {printable(why)}"
    for example in outcome.examples[:_SHOWN]:
        yield f"{'':10}" + "  ".join(map(printable, example))


def page(report: Report) -> str:
    """Return the report as one web page that needs nothing else."""
    return _PAGE.format(
        summary=escape(summary(report)),
        feeds="".join(map(_feed_row, report.feeds)),
        groups="\n".join(map(_group_block, report.groups)),
    )


def summary(report: Report) -> str:
    """Return what was found as one sentence."""
    words = {Severity.UNREADABLE: "unreadable", Severity.ERROR: "errors", Severity.WARNING: "warnings"}
    counts = [
        f"{report.count(severity)} {word}" for severity, word in words.items() if report.count(severity)
    ]
    return ", ".join(counts) if counts else "nothing is wrong"


def printable(text: str, most: int = _WIDTH) -> str:
    """Return the text without what could move a terminal's cursor or change its colours, and not too long."""
    text = "".join(
        character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text[:most]
    )
    return text if len(text) < most else text[: most - 1] + "…"


def _numbers(feed: Feed) -> str:
    return (
        f"{feed.products} products, {feed.in_stock} in stock, {feed.price_zero} with price 0, "
        f"{feed.without_category} without a category"
    )


def _place(example: Example, many: bool) -> str:
    line = f"line {example.finding.line}" if example.finding.line else ""
    return ", ".join(filter(None, [example.feed if many else "", line]))


def _example(example: Example, many: bool) -> str:
    finding = example.finding
    return "  ".join(printable(part) for part in (_place(example, many), finding.id, finding.detail) if part)


def _feed_row(feed: Feed) -> str:
    cells = (feed.name, feed.products, feed.in_stock, feed.price_zero, feed.without_category, feed.unreadable)
    return "<tr>" + "".join(f"<td>{escape(str(cell))}" for cell in cells) + "</tr>\n"


def _group_block(group: Group) -> str:
    severity = group.rule.severity.name.lower()
    return (
        f'<details><summary><b class="{severity}">{severity}: {group.count}</b> {escape(group.says)} '
        f'<span class="do">→ {escape(group.rule.do)}</span></summary>'
        f"<table>{''.join(map(_example_row, group.examples))}</table></details>"
    )


def _example_row(example: Example) -> str:
    cells = (_place(example, many=True), example.finding.id, example.finding.detail)
    return "<tr>" + "".join(f"<td>{escape(cell)}" for cell in cells) + "</tr>"
