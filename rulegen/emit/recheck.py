"""Reading an edited rule file again: exactly the intended rules may have changed.

A reading of its own, by ruamel.yaml's composer and not by the offsets that the edit used, so that one cannot repeat
the other's mistake. What it compares is what Prometheus sees: text of scalars, aliases and merges written out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.scanner import Scanner

from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule
from rulegen.emit.expression import same

_NULLS = frozenset(("", "~", "null", "Null", "NULL"))
_DURATIONS = ("for", "keep_firing_for")
_ZERO = frozenset(("0", "0s", None))


class Unreadable(Exception):
    """Text that is not YAML to this reader. ``str()`` says why, on one line."""


@dataclass(frozen=True, slots=True)
class Expected:
    """What should stand where a rule's mapping starts [offset in the old text].

    ``changed`` lays these keys over the rule (None removes one); ``rules`` take the rule's place instead, None among
    them being the rule as it stood.
    """

    start: int
    changed: Mapping[str, object] | None = None
    rules: tuple[Rule | None, ...] = ()


@dataclass(frozen=True, slots=True)
class Query:
    """Equal to any text with the same syntax tree."""

    expr: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and same(self.expr, other.strip())


def differs(before: str, after: str, expected: Sequence[Expected]) -> str:
    """What is wrong with ``after``, as an edit of ``before``; "" when exactly ``expected`` has changed."""
    try:
        wanted, found = _Reading(before), _Reading(after)
    except Unreadable as error:
        return str(error)
    try:
        for one in sorted(expected, key=lambda one: one.start, reverse=True):
            place, index = wanted.places[one.start]
            if one.changed is None:
                old = place[index]
                place[index : index + 1] = [old if rule is None else _rule(rule) for rule in one.rules]
            else:
                place[index] = _laid_over(place[index], one.changed)
    except KeyError:
        return "the rule was not found again"
    return (
        ""
        if wanted.documents == found.documents
        else "the edited file would not read as intended (other rules share this text through an anchor?)"
    )


def _rule(rule: Rule) -> dict[str, object]:
    made: dict[str, object] = {rule.kind: rule.name, "expr": Query(rule.expr)}
    made |= {"for": format_duration(rule.hold)} if rule.hold else {}
    made |= {"keep_firing_for": format_duration(rule.keep_firing_for)} if rule.keep_firing_for else {}
    made |= {"labels": dict(rule.labels)} if rule.labels else {}
    made |= {"annotations": dict(rule.annotations)} if rule.annotations else {}
    return made


def _laid_over(rule: Mapping[str, object], changed: Mapping[str, object]) -> dict[str, object]:
    out = dict(rule)
    for key, value in changed.items():
        if isinstance(value, dict):
            inner = out.get(key)
            value = _laid_over(inner if isinstance(inner, dict) else {}, value) or None
        if value is None:
            out.pop(key, None)
        else:
            out[key] = value
    return out


class _Scanner(Scanner):
    """libyaml, and so Prometheus, lets a tab stand where a space may, except in front of a block's first token."""

    def scan_to_next_token(self) -> None:
        while not (self.flow_level or self.allow_simple_key) and self.reader.peek() in " \t":
            self.reader.forward()
        super().scan_to_next_token()


@dataclass(slots=True)
class _Reading:
    """``documents`` are nested dicts, lists and text; ``places`` finds the list and index of the mapping that starts
    at an offset, by its first key in block style and by itself in flow style."""

    text: str
    documents: list[object] = field(default_factory=list)
    places: dict[int, tuple[list[Any], int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        try:
            yaml = YAML(typ="safe", pure=True)
            yaml.Scanner = _Scanner
            self.documents = [self._value(node) for node in yaml.compose_all(self.text) if node is not None]
        except (YAMLError, ValueError, OverflowError, RecursionError) as error:
            problem = getattr(error, "problem", None) or str(error)
            raise Unreadable(f"not YAML: {' '.join(problem.split())}") from None

    def _value(self, node: Node) -> object:
        if isinstance(node, MappingNode):
            return self._mapping(node)
        if isinstance(node, SequenceNode):
            made: list[object] = []
            for index, each in enumerate(node.value):
                made.append(self._value(each))
                if isinstance(each, MappingNode) and each.value:
                    start = each.start_mark if each.flow_style else each.value[0][0].start_mark
                    self.places.setdefault(start.index, (made, index))
            return made
        assert isinstance(node, ScalarNode)
        return None if node.style is None and node.value in _NULLS else str(node.value)

    def _mapping(self, node: MappingNode) -> dict[str, object]:
        made: dict[str, object] = {}
        merged: dict[str, object] = {}
        for key, value in node.value:
            if key.value == "<<" and key.style is None:
                for each in value.value if isinstance(value, SequenceNode) else [value]:
                    merged = {**self._mapping(each), **merged}
            elif key.value in made:
                raise Unreadable(f'not YAML: the key "{key.value}" is given twice')
            else:
                made[str(key.value)] = self._value(value)
        made = {**merged, **made}
        # An empty value and a zero duration mean the same as no key at all.
        empty = [key for key in ("labels", "annotations") if key in made and not made[key]]
        zero = [key for key in _DURATIONS if key in made and made[key] in _ZERO]
        for key in empty + zero:
            del made[key]
        return made
