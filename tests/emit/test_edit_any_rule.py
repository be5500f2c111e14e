"""Real rule files: any rule can be changed, nothing else changes, and promtool takes what it took before."""

from __future__ import annotations

import difflib
import functools
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rulegen.core.labels import Labels, quote
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.source import RuleSource
from rulegen.emit.expression import same
from rulegen.emit.rulefile import Edit, edited
from rulegen.errors import InputError
from rulegen.ingest.rulefile import read_rules

DATA = Path(__file__).parents[2] / ".." / "shared" / "data" / "rules"
NOTE = "rulegen: s-1 test: pages 3 → 1"
Alert = tuple[RuleSource, RuleRef, Rule]

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the rule files in ../shared/data/rules are not here")


@functools.cache
def files() -> tuple[tuple[RuleSet, RuleSource], ...]:
    found = []
    for path in sorted((*DATA.rglob("*.yml"), *DATA.rglob("*.yaml"))):
        try:
            rules, sources, _ = read_rules([str(path)])
        except InputError:
            continue  # no rules in it: a service level objective's specification
        found += [(rules, source) for source in sources]
    assert len(found) > 200
    return tuple(found)


@functools.cache
def alerts() -> tuple[Alert, ...]:
    return tuple((source, ref, rule) for rules, source in files() for ref, _, rule in rules if rule.kind == "alert")


def held(rule: Rule, text: str) -> Rule:
    return replace(rule, hold=rule.hold + 300_000)


def quick(rule: Rule, text: str) -> Rule:
    return replace(rule, hold=0, keep_firing_for=90_000)


def lowered(rule: Rule, text: str) -> Rule:
    return replace(rule, labels=rule.labels.updated({"severity": "ticket"}))


def labelled(rule: Rule, text: str) -> Rule:
    return replace(rule, labels=Labels({"why": text or "x", "severity": "ticket"}))


def bare(rule: Rule, text: str) -> Rule:
    return replace(rule, labels=Labels())


def wrapped(rule: Rule, text: str) -> Rule:
    return replace(rule, expr=f"max by (job) ({rule.expr}\n)")


def gated(rule: Rule, text: str) -> Rule:
    return replace(rule, expr=f"({rule.expr}\n) and on () gate{{why={quote(text)}}} > 1")


CHANGES: tuple[Callable[[Rule, str], Rule], ...] = (held, quick, lowered, labelled, bare, wrapped, gated)
KEYS = {
    held: ("for",),
    quick: ("for", "keep_firing_for"),
    lowered: ("labels",),
    labelled: ("labels",),
    bare: ("labels",),
    wrapped: ("expr",),
    gated: ("expr",),
}
# Surrogates cannot stand in a file; everything else may stand in a label value.
TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20)


def reread(text: str, folder: Path) -> tuple[Rule, ...]:
    path = folder / "rules.yml"
    path.write_bytes(text.encode())
    rules, _, _ = read_rules([str(path)])
    return tuple(rule for _, _, rule in rules)


def assert_same_rules(found: Sequence[Rule], wanted: Sequence[Rule]) -> None:
    for one, other in zip(found, wanted, strict=True):
        assert same(one.expr, other.expr)
        assert replace(one, line=0, expr="") == replace(other, line=0, expr="")


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), change=st.sampled_from(CHANGES), text=TEXTS)
def test_only_the_touched_keys_change(
    data: st.DataObject, change: Callable[[Rule, str], Rule], text: str, tmp_path: Path
) -> None:
    source, ref, rule = alerts()[data.draw(st.integers(0, len(alerts()) - 1))]
    new = change(rule, text)
    result = edited(source, [Edit(ref, rule, (new,), NOTE)])
    assert not result.refused
    # Every line that went belongs to a touched key, every line that came to one too, or is the note.
    place = source.rule(ref)
    assert place is not None
    touched = {
        line
        for name in KEYS[change]
        if (key := place.key(name))
        for line in source.text[source.text.rfind("\n", 0, key.start) + 1 : key.end].split("\n")
    }
    old, now = source.text.split("\n"), result.text.split("\n")
    opcodes = difflib.SequenceMatcher(None, old, now, autojunk=False).get_opcodes()
    gone = [line for tag, i, j, _, _ in opcodes if tag != "equal" for line in old[i:j]]
    assert all(any(line.startswith(each.rstrip()) for each in touched) for line in gone)
    came = [line for tag, _, _, i, j in opcodes if tag != "equal" for line in now[i:j]]
    assert sum(line.strip() == f"# {NOTE}" for line in came) == 1

    expected = [new if other == ref else each for rules, one in files() if one is source for other, _, each in rules]
    assert_same_rules(reread(result.text, tmp_path), expected)


def test_every_alert_alone() -> None:
    """Of each alert's file nothing but the alert's own lines changes, and of those only the ones of a touched key.
    EDITS=1 takes all of them, in some two minutes."""
    assert len(alerts()) > 2_000
    for number in range(0, len(alerts()), int(os.environ.get("EDITS", "6"))):
        source, ref, rule = alerts()[number]
        assert edited(source, []).text is source.text
        change = CHANGES[number % len(CHANGES)]
        result = edited(source, [Edit(ref, rule, (change(rule, "why"),), NOTE)])
        assert not result.refused, (source.path, rule.name)
        place = source.rule(ref)
        assert place is not None
        first = source.text.rfind("\n", 0, place.start) + 1
        end = source.text.find("\n", place.end - 1) + 1 or len(source.text)
        rest = len(source.text) - end
        assert (
            result.text.startswith(source.text[:first])
            and result.text[len(result.text) - rest :] == source.text[end:]
        )
        touched = [key for name in KEYS[change] if (key := place.key(name))]
        stays = [
            source.text[at : at + len(line)]
            for at, line in _lines(source.text, first, end)
            if not any(at < key.end and at + len(line) > key.start for key in touched)
        ]
        now = iter(result.text[first : len(result.text) - rest].splitlines())
        assert all(line.rstrip("\r\n") in now for line in stays), (source.path, rule.name)  # in their order


def test_a_rule_that_stays_beside_a_new_one_keeps_its_text() -> None:
    for source, ref, rule in alerts()[:: int(os.environ.get("EDITS", "60"))]:
        result = edited(source, [Edit(ref, rule, (rule, replace(rule, name=f"{rule.name}Shadow")), NOTE)])
        assert not result.refused, (source.path, rule.name)
        place = source.rule(ref)
        assert place is not None
        first = source.text.rfind("\n", 0, place.start) + 1
        old = source.text[first : source.text.find("\n", place.end - 1) + 1 or len(source.text)]
        assert result.text.startswith(source.text[:first] + old)


def _lines(text: str, start: int, end: int) -> Iterator[tuple[int, str]]:
    for line in text[start:end].splitlines(keepends=True):
        yield start, line
        start += len(line)


def faulty(text: str, path: Path) -> bool:
    """Whether promtool finds a fault or a lint in a rule file, or in a document of a PrometheusRule file."""
    yaml = YAML(typ="safe", pure=True)
    documents = [document for document in yaml.load_all(text) if document]
    for document in documents:
        if "spec" in document:
            with path.open("w", encoding="utf-8") as file:
                YAML(typ="safe", pure=True).dump(document["spec"], file)
        else:
            path.write_bytes(text.encode())
        done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
        if done.returncode or "FAILED" in done.stdout + done.stderr:
            return True
    return False


def test_promtool_takes_every_edited_file(tmp_path: Path) -> None:
    known = 0
    for rules, source in files():
        edits = [
            Edit(ref, rule, (CHANGES[index % len(CHANGES)](rule, 'it\'s "x": #{\n'),), NOTE)
            for index, (ref, _, rule) in enumerate(rules)
            if rule.kind == "alert"
        ]
        result = edited(source, edits)
        assert not result.refused
        made = {one.edit.ref: one.edit.rules[0] for one in result.changed}
        assert_same_rules(reread(result.text, tmp_path), [made.get(ref, rule) for ref, _, rule in rules])
        if edits and faulty(result.text, tmp_path / "after.yml"):
            assert faulty(source.text, tmp_path / "before.yml"), source.path
            known += 1
    assert known < len(files()) / 10
