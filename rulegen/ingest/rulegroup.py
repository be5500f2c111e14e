"""YAML nodes → :class:`~rulegen.core.rule.RuleGroup`, checked as Prometheus' ``model/rulefmt`` checks them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from rulegen.core.durations import parse_duration
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.rule import Rule, RuleGroup
from rulegen.errors import Problem
from rulegen.ingest.names import is_label_name, is_metric_name
from rulegen.ingest.problems import problem
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode
from rulegen.promql.parse import ExpressionError, parse

T = TypeVar("T")

_RULE_FIELDS = frozenset(("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations"))
# The last three belong to Thanos, Mimir and vmalert, and change nothing about what a rule computes.
_GROUP_FIELDS = frozenset(("name", "interval", "query_offset", "limit", "labels", "rules")) | frozenset(
    ("partial_response_strategy", "align_evaluation_time_on_interval", "concurrency")
)
_MAX_DURATION = (1 << 63) // 1_000_000  # ms: Prometheus holds a duration as int64 nanoseconds


@dataclass(slots=True)
class GroupReader:
    """Reads one group after another; what is wrong gathers in ``problems``."""

    path: str
    default_interval: int
    problems: list[Problem] = field(default_factory=list)

    def read(self, node: Node) -> tuple[RuleGroup, tuple[MappingNode, ...]] | None:
        """The group with those of its rules that can be used, and the node of each of them; None for a bad group."""
        fields = _Fields(self, node, "a rule group")
        if not fields.good:
            return None
        name = fields.text("name")
        if name:
            fields.where = f'group "{name}": '
        else:
            fields.wrong("name", "a group needs a name")
        fields.only(_GROUP_FIELDS)
        interval = fields.duration("interval") or self.default_interval
        offset = fields.duration("query_offset")
        limit = fields.convert("limit", _whole, 0, "is wrong")
        labels = fields.labels("labels")
        rules_node = fields.get("rules")
        items: tuple[Node, ...] = ()
        if isinstance(rules_node, SequenceNode):
            items = rules_node.items
        elif rules_node is not None:
            fields.wrong("rules", f"rules should be a list of rules, not {rules_node.kind}")
        read = [(self._rule(item, name, index, labels), item) for index, item in enumerate(items, start=1)]
        good = [(rule, item) for rule, item in read if rule is not None and isinstance(item, MappingNode)]
        if not fields.good:
            return None
        rules = tuple(rule for rule, _ in good)
        group = RuleGroup(name, rules, self.path, interval, max(limit, 0), offset)
        return group, tuple(item for _, item in good)

    def _rule(self, node: Node, group: str, position: int, group_labels: Mapping[str, str]) -> Rule | None:
        fields = _Fields(self, node, "a rule", f'group "{group}", rule {position}: ')
        if not fields.good:
            return None
        alert, record = fields.text("alert"), fields.text("record")
        if alert or record:
            fields.where = f'group "{group}", rule "{alert or record}": '
        fields.only(_RULE_FIELDS)
        if alert and record:
            fields.wrong("record", "only one of alert and record may be set")
        elif not alert and not record:
            fields.wrong("", "one of alert and record must be set")
        expr = fields.text("expr").strip()
        if expr:
            fields.convert("expr", _parsed, None, "cannot be parsed")
        elif fields.get("expr") is None or isinstance(fields.get("expr"), ScalarNode):
            fields.wrong("expr", "expr must be set")
        hold, keep = fields.duration("for"), fields.duration("keep_firing_for")
        labels, annotations = fields.labels("labels"), fields.labels("annotations")
        if record and not alert:
            for name, value in (("for", hold), ("keep_firing_for", keep), ("annotations", annotations)):
                if value:
                    fields.wrong(name, f"a recording rule has no {name}")
            if not is_metric_name(record):
                fields.wrong("record", f"record is not a metric name: {record!r}")
        if not fields.good:
            return None
        return Rule(
            name=alert or record,
            expr=expr,
            kind="alert" if alert else "record",
            hold=hold,
            keep_firing_for=keep,
            labels=Labels({**group_labels, **labels}),
            annotations=Labels(annotations),
            line=node.line,
        )


class _Fields:
    """The values of one mapping, read by name; whatever is wrong becomes a problem and makes ``good`` false."""

    def __init__(self, reader: GroupReader, node: Node, what: str, where: str = "") -> None:
        self.reader = reader
        self.node = node
        self.what = what
        self.where = where
        self.good = True
        self.values: Mapping[str, tuple[ScalarNode, Node]] = {}
        self.repeated: tuple[ScalarNode, ...] = ()
        if isinstance(node, MappingNode):
            self.values, self.repeated = node.fields(), node.repeated()
        else:
            self.wrong("", f"{what} should be a mapping, not {node.kind}")

    def only(self, allowed: Collection[str]) -> None:
        """Each field once, and no others."""
        for key in self.repeated:
            self.problem(key.line, f'"{key.text}" is given twice')
        for key, _ in self.values.values():
            if key.text not in allowed:
                self.problem(key.line, f'unknown field "{key.text}" ({self.what} has {", ".join(sorted(allowed))})')

    def problem(self, line: int, message: str) -> None:
        self.good = False
        self.reader.problems.append(problem(self.reader.path, line, self.where + message))

    def wrong(self, name: str, message: str) -> None:
        """``message`` about the field ``name`` ("" for the mapping as a whole)."""
        self.problem(self.values[name][0].line if name in self.values else self.node.line, message)

    def get(self, name: str) -> Node | None:
        """The value of a field; None where it is missing or null, which is the same to Prometheus."""
        value = self.values[name][1] if name in self.values else None
        return None if isinstance(value, ScalarNode) and value.null else value

    def text(self, name: str) -> str:
        value = self.get(name)
        if value is None or isinstance(value, ScalarNode):
            return value.text if value else ""
        self.wrong(name, f"{name} should be a single value, not {value.kind}")
        return ""

    def convert(self, name: str, to: Callable[[str], T], default: T, wrong: str) -> T:
        """``to(text)`` of a field, ``default`` where it is missing. A ValueError of ``to`` becomes a problem."""
        if self.get(name) is None:
            return default
        try:
            return to(self.text(name))
        except ValueError as error:
            self.wrong(name, f"{name} {wrong}: {error}")
            return default

    def duration(self, name: str) -> int:
        return self.convert(name, _duration, 0, "is wrong")

    def labels(self, name: str) -> dict[str, str]:
        node = self.get(name)
        if node is None:
            return {}
        if not isinstance(node, MappingNode):
            self.wrong(name, f"{name} should be a mapping, not {node.kind}")
            return {}
        for key in node.repeated():
            self.problem(key.line, f'{name}: "{key.text}" is given twice')
        found = {}
        for key, value in node.fields().values():
            if not is_label_name(key.text) or (key.text == METRIC_NAME and name == "labels"):
                self.problem(key.line, f'{name}: "{key.text}" is not a label name (letters, digits and _)')
            elif not isinstance(value, ScalarNode):
                self.problem(key.line, f'{name}: "{key.text}" should be a single value, not {value.kind}')
            else:
                found[key.text] = "" if value.null else value.text
        return found


def _whole(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise ValueError(f"not a whole number: {text!r}") from None


def _duration(text: str) -> int:
    duration = parse_duration(text)
    if duration > _MAX_DURATION:
        raise ValueError(f"{text} is out of range")
    return duration


def _parsed(expr: str) -> None:
    try:
        parse(expr)
    except ExpressionError as error:  # its text has several lines
        hint = " (a template? render it first)" if "{{" in expr else ""
        raise ValueError(f"{error.message}{hint}") from None
