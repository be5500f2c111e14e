"""A generated world in which scrapes fail: the noise is named, the guard chosen, the tempting threshold refused."""

from __future__ import annotations

import pytest

from rulegen.core.cluster import Pattern
from rulegen.core.history import History, recordings
from rulegen.core.settings import Settings
from rulegen.pipeline import suggest
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES
from rulegen.train.recipe import DialectRecipe, PlotRecipe, Recipe
from rulegen.train.world import build_world


@pytest.mark.parametrize("seed", range(3))
def test_members_that_were_not_scraped(seed: int) -> None:
    plots = (PlotRecipe(kind="missing_data", incidents=4, per_day=5, trap=True),)
    made = build_world(Recipe(name="gaps", seed=seed, days=5, dialect=DialectRecipe(page="page"), plots=plots))
    history = History(made.span, recordings(made.samples), made.rules, made.samples, (), made.record)
    report = suggest(
        history, Settings(), lambda cluster: enumerate_proposals(cluster, TEMPLATES, 24), lambda *_: None
    )
    (truth,) = made.truths
    assert truth.answer is not None and truth.trap is not None
    (one,) = report.suggestions
    assert one.cluster.pattern is Pattern.MISSING_DATA and one.cluster.facts.unseen_share > 0.9
    assert one.candidate.proposal.template == truth.answer.template == "absent_guard"
    assert report.together.pages[1] == 0 < report.together.pages[0] and report.together.lost == ()
    refused = [
        verdict.reasons
        for verdict in report.verdicts
        if verdict.candidate.proposal.template == truth.trap.template
        and verdict.candidate.rules[0].expr == truth.trap.rule.expr
    ]
    assert refused and all(any(truth.trap.loses[0] in why for why in reasons) for reasons in refused)
