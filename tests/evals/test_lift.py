"""The arithmetic of the lift: what is learnt by heart, how replays are spent, and shares beside full search."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from tinygguf import make_tiny_gguf

from evals.lift import BASELINES, BUDGETS, MODEL, OFTEN, Learnt, Row, Size, beyond, of_history, report, share
from evals.proposers import Trees, by_heart, chance, form_of
from evals.resampled import interval
from evals.spend import halving, streaming
from evals.trial import Judged, trials
from rulegen.core.candidate import Choice, Proposal, Provenance, Slot, Slots
from rulegen.core.history import History, recordings
from rulegen.core.settings import Settings
from rulegen.propose.offer import Offer
from rulegen.propose.polish import POLISH
from rulegen.train.label.lines import label
from rulegen.train.recipe import PlotRecipe, Recipe
from rulegen.train.world import build_world

STEPS = Slot("step", tuple(Choice(f"t{n}", float(n)) for n in range(80)))


@dataclass
class Scripted:
    """A trial whose only slot has a best value, 20: what is further off cuts less, and below 10 the gate is against
    it. ``glances`` keeps what was looked at, and for which share of the history."""

    group: str = "g"
    cluster: Any = field(default_factory=lambda: SimpleNamespace(id="c"))
    offers: tuple[Offer, ...] = (Offer(SimpleNamespace(name="only"), (STEPS,)),)  # type: ignore[arg-type]
    judged: list[int] = field(default_factory=list)
    glances: list[float] = field(default_factory=list)

    def candidate(self, proposal: Proposal) -> Any:
        return SimpleNamespace(id=str(proposal.slots["step"]), proposal=proposal)

    def judge(self, proposal: Proposal) -> Judged:
        step = int(proposal.slots["step"])  # type: ignore[arg-type]
        self.judged.append(step)
        cut, reasons = (self._cut(step), ()) if step >= 10 else (0.0, ("loses INC-1",))
        return Judged(self.candidate(proposal), cut, 1 - cut, 1 - cut, reasons)

    def glance(self, proposal: Proposal, share: float) -> float:
        self.glances.append(share)
        return self._cut(int(proposal.slots["step"]))  # type: ignore[arg-type]

    @staticmethod
    def _cut(step: int) -> float:
        return 1 - abs(step - 20) / 40


def proposals(*steps: int) -> Iterator[Proposal]:
    yield from (Proposal("only", Slots((("step", float(step)),)), Provenance("test")) for step in steps)


def test_replays_are_spent_on_what_is_new() -> None:
    trial: Any = Scripted()
    spent = streaming(lambda _: proposals(1, 1, 2, 1, 3, 4))(trial, 3, False)
    assert trial.judged == [1, 2, 3]
    assert [one.passed for one in spent] == [False, False, False]


def test_where_nothing_can_be_polished_the_stream_goes_on() -> None:
    trial: Any = Scripted()  # its template is none that renders, so that nothing lies near
    spent = streaming(lambda _: proposals(*range(9)))(trial, 8, True)
    assert trial.judged == list(range(8))
    assert len(spent) == 8


@pytest.mark.parametrize(("replays", "polishing"), [(1, False), (8, False), (8, True), (32, False), (32, True)])
def test_parts_of_a_replay_cost_their_share(replays: int, polishing: bool) -> None:
    trial: Any = Scripted()
    halving(trial, replays, polishing)
    cost = len(trial.judged) + sum(trial.glances)
    assert replays - 1.5 <= cost <= replays
    assert len(trial.judged) == len(set(trial.judged))


def test_halving_keeps_what_looks_best() -> None:
    trial: Any = Scripted()
    halving(trial, 8, False)
    looked = sorted(trial.judged, key=lambda step: -Scripted._cut(step))
    assert Scripted._cut(looked[0]) >= 0.8  # the best of sixteen of eighty


def line(*tried: tuple[str, int, float]) -> dict[str, Any]:
    return {"tried": [[answer, passed, cut, cut, ""] for answer, passed, cut in tried], "facts": {}}


def test_the_list_adds_what_covers_most_of_the_rest() -> None:
    lines = [
        line(("a", 1, 0.6), ("b", 1, 0.9)),
        line(("a", 1, 0.6), ("b", 0, 0.9)),
        line(("a", 1, 0.6), ("c", 1, 0.7)),
    ]
    assert by_heart(lines) == ("a", "b", "c")
    assert by_heart(lines, most=1) == ("a",)


def test_forms_speak_of_the_rule_and_not_of_its_names() -> None:
    found = form_of('{"template":"retune","slots":{"threshold":"t3","for":"10m"}}', {"for": 4.0})
    assert found[1:7] == [float(ord("t")), 3.0, 1.0, 0.0, 10.0, 2.0]
    assert np.isnan(found[7:]).all()
    assert len(found) == len(form_of('{"template":"demote","slots":{"severity":"ticket"}}', {"for": 0.0}))


def row(group: str, rule: str, cut: float, full: float) -> Row:
    return Row(group, rule, "p", 8, True, cut, full, True, True)


def test_shares_are_of_the_sum_and_differences_are_paired() -> None:
    rows = [row("a", "1", 0.5, 1.0), row("b", "2", 0.2, 0.2)]
    others = [row("b", "2", 0.1, 0.2), row("a", "1", 0.5, 1.0)]
    assert share(rows) == pytest.approx((0.7 / 1.2, 0.5, 1.0))
    assert beyond(rows, others) == pytest.approx((0.1 / 1.2, 0.0, 0.5))


def test_the_model_stands_beside_the_best_of_the_others_with_polish_and_without(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Where the polish costs the list more than the model, the lift without it is the smaller one."""
    cuts = {"fixed list": (0.6, 0.5), "boosted trees": (0.4, 0.55), MODEL: (0.5, 0.5), OFTEN: (0.7, 0.7)}
    rows = [
        Row(group, "r", name, k, polished, cuts.get(name, (0.1, 0.1))[polished], 1.0, True, True)
        for group in ("a", "b")
        for name in (*BASELINES, MODEL, OFTEN)
        for k in BUDGETS
        for polished in ((False, True) if k > 1 else (False,))
    ]
    report(rows, [Size(9.0, 5, True)])
    lines = {line.split(" | ")[0]: line.split(" | ")[1:] for line in capsys.readouterr().out.splitlines()}
    polished = lines[f"| {OFTEN}, less the best baseline"]
    bare = lines[f"| {OFTEN}, less the best baseline, both without polish"]
    assert polished[0] == bare[0] == "10.0% (10% to 10%) (fixed list)"
    assert polished[1] == "15.0% (15% to 15%) (boosted trees)"
    assert bare[1] == "10.0% (10% to 10%) (fixed list)"


def test_weights_count_in_the_resampled_mean() -> None:
    low, high = interval(np.array([1.0, 0.0, 0.0]), ["a", "a", "b"], np.array([3.0, 1.0, 4.0]))
    assert (low, high) == (0.0, 0.75)


def test_every_proposer_runs_on_a_real_history(tmp_path: Path) -> None:
    """A small world, real replays, and a model of random weights, which the grammar keeps from saying nonsense."""
    plots = (PlotRecipe(kind="flapping", incidents=2, per_day=6),)
    world = build_world(Recipe(name="lift", seed=3, days=1.5, plots=plots))
    history = History(world.span, recordings(world.samples), world.rules, world.samples, (), world.record)
    settings = Settings(page=f'severity="{world.dialect.page}"')
    lines = list(label(history, settings))
    learnt = Learnt(by_heart(lines), Trees(lines), make_tiny_gguf(tmp_path / "tiny.gguf"))
    rows, sizes, asked = of_history("lift", history, settings, learnt, 6, tmp_path / "kept")
    assert {one.proposer for one in rows} > {*BASELINES, MODEL}
    assert all(0 <= one.cut <= 1 and 0.05 <= one.full <= 1 for one in rows)
    assert all(size.ways >= size.tried > 0 for size in sizes)
    assert asked[MODEL].answers > 0
    assert asked[MODEL].refused == 0
    (trial, *_) = trials("polish", history, settings, 6, None)
    spent = streaming(chance)(trial, 32, True)
    who = [one.candidate.proposal.provenance.proposer for one in spent]
    assert len(spent) == len({one.id for one in spent}) <= 32
    assert who[:24] == ["chance"] * 24
    assert POLISH in who[24:]
    again, _, _ = of_history("lift", history, settings, learnt, 6, tmp_path / "kept")
    assert again == rows  # from the verdicts that were kept, and just the same
