from __future__ import annotations

from dataclasses import replace

from proposing import cluster

from rulegen.core.candidate import Candidate, Proposal, Provenance, Slots
from rulegen.core.cluster import Grade
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.propose.refused import Refused
from rulegen.propose.render import distinct, render
from rulegen.templates import TEMPLATES, Template

SEARCH = Provenance("search")


def rendering(*rules: Rule) -> Template:
    return Template("probe", "", "tuning", frozenset(Grade), lambda _: (), lambda _, __: rules)


def rendered(*rules: Rule, proposer: str = "search") -> Candidate | Refused:
    return render(cluster(), Proposal("probe", Slots(()), Provenance(proposer)), (rendering(*rules),))


def test_a_real_template() -> None:
    slots = Slots((("for", 300_000), ("keep_firing_for", 0)))
    found = render(cluster(), Proposal("hold", slots, SEARCH), TEMPLATES)
    assert isinstance(found, Candidate)
    assert found.rules == (replace(cluster().rule, hold=300_000),)
    assert (found.cluster_id, found.replaces, found.change) == ("c1", cluster().ref, "tuning")
    assert found.id == "ddaf34c5dbf8"  # written down: an id must not change from one version to the next


def test_the_id_is_that_of_what_the_rules_do() -> None:
    rule = replace(cluster().rule, hold=7)
    one, same = rendered(rule), rendered(replace(rule, annotations=Labels({"a": "b"}), line=9), proposer="model")
    laid_out = rendered(replace(rule, expr="queue_depth{ job='api' }\n  > 100"))
    assert isinstance(one, Candidate) and isinstance(same, Candidate) and isinstance(laid_out, Candidate)
    assert one.id == same.id == laid_out.id
    others = [
        rendered(replace(rule, **change))
        for change in ({"expr": "up"}, {"hold": 8}, {"keep_firing_for": 1}, {"name": "X"}, {"kind": "record"})
    ]
    others += [rendered(replace(rule, labels=Labels({"a": "b"}))), rendered(rule, rule)]
    ids = {one.id, *(other.id for other in others if isinstance(other, Candidate))}
    assert len(ids) == 1 + len(others)


def test_refusals_are_values() -> None:
    rule = cluster().rule

    def reason(found: Candidate | Refused) -> str:
        assert isinstance(found, Refused)
        return found.reason

    assert "stays as it was" in reason(rendered(rule))
    assert "stays as it was" in reason(rendered(replace(rule, expr=rule.expr.replace(" ", "  "))))
    assert "not PromQL" in reason(rendered(replace(rule, expr="sum(")))
    assert "no template" in reason(render(cluster(), Proposal("gone", Slots(()), SEARCH), TEMPLATES))

    def refuse(_: object, __: object) -> tuple[Rule, ...]:
        raise ValueError("nothing to change")

    probe = replace(rendering(rule), render=refuse)
    assert reason(render(cluster(), Proposal("probe", Slots(()), SEARCH), (probe,))) == "probe: nothing to change"


def test_distinct_keeps_the_first() -> None:
    rule = cluster().rule
    found = [
        rendered(replace(rule, hold=hold), proposer=proposer)
        for hold, proposer in ((1, "model"), (2, "model"), (1, "search"), (3, "search"))
    ]
    kept = distinct(one for one in found if isinstance(one, Candidate))
    assert [(one.rules[0].hold, one.proposal.provenance.proposer) for one in kept] == [
        (1, "model"),
        (2, "model"),
        (3, "search"),
    ]
