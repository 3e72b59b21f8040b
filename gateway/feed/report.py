"""What a check found: counted in groups, worst first, with a few examples of each; bounded in memory."""

from collections.abc import Mapping
from dataclasses import dataclass
from dataclasses import field as made
from typing import Any

from gateway.feed.findings import RULES, Finding, Rule, Severity
from gateway.product_keys.comparing import Standing

EXAMPLES = 20
"""Findings that a group keeps; all are counted."""


@dataclass
class Feed:
    """What one feed holds, in the numbers that eSputnik tells after loading it (docs page 30190720497)."""

    name: str
    products: int = 0
    in_stock: int = 0
    price_zero: int = 0
    without_category: int = 0
    errors: int = 0
    warnings: int = 0
    unreadable: str = ""
    """Why it could not be read, or not to its end."""


@dataclass
class Example:
    """One finding, and in which feed."""

    feed: str
    finding: Finding


@dataclass
class Group:
    """Findings of one code about one field."""

    code: str
    field: str
    count: int = 0
    examples: list[Example] = made(default_factory=list)

    @property
    def rule(self) -> Rule:
        """What the code means."""
        return RULES[self.code]

    @property
    def says(self) -> str:
        """What is wrong, in words."""
        return f"{self.field} {self.rule.says}" if self.field else self.rule.says


class Report:
    """Collects findings."""

    def __init__(self, examples: int = EXAMPLES) -> None:
        self._feeds: dict[str, Feed] = {}
        self._examples = examples
        self._groups: dict[tuple[str, str], Group] = {}
        self.ids: Mapping[str, Standing] = {}
        """How the main feed's ids stand to those of other sources, where these are known."""

    @property
    def feeds(self) -> list[Feed]:
        """The feeds that were looked at, in their order."""
        return list(self._feeds.values())

    def feed(self, name: str) -> Feed:
        """Return the feed of that name, new where it is not known."""
        return self._feeds.setdefault(name, Feed(name))

    def add(self, name: str, finding: Finding) -> None:
        """Count a finding of that feed."""
        feed = self.feed(name)
        severity = RULES[finding.code].severity
        feed.errors += severity >= Severity.ERROR
        feed.warnings += severity == Severity.WARNING
        key = finding.code, finding.field
        group = self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(*key)
        group.count += 1
        if len(group.examples) < self._examples:
            group.examples.append(Example(name, finding))

    @property
    def groups(self) -> list[Group]:
        """The groups, worst first, then the largest."""
        return sorted(
            self._groups.values(),
            key=lambda group: (-group.rule.severity, -group.count, group.code, group.field),
        )

    @property
    def worst(self) -> Severity:
        """The worst severity of all; NOTICE where nothing is wrong."""
        return max((group.rule.severity for group in self._groups.values()), default=Severity.NOTICE)

    def count(self, severity: Severity) -> int:
        """Return how many findings there are of that severity."""
        return sum(group.count for group in self._groups.values() if group.rule.severity == severity)

    def json(self) -> dict[str, Any]:
        """Return the report as it is written by `--json`."""
        return {
            "worst": self.worst.name.lower(),
            "counts": {severity.name.lower(): self.count(severity) for severity in reversed(Severity)},
            "feeds": [vars(feed) for feed in self.feeds],
            "groups": [_group(group) for group in self.groups],
            "ids": {str(source): standing._asdict() for source, standing in self.ids.items()},
        }


def _group(group: Group) -> dict[str, Any]:
    rule = group.rule
    return {
        "code": group.code,
        "field": group.field,
        "severity": rule.severity.name.lower(),
        "count": group.count,
        "says": group.says,
        "do": rule.do,
        "examples": [
            {"feed": one.feed, "line": one.finding.line, "id": one.finding.id, "detail": one.finding.detail}
            for one in group.examples
        ],
    }
