"""Rule files as people write them: comments, quotes here and there, long expressions over several lines."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import numpy as np

from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule, RuleSet
from rulegen.train.vocabulary import COMMENTS

_LONG = 70  # characters from which on an expression gets lines of its own
_BREAK = re.compile(r" (?=(?:and|or|unless|/) )")  # never inside a string: the vocabulary has no spaces in values


def write_rules(rules: RuleSet, rng: np.random.Generator) -> str:
    """The YAML of a Prometheus rule file. How each rule is written is drawn from ``rng``; what it says is not."""
    lines = ["# Alerts of the shop. Changes go through review; ask in #oncall.", "groups:"]
    comments = [COMMENTS[i] for i in rng.permutation(len(COMMENTS))]
    for group in rules.groups:
        lines += [f"  - name: {group.name}", f"    interval: {format_duration(group.interval)}", "    rules:"]
        for rule in group.rules:
            lines += [f"      {line}" if line else "" for line in _rule(rule, rng, comments)]
    return "\n".join(lines) + "\n"


def _rule(rule: Rule, rng: np.random.Generator, comments: list[str]) -> Iterator[str]:
    """Takes the comment it puts above the rule, if any, out of ``comments``."""
    if comments and rng.random() < 0.35:
        yield f"# {comments.pop()}"
    yield f"- alert: {rule.name}"
    yield from (f"  {line}" for line in _expr(rule.expr, rng))
    if rule.hold or rng.random() < 0.2:
        yield f"  for: {format_duration(rule.hold)}"
    yield "  labels:"
    yield from (f"    {name}: {value}" for name, value in rule.labels.items())
    if rule.annotations:
        yield "  annotations:"
        yield from (f"    {name}: {_quoted(value, rng)}" for name, value in rule.annotations.items())
    if rng.random() < 0.5:
        yield ""


def _expr(expr: str, rng: np.random.Generator) -> Iterator[str]:
    if len(expr) > _LONG:
        yield "expr: |" if rng.random() < 0.6 else "expr: >-"
        yield from (f"  {part}" for part in _BREAK.split(expr))
    elif "{" not in expr and rng.random() < 0.6:
        yield f"expr: {expr}"
    else:
        yield f"expr: {_quoted(expr, rng)}"


def _quoted(text: str, rng: np.random.Generator) -> str:
    if "'" not in text and rng.random() < 0.6:
        return f"'{text}'"
    return json.dumps(text, ensure_ascii=False)  # JSON strings are YAML strings
