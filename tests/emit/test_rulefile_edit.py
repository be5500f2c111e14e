"""Golden files: in-*.yml with edit-*.json gives out-*.yml, byte for byte, and reads as the edit says."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from rulegen.core.durations import parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleSet
from rulegen.core.source import RuleSource
from rulegen.emit.expression import same
from rulegen.emit.rulefile import Edit, Edited, edited
from rulegen.emit.ruleitem import ordered
from rulegen.errors import RulegenError
from rulegen.ingest.rulefile import read_rules

CASES = Path(__file__).parent / "cases"
NAMES = sorted(path.stem.removeprefix("in-") for path in CASES.glob("in-*.yml"))
NOTE = "rulegen: s-1 hold: pages 9 → 1"


def read(path: Path) -> tuple[RuleSet, RuleSource]:
    rules, (source,), problems = read_rules([str(path)])
    assert not problems
    return rules, source


def rule_of(spec: dict[str, Any], base: Rule | None = None) -> Rule:
    rule = base or Rule(spec.get("alert") or spec["record"], spec["expr"], "alert" if "alert" in spec else "record")
    return replace(
        rule,
        expr=spec.get("expr", rule.expr),
        hold=parse_duration(spec["for"]) if "for" in spec else rule.hold,
        keep_firing_for=parse_duration(spec["keep_firing_for"])
        if "keep_firing_for" in spec
        else rule.keep_firing_for,
        labels=Labels(spec["labels"]) if "labels" in spec else rule.labels,
        annotations=Labels(spec["annotations"]) if "annotations" in spec else rule.annotations,
    )


def edits_of(name: str, rules: RuleSet) -> list[tuple[Edit, str]]:
    found = []
    for spec in json.loads((CASES / f"edit-{name}.json").read_text()):
        ref, old = next((ref, rule) for ref, _, rule in rules if rule.name == spec["rule"])
        new = tuple(map(rule_of, spec["rules"])) if "rules" in spec else (rule_of(spec, old),)
        found.append((Edit(ref, old, ordered(new), NOTE), spec.get("refused", "")))
    return found


def expected_rules(rules: RuleSet, result: Edited) -> list[Rule]:
    made = {one.edit.ref: one.edit.rules for one in result.changed}
    return [rule for ref, _, old in rules for rule in made.get(ref, (old,))]


def assert_same_rules(found: list[Rule], wanted: list[Rule]) -> None:
    assert [rule.name for rule in found] == [rule.name for rule in wanted]
    for one, other in zip(found, wanted, strict=True):
        assert same(one.expr, other.expr)
        assert replace(one, line=0, expr="") == replace(other, line=0, expr="")


@pytest.mark.parametrize("name", NAMES)
def test_edit_gives_golden_file(name: str) -> None:
    rules, source = read(CASES / f"in-{name}.yml")
    wanted = edits_of(name, rules)
    result = edited(source, [edit for edit, _ in wanted])
    refused = {edit.ref: problem for edit, problem in result.refused}
    for edit, message in wanted:
        assert bool(message) == (edit.ref in refused)
        if message:
            assert refused[edit.ref].message.endswith(f"not edited: {message}")
            assert f'rule "{edit.old.name}"' in refused[edit.ref].message
            assert refused[edit.ref].line
    assert result.text.encode() == (CASES / f"out-{name}.yml").read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_golden_file_reads_as_the_edit_says(name: str) -> None:
    rules, source = read(CASES / f"in-{name}.yml")
    result = edited(source, [edit for edit, _ in edits_of(name, rules)])
    assert_same_rules([rule for _, _, rule in read(CASES / f"out-{name}.yml")[0]], expected_rules(rules, result))


@pytest.mark.parametrize("name", NAMES)
def test_golden_file_passes_promtool(name: str) -> None:
    path = CASES / f"out-{name}.yml"
    if name == "prometheusrule":
        pytest.skip("promtool reads no PrometheusRule resources; their rules are checked in test_edit_any_rule")
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", NAMES)
def test_notes_are_replaced_on_the_next_run(name: str) -> None:
    rules, source = read(CASES / f"out-{name}.yml")
    texts = {place.ref for place in source.rules if place.style == "mapping" and not place.anchor}
    edits = [
        Edit(ref, rule, (replace(rule, hold=rule.hold + 60_000),), NOTE.replace("s-1", "s-2"))
        for ref, _, rule in rules
        if ref in texts and rule.kind == "alert"
    ]
    result = edited(source, edits)
    lines = result.text.splitlines()
    for one in result.changed:
        assert one.after.count("# rulegen:") == 1
    assert not any(
        a.strip().startswith("# rulegen:") and b.strip().startswith("# rulegen:") for a, b in pairwise(lines)
    )


def test_without_edits_the_text_is_the_same() -> None:
    for name in NAMES:
        _, source = read(CASES / f"in-{name}.yml")
        assert edited(source, []).text is source.text


def test_two_edits_of_one_rule_are_an_error() -> None:
    rules, source = read(CASES / "in-comments.yml")
    (ref, _, rule), *_ = rules
    edit = Edit(ref, rule, (replace(rule, hold=1000),), NOTE)
    with pytest.raises(RulegenError, match="two suggestions want to change the same rule"):
        edited(source, [edit, edit])


@pytest.mark.parametrize("written", ["0m", "300s", "'5m'", "1h0m"])
def test_a_duration_written_in_another_way_does_not_keep_a_new_rule_from_standing_beside(
    written: str, tmp_path: Path
) -> None:
    path = tmp_path / "rules.yml"
    old = f"  - alert: A\n    expr: up == 0\n    for: {written}  # as ever\n"
    path.write_text(f"groups:\n- name: g\n  rules:\n{old}")
    rules, source = read(path)
    ((ref, _, rule),) = rules
    result = edited(source, [Edit(ref, rule, (rule, replace(rule, name="AShadow")), NOTE)])
    assert not result.refused
    assert result.text.startswith(path.read_text()) and "alert: AShadow\n    expr: up == 0\n" in result.text


def test_an_edit_that_would_change_another_rule_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        "groups:\n- name: g\n  rules: &all\n  - alert: A\n    expr: up == 0\n  - alert: B\n    expr: up == 1\n"
        "- name: h\n  rules: *all\n- name: i\n  rules:\n  - alert: C\n    expr: up == 2\n"
    )
    rules, source = read(path)
    edits = [Edit(ref, rule, (replace(rule, hold=60_000),), NOTE) for ref, _, rule in rules if ref.group != "h"]
    result = edited(source, edits)
    assert [one.edit.old.name for one in result.changed] == ["C"]
    assert [edit.old.name for edit, _ in result.refused] == ["A", "B"]
    assert "shared" in result.refused[0][1].message or "share" in result.refused[0][1].message
    assert result.text == path.read_text().replace(
        "  - alert: C\n    expr: up == 2\n", f"  # {NOTE}\n  - alert: C\n    expr: up == 2\n    for: 1m\n"
    )
