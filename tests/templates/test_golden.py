"""Each template by its text."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import promql_parser as pp
import pytest
from golden import CASES, Case, cases
from histories import promtool, rule_file

from rulegen.core.candidate import Slots
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.emit.alertmanager import words
from rulegen.templates import TEMPLATES

ALL = cases()
named = pytest.mark.parametrize("case", ALL, ids=[case.name for case in ALL])
fitting = pytest.mark.parametrize("case", [c for c in ALL if c.choices], ids=[c.name for c in ALL if c.choices])


def test_every_template_has_its_cases() -> None:
    assert {path.stem for path in CASES.iterdir()} == {template.name for template in TEMPLATES}


def test_every_template_has_a_file_of_its_name() -> None:
    home = Path(__file__).parents[2] / "rulegen" / "templates"
    apart = {"template", "free_form"}  # what a template is, and the one that only a model is offered
    assert {path.stem for path in home.glob("[a-z]*.py")} - apart == {template.name for template in TEMPLATES}


@named
def test_slots(case: Case) -> None:
    offered = case.template.slots(case.cluster)
    found = None if offered is None else {slot.name: [choice.token for choice in slot.choices] for slot in offered}
    assert found == case.choices


@fitting
def test_rules(case: Case) -> None:
    made = case.template.render(case.cluster, case.filled())
    assert [_laid_out(rule) for rule in made] == [_laid_out(rule) for rule in case.rules]


@fitting
def test_routing(case: Case) -> None:
    route = case.template.route
    assert tuple(words(one) for one in (route(case.cluster, case.filled()) if route else ())) == case.routing


def _laid_out(rule: Rule) -> Rule:
    return replace(rule, expr=pp.parse(rule.expr).prettify())


@fitting
def test_promtool_accepts_them(case: Case, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(json.dumps(rule_file(case.template.render(case.cluster, case.filled()))))
    done = promtool("check", "rules", "--lint-fatal", tmp_path / "rules.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@fitting
def test_what_else_the_rule_says_stays(case: Case) -> None:
    rule = replace(case.cluster.rule, annotations=Labels({"runbook": "x"}), line=7)
    made = case.template.render(replace(case.cluster, rule=rule), case.filled())
    alerts = [one for one in made if one.kind == "alert"]
    assert (alerts or case.template.change == "retirement") and all(
        one.name == rule.name and one.annotations == rule.annotations for one in alerts
    )


@fitting
def test_slots_of_another_kind_are_turned_down(case: Case) -> None:
    for name in case.filled():
        wrong = Slots(tuple((n, (None if n == name else v)) for n, v in case.filled().pairs))  # type: ignore[misc]
        with pytest.raises(ValueError, match=f"slot {name} wants"):
            case.template.render(case.cluster, wrong)
            if case.template.route:
                case.template.route(case.cluster, wrong)


def test_what_a_restart_replaces_is_said() -> None:
    """A pod may be left out, for it makes the noise today; whoever merges that has to know how long it lasts."""
    (case,) = [one for one in ALL if one.name == "carve_out: exclude one"]
    told = case.template.remarks
    assert told is not None and told(case.cluster, case.filled()) == ()
    facts = replace(case.cluster.facts, volatile=("instance", "pod"))
    (remark,) = told(replace(case.cluster, facts=facts), case.filled())
    assert "is replaced by a restart" in remark


def test_how_late_a_mute_may_tell_and_whose_clock_it_follows_is_said() -> None:
    (case,) = [one for one in ALL if one.name == "seasonal_mute: around midnight, at weekends"]
    assert case.template.remarks is not None
    late, clock = case.template.remarks(case.cluster, case.filled())
    assert late.endswith("up to 3h late") and "UTC" in clock
