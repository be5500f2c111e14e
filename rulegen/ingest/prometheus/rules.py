"""``/api/v1/rules`` → rule groups."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, ValidationError

from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.errors import Problem, UpstreamError
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.failures import shown

_Seconds = Annotated[float, Field(ge=0, le=1e10)]


class _Rule(BaseModel):
    """A rule as the server writes it. The format is not ours: what it says beyond this is left aside."""

    type: Literal["alerting", "recording"]
    name: str
    query: str
    duration: _Seconds = 0
    keepFiringFor: _Seconds = 0
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class _Group(BaseModel):
    name: str
    file: str = ""
    interval: Annotated[float, Field(gt=0, le=1e10)] = 60
    limit: Annotated[int, Field(ge=0)] = 0
    queryOffset: _Seconds = 0
    rules: list[object] | None = None


def fetch_rules(conn: Connection) -> tuple[RuleSet, tuple[Problem, ...]]:
    """The groups that the server evaluates, in its order, recording rules included; ``file`` becomes ``path``.

    A group or rule that cannot be read is a problem; the rest is used. Raises UpstreamError.
    """
    answer = conn.ask("/api/v1/rules")
    data = answer.data
    if not isinstance(data, dict) or not isinstance(found := data.get("groups") or [], list):
        raise UpstreamError(
            f"{conn.url}/api/v1/rules: answered JSON that holds no rule groups: is it a Prometheus API?"
        )
    problems = list(answer.problems)
    groups = []
    for position, raw in enumerate(found, 1):
        try:
            group = _Group.model_validate(raw)
        except ValidationError as error:
            problems.append(Problem(conn.url, 0, f"rule group number {position}: {_reason(conn, error)}"))
            continue
        groups.append(_group(conn, group, problems))
    return RuleSet(tuple(groups)), tuple(problems)


def _group(conn: Connection, group: _Group, problems: list[Problem]) -> RuleGroup:
    rules = []
    for position, raw in enumerate(group.rules or (), 1):
        try:
            rules.append(_rule(_Rule.model_validate(raw)))
        except ValidationError as error:
            name = shown(group.name, conn.credentials)
            message = f'group "{name}", rule number {position}: {_reason(conn, error)}'
            problems.append(Problem(conn.url, 0, message))
    return RuleGroup(
        group.name,
        tuple(rules),
        path=group.file,
        interval=_ms(group.interval),
        limit=group.limit,
        query_offset=_ms(group.queryOffset),
    )


def _rule(rule: _Rule) -> Rule:
    return Rule(
        rule.name,
        rule.query,
        kind="alert" if rule.type == "alerting" else "record",
        hold=_ms(rule.duration),
        keep_firing_for=_ms(rule.keepFiringFor),
        labels=Labels(rule.labels or {}),
        annotations=Labels(rule.annotations or {}),
    )


def _ms(seconds: float) -> int:
    return round(seconds * 1000)


def _reason(conn: Connection, error: ValidationError) -> str:
    first = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(map(str, first["loc"]))
    return shown(f"{place}: {first['msg']}" if place else first["msg"], conn.credentials)
