"""Mends an event where its schema says how: one walk along the schema, whatever the event holds elsewhere.

The schema is the only place that knows which member holds what, so a plan is read out of it once.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from gateway.validation.api_values import API_REPAIRS
from gateway.validation.finding import MOST, Finding, escaped
from gateway.validation.messages import warning
from gateway.validation.values import DROP, REPAIRS, Repair

_REPAIRS = {**REPAIRS, **API_REPAIRS}

Schema = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What may be mended at one place of a schema and below it."""

    repair: Repair | None
    members: Mapping[str, "Plan"]
    prefixed: Mapping[str, "Plan"]
    """For members whose names begin so."""
    each: "Plan | None"
    """For every element of a list, or every other member of an object."""
    most: int | None
    """A longer list is refused, so nothing of it is mended."""


def plan_of(schema: Schema, definitions: Mapping[str, Schema]) -> Plan | None:
    """Return the plan of a schema whose references are `definitions`; None where nothing is to be mended."""
    target = definitions[schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else {}
    merged = {**target, **schema, "properties": target.get("properties", {}) | schema.get("properties", {})}
    each = merged.get("items") or merged.get("additionalProperties")
    plan = Plan(
        repair=_REPAIRS[merged["x-repair"]] if "x-repair" in merged else None,
        members=_plans(merged["properties"], definitions),
        prefixed=_plans(
            {
                pattern.removeprefix("^"): below
                for pattern, below in merged.get("patternProperties", {}).items()
            },
            definitions,
        ),
        each=plan_of(each, definitions) if isinstance(each, dict) else None,
        most=merged.get("maxItems"),
    )
    return plan if plan.repair or plan.members or plan.prefixed or plan.each else None


def _plans(schemas: Mapping[str, Schema | bool], definitions: Mapping[str, Schema]) -> dict[str, Plan]:
    plans = {
        name: plan_of(below, definitions) for name, below in schemas.items() if not isinstance(below, bool)
    }
    return {name: plan for name, plan in plans.items() if plan is not None}


def mended(plan: Plan, value: Any, place: str, findings: list[Finding]) -> Any:
    """Return the value mended, or DROP; adds a warning for each repair. Changes nothing that it is given."""
    if plan.repair is not None:
        value, code = plan.repair(value)
        if code is not None:
            warn(findings, place, code)
    if type(value) is dict:
        return _mended_object(plan, value, place, findings)
    if type(value) is list and plan.each is not None and (plan.most is None or len(value) <= plan.most):
        each = plan.each
        return [
            item if (new := mended(each, item, f"{place}/{index}", findings)) is DROP else new
            for index, item in enumerate(value)
        ]
    return value


def _mended_object(plan: Plan, value: dict[str, Any], place: str, findings: list[Finding]) -> dict[str, Any]:
    result = {}
    for name, member in value.items():
        below = plan.members.get(name) or _by_prefix(plan, name) or plan.each
        new = mended(below, member, f"{place}/{escaped(name)}", findings) if below else member
        if new is not DROP:
            result[name] = new
    return result


def _by_prefix(plan: Plan, name: str) -> Plan | None:
    for prefix, below in plan.prefixed.items():
        if name.startswith(prefix):
            return below
    return None


def warn(findings: list[Finding], place: str, code: str) -> None:
    """Add a warning while there is room for it."""
    if len(findings) < MOST:
        findings.append(warning(place, code))
