"""Worlds hold what their truth says: the real engine replays every rule, its answer and its trap."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from ruamel.yaml import YAML
from worlds import delay, fire, noise

from rulegen.core.durations import format_duration
from rulegen.core.labels import METRIC_NAME
from rulegen.core.outcome import Firings
from rulegen.promql import Evaluator
from rulegen.train.export import render
from rulegen.train.plot import Answer, Trap
from rulegen.train.plots import KINDS
from rulegen.train.recipe import Recipe
from rulegen.train.world import World, build_world

ALLOWED_DELAY = 300_000  # ms
NOISY = ("error_rate", "low_traffic", "flapping", "short_lived", "tight_threshold", "restarts", "noisy_few")
LATER = (
    "missing_data",
    "storm_effect",
    "storm_single",
    "chronic",
    "seasonal",
    "slow_histogram",
    "watchdog",
    "absent",
    "disk",
)


@dataclass(frozen=True)
class Case:
    kinds: tuple[str, ...]
    seed: int
    days: float


CASES = (
    Case(NOISY[:4], 1, 1),
    Case(NOISY[4:], 2, 1),
    Case(LATER, 3, 2),
    Case(("flapping", "flapping", "noisy_few", "noisy_few", "chronic", "chronic"), 4, 2),
    Case(tuple(KINDS), 5, 4),
)


def recipe_of(case: Case) -> Recipe:
    plots = [{"kind": kind, "per_day": 2 * KINDS[kind].per_day[1], "trap": True, "twin": True} for kind in case.kinds]
    return Recipe.model_validate({"name": "test", "days": case.days, "plots": plots})


@pytest.fixture(scope="module", params=CASES, ids=lambda case: f"seed-{case.seed}")
def world(request: pytest.FixtureRequest) -> World:
    return build_world(recipe_of(request.param), request.param.seed)


def test_names_and_times_hold_together(world: World) -> None:
    names = [rule.name for _, _, rule in world.rules]
    assert len(set(names)) == len(names)
    assert [truth.rule for truth in world.truths] == names
    spans = [incident.span for incident in world.record.incidents]
    assert all(world.span.start <= span.start and span.end <= world.span.end for span in spans)
    assert all(left.end < right.start for left, right in pairwise(spans))
    ids = {incident.id for incident in world.record.incidents}
    assert all(set(truth.trap.loses) <= ids for truth in world.truths if truth.trap)
    inside = world.samples.span()
    assert inside is not None
    assert world.span.start <= inside.start and inside.end < world.span.end + 60_000


def test_replay_agrees_with_the_truth(world: World) -> None:
    engine, page = Evaluator(world.samples), world.dialect.page
    caught: set[str] = set()
    for (_, _, rule), truth in zip(world.rules, world.truths, strict=True):
        before = fire(engine, rule, world)
        delays = catches(before, world)
        if rule.labels["severity"] != page:
            continue
        caught |= delays.keys()
        if truth.answer is None:
            assert noise(before, world.record.incidents) == 0, f"{rule.name} is a good rule and pages for nothing"
            continue
        assert noise(before, world.record.incidents) >= max(1, world.recipe.days / 2), rule.name
        assert_answer_fits(engine, world, truth.answer, before)
        if truth.trap is not None:
            assert_trap_loses(engine, world, truth.trap, delays)
    assert caught == {incident.id for incident in world.record.incidents}


def assert_answer_fits(engine: Evaluator, world: World, answer: Answer, before: Firings) -> None:
    """It keeps the incidents, in time, and cuts most of the noise."""
    pages = answer.rule.labels["severity"] == world.dialect.page
    after = fire(engine, answer.rule, world)
    was, now = catches(before, world), catches(after, world) if pages else {}
    assert was.keys() == now.keys(), f"{answer.rule.name}: {answer.template} loses incidents"
    assert all(now[id] - was[id] <= ALLOWED_DELAY for id in was), f"{answer.rule.name}: {answer.template} is late"
    if pages:
        incidents = world.record.incidents
        assert noise(after, incidents) <= 0.5 * noise(before, incidents), f"{answer.rule.name}: {answer.template}"


def assert_trap_loses(engine: Evaluator, world: World, trap: Trap, was: dict[str, float]) -> None:
    """It cuts noise as well, and loses just the incidents that it says."""
    assert set(trap.loses) <= was.keys()
    if trap.rule.labels["severity"] == world.dialect.page:
        now = catches(fire(engine, trap.rule, world), world)
        assert not set(trap.loses) & now.keys(), f"{trap.rule.name}: {trap.template} is no trap"


def catches(firings: Firings, world: World) -> dict[str, float]:
    delays = {incident.id: delay(firings, incident) for incident in world.record.incidents}
    return {id: late for id, late in delays.items() if np.isfinite(late)}


def test_rule_file_says_what_the_world_says(world: World) -> None:
    text = render(world)["rules.yml"].decode()
    tree = YAML(typ="safe", pure=True).load(text)
    assert [group["name"] for group in tree["groups"]] == [group.name for group in world.rules.groups]
    read = [rule for group in tree["groups"] for rule in group["rules"]]
    for (_, _, rule), found in zip(world.rules, read, strict=True):
        assert found["alert"] == rule.name
        assert " ".join(found["expr"].split()) == rule.expr
        assert found.get("for", "0s") == format_duration(rule.hold)
        assert found["labels"] == dict(rule.labels)
        assert found["annotations"] == dict(rule.annotations)


def test_prometheus_tools_accept_the_files(world: World, tmp_path: Path) -> None:
    for name, content in render(world).items():
        (tmp_path / name).write_bytes(content)
    run(["promtool", "check", "rules", f"{tmp_path}/rules.yml"])
    run(["amtool", "check-config", f"{tmp_path}/alertmanager.yml"])


def run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_same_seed_gives_the_same_bytes() -> None:
    recipe = recipe_of(CASES[0])
    assert render(build_world(recipe, 9)) == render(build_world(recipe, 9))
    assert render(build_world(recipe, 9)) != render(build_world(recipe, 10))


def test_seeds_speak_differently() -> None:
    worlds = [build_world(recipe_of(Case(NOISY, seed, 2)), seed) for seed in range(6)]
    assert len({world.dialect.service for world in worlds}) > 1
    assert len({frozenset(world.samples.by_name) for world in worlds}) == len(worlds)
    assert len({frozenset(i.labels.values()) for world in worlds for i in world.record.incidents}) > 6


def test_one_plot_more_leaves_the_others_as_they_were() -> None:
    few, more = (build_world(recipe_of(Case((*NOISY[:3], *extra), 6, 1)), 6) for extra in ((), ("watchdog", "disk")))
    assert few.record == more.record
    after = {series.labels: series for series in more.samples}
    for series in few.samples:
        np.testing.assert_array_equal(series.values, after[series.labels].values)
        np.testing.assert_array_equal(series.times, after[series.labels].times)


def test_pods_are_replaced_and_scrapes_fail() -> None:
    recipe = recipe_of(Case(("short_lived",), 0, 7)).model_copy(update={"deploys": 1, "missed": 0.01, "outages": 1})
    world = build_world(recipe, 8)
    series = next(iter(world.samples.by_name.values()))
    pods = {one.labels[world.dialect.pod] for one in series}
    replicas = len(pods) // 2
    assert len(pods) == 2 * replicas
    assert sum(one.times[0] > world.span.start + 60_000 for one in series) == replicas
    gaps = np.concatenate([np.diff(one.times) for one in series])
    assert (gaps == 60_000).mean() > 0.95
    assert gaps.max() >= 7 * 60_000  # monitoring was away for at least six scrapes
    assert all(METRIC_NAME in one.labels for one in series)


def test_too_many_incidents_are_refused() -> None:
    plot = {"kind": "flapping", "incidents": 30}
    with pytest.raises(ValueError, match="30 incidents find no room in 1 days"):
        build_world(Recipe.model_validate({"name": "full", "days": 1, "plots": [plot]}))
