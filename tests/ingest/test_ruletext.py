"""The places that a rule file's reader gives are those where an edit changes that rule and nothing else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rulegen.core.rule import Rule, RuleRef
from rulegen.core.source import KeySpan, RuleSource
from rulegen.ingest.rulefile import read_rules

TEXT = """\
\ufeff# head
groups:
- name: g   # the group
  rules:
  # before A
  - alert: A  # name
    expr: |
      up
        == 0

    # about for
    for: &five 5m
    labels: {severity: page, "team": 'shop'}
    annotations:
      summary: >-
        one
        two
      empty:

  # before B
  -   # odd
      alert: B
      expr: up
        == 1
      for: *five
      labels: &l
        severity: page
  - {alert: C, expr: "up == 2", labels: *l}
# tail
"""

# rule → (the rule's text, indent, dash, style, {key path: (key with value, value, style, anchor)})
PLACES = {
    "A": (
        ("alert: A  # name", "      empty:", 4, 2, "mapping"),
        {
            "alert": ("alert: A", "A", "plain", ""),
            "expr": ("expr: |\n      up\n        == 0", "|\n      up\n        == 0", "block-scalar", ""),
            "for": ("for: &five 5m", "&five 5m", "plain", "five"),
            "labels": (
                "labels: {severity: page, \"team\": 'shop'}",
                "{severity: page, \"team\": 'shop'}",
                "flow",
                "",
            ),
            "labels.severity": ("severity: page", "page", "plain", ""),
            "labels.team": ("\"team\": 'shop'", "'shop'", "quoted", ""),
            "annotations.summary": (
                "summary: >-\n        one\n        two",
                ">-\n        one\n        two",
                "block-scalar",
                "",
            ),
            "annotations.empty": ("empty:", "", "empty", ""),
        },
    ),
    "B": (
        ("alert: B", "severity: page", 6, 2, "mapping"),
        {
            "expr": ("expr: up\n        == 1", "up\n        == 1", "plain", ""),
            "for": ("for: *five", "*five", "alias", ""),
            "labels": ("labels: &l\n        severity: page", "&l\n        severity: page", "mapping", "l"),
            "labels.severity": ("severity: page", "page", "plain", ""),
        },
    ),
    "C": (
        ("{alert: C", "labels: *l}", 4, 4, "flow"),
        {"expr": ('expr: "up == 2"', '"up == 2"', "quoted", ""), "labels": ("labels: *l", "*l", "alias", "")},
    ),
}


def source_of(folder: Path, text: str) -> RuleSource:
    path = folder / "rules.yml"
    path.write_bytes(text.encode())
    _, (source,), problems = read_rules([path])
    assert not problems
    return source


def every(keys: tuple[KeySpan, ...], prefix: str = "") -> dict[str, KeySpan]:
    found: dict[str, KeySpan] = {}
    for key in keys:
        found |= {prefix + key.key: key, **every(key.keys, f"{prefix}{key.key}.")}
    return found


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
def test_places(newline: str, tmp_path: Path) -> None:
    source = source_of(tmp_path, TEXT.replace("\n", newline))
    text = source.text
    assert text == TEXT.replace("\n", newline) and source.newline == newline
    assert [rule.ref.index for rule in source.rules] == [0, 1, 2]
    for rule, (about, keys) in zip(source.rules, PLACES.values(), strict=True):
        head, tail, *rest = about
        inside = text[rule.start : rule.end]
        assert inside.startswith(head) and inside.endswith(tail)
        assert [rule.indent, rule.dash, rule.style] == rest
        found = every(rule.keys)
        for name, (whole, value, style, anchor) in keys.items():
            span = found[name]
            assert text[span.start : span.end].replace("\r", "") == whole
            assert text[span.value_start : span.value_end].replace("\r", "") == value
            assert (span.style, span.anchor) == (style, anchor)
            assert span.line == text.count("\n", 0, span.start) + 1
            assert rule.start <= span.start <= span.value_start <= span.value_end == span.end <= rule.end
    a, b, _ = source.rules
    assert b.key("for") is not None and b.key("record") is None
    labels = a.key("labels")
    assert labels is not None and labels.child("team") is not None and labels.child("pod") is None
    assert source.rule(RuleRef(source.path, "g", 1)) is b and source.rule(RuleRef(source.path, "h", 1)) is None


def edited(source: RuleSource, edits: list[tuple[int, int, str]]) -> str:
    text = source.text
    for start, end, new in sorted(edits, reverse=True):
        text = text[:start] + new + text[end:]
    return text


def test_every_rule_of_the_real_files_can_be_edited_alone(shared_data: Path, tmp_path: Path) -> None:
    """New expressions, ``for`` values and severities are spliced into all files; all else reads as before."""
    before, sources, _ = read_rules([shared_data / "rules"])
    rules = {ref: rule for ref, _, rule in before}
    expected: dict[RuleRef, Rule] = {}
    for number, source in enumerate(one for one in sources if one.rules):
        edits = []
        path = tmp_path / f"{number}.yml"
        for text in source.rules:
            rule, expr, hold, labels = rules[text.ref], text.key("expr"), text.key("for"), text.key("labels")
            severity = labels.child("severity") if labels else None
            assert expr is not None and not any(key.anchor for key in every(text.keys).values())
            edits.append((expr.value_start, expr.value_end, f"'vector({len(edits)})'"))
            rule = replace(rule, expr=f"vector({len(edits) - 1})")
            if hold:
                edits.append((hold.start, hold.end, "for: 77m"))
                rule = replace(rule, hold=77 * 60_000)
            if severity:
                edits.append((severity.value_start, severity.value_end, '"new"'))
                rule = replace(rule, labels=rule.labels.updated({"severity": "new"}))
            expected[RuleRef(str(path), text.ref.group, text.ref.index)] = rule
        path.write_text(edited(source, edits))
    after, _, _ = read_rules([tmp_path])
    found = {ref: rule for ref, _, rule in after}
    assert found.keys() == expected.keys()
    for ref, rule in found.items():
        assert replace(rule, line=0) == replace(expected[ref], line=0)


def test_a_rule_can_be_removed_with_its_dash(shared_data: Path, tmp_path: Path) -> None:
    """From the start of the dash's line to the end of the rule is one list item."""
    _, sources, _ = read_rules([shared_data / "rules" / "awesome"])
    for number, source in enumerate(one for one in sources if one.rules):
        cut = source.rules[0]
        line = cut.start - cut.indent
        assert source.text[line + cut.dash] == "-"
        text = source.text[:line] + source.text[cut.end :]
        names = [source.text[rule.start : rule.start + 60] for rule in source.rules[1:]]
        if not names:
            continue
        path = tmp_path / f"{number}.yml"
        path.write_text(text)
        _, (left,), problems = read_rules([path])
        assert not problems
        assert [left.text[rule.start : rule.start + 60] for rule in left.rules] == names
