"""Plain rule files as PrometheusRules: the same rules, in the same words."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from histories import promtool
from ruamel.yaml import YAML

from rulegen.emit.resource import Resource, resource_names
from rulegen.errors import InputError
from rulegen.ingest.rulefile import rules_in

RULES = Path(__file__).parents[3] / "shared" / "data" / "rules"
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

ODD = """\
---
# a comment
groups:
- name: "a"   # beside it
  rules:
  - alert: X
    expr: |
      up
        == 0

    annotations:
      text: 'one
        two'
      more: "a \\
        b"
      folded: >-
        c

        d
- {name: b, rules: [{record: "r:x", expr: "1"}]}
"""


def exprs(path: str, text: str) -> list[tuple[str, str, tuple[tuple[str, str], ...]]]:
    rules, problems, _ = rules_in(path, text)
    assert not problems
    return [(rule.name, rule.expr, rule.annotations.pairs) for _, _, rule in rules]


@pytest.mark.parametrize("text", [ODD, ODD.replace("\n", "\r\n"), "\ufeff" + ODD, ODD + "...\n", ODD.rstrip("\n")])
def test_every_layout_keeps_its_meaning(text: str, tmp_path: Path) -> None:
    made = Resource("monitoring").of([("odd.yml", text)])["odd.yml"]
    assert exprs("odd.yml", made) == exprs("odd.yml", text)
    assert "# a comment" in made and "# beside it" in made
    found = YAML(typ="safe").load(made)
    assert found["metadata"] == {"name": "odd", "namespace": "monitoring"}
    with (tmp_path / "spec.yml").open("w") as file:
        YAML().dump(found["spec"], file)
    assert promtool("check", "rules", tmp_path / "spec.yml").returncode == 0
    assert Resource("monitoring").of([("odd.yml", made)])["odd.yml"] == made  # it is one already


@pytest.mark.skipif(not RULES.exists(), reason="needs ../shared/data/rules")
def test_real_rule_files() -> None:
    """Every plain one that is no larger than 200 kB either becomes one with the same rules, or is refused by name."""
    wrapped, refused = 0, []
    for path in sorted([*RULES.rglob("*.yml"), *RULES.rglob("*.yaml")]):
        text = path.read_text()
        if len(text) > 200_000:
            continue
        try:
            before = rules_in(path.name, text)
        except InputError:
            continue  # no rule file
        if not before[2] or not len(before[0]):
            continue
        try:
            made = Resource().of([(path.name, text)])[path.name]
        except InputError as error:
            refused.append(str(error))
            continue
        after = rules_in(path.name, made)
        assert [rule for _, _, rule in after[0]] != [] and len(after[1]) == len(before[1])
        for (_, _, one), (_, _, other) in zip(before[0], after[0], strict=True):
            assert (one.name, one.expr, one.hold, one.labels, one.annotations) == (
                other.name,
                other.expr,
                other.hold,
                other.labels,
                other.annotations,
            )
        wrapped += 1
    print(f"{wrapped} files wrapped, {len(refused)} refused: {refused}")
    assert wrapped > 200 and all("2 documents in one file" in one for one in refused)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("groups: []\nnamespace: x\n", "not namespace"),
        ("groups: []\n---\ngroups: []\n", "2 documents in one file"),
        ("groups: [{name: a, rules: []}, {name: a, rules: []}]\n", "two groups are called a"),
        ("groups: [\n", "not YAML"),
    ],
)
def test_what_can_be_no_resource(text: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        Resource().of([("a.yml", text)])


def test_names() -> None:
    places = ["a/Rules.yml", "a-rules.yaml", "Ünï côde.yml", "..x..y_-.yml", "-.yml", f"{'long/' * 100}x.yml"]
    found = resource_names(places)
    assert [found[place] for place in places[:5]] == ["a-rules", "a-rules-2", "n-c-de", "x.y", "rules"]
    for name in found.values():
        assert SUBDOMAIN.fullmatch(name) and len(name) <= 253
    assert len(set(found.values())) == len(places)
