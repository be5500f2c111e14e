"""Random worlds: the same from the same seed, varied, and with words for evaluation that no other world has."""

from __future__ import annotations

import re

import numpy as np
import pytest

from rulegen.core.durations import DAY, MINUTE
from rulegen.core.labels import METRIC_NAME
from rulegen.core.rule import Rule
from rulegen.core.settings import Settings
from rulegen.desk import Desk
from rulegen.train.lexicon import UNSEEN, held_out
from rulegen.train.stories import STORIES, Story
from rulegen.train.wild import Wild, draw_world

SEEDS = range(24)
COMMON = {  # names that every world may have: what a gate looks for is found by names that exporters agree on
    *("up", "probe_success", "process_start_time_seconds", "container_start_time_seconds", "kube_pod_start_time")
}


@pytest.fixture(scope="module")
def worlds() -> list[Wild]:
    return [draw_world(seed) for seed in SEEDS]


@pytest.fixture(scope="module")
def unseen() -> list[Wild]:
    return [draw_world(UNSEEN + seed) for seed in range(6)]


def alerts(world: Wild) -> list[Rule]:
    return [rule for _, _, rule in world.history.rules if rule.kind == "alert"]


def shape(expr: str) -> str:
    """An expression without its names, its matchers and its numbers."""
    bare = re.sub(r"\{[^}]*\}", "{}", expr)
    bare = re.sub(r"\b(by|on) \([^)]*\)", r"\1 ()", bare)
    bare = re.sub(r"\b\d[\d.e+-]*[smhd]?\b", "0", bare)
    return re.sub(r"\b[a-z]\w*_\w+\b(?!\s*\()", "m", bare)


def same(one: Wild, other: Wild) -> bool:
    ones, others = list(one.history.samples), list(other.history.samples)
    return (
        (one.history.rules, one.history.record, one.page, one.stories)
        == (other.history.rules, other.history.record, other.page, other.stories)
        and [series.labels for series in ones] == [series.labels for series in others]
        and all(
            np.array_equal(a.times, b.times) and np.array_equal(a.values, b.values)
            for a, b in zip(ones, others, strict=True)
        )
    )


def test_the_same_seed_gives_the_same_world(worlds: list[Wild]) -> None:
    assert same(worlds[3], draw_world(3))
    assert not same(worlds[3], worlds[4])


def test_worlds_are_varied(worlds: list[Wild]) -> None:
    rules = [rule for world in worlds for rule in alerts(world)]
    assert len({rule.name for rule in rules}) > 0.9 * len(rules)
    assert len({shape(rule.expr) for rule in rules}) >= 30
    assert len({rule.hold for rule in rules}) >= 5
    labels = {name for rule in rules for name in rule.labels}
    assert len(labels) >= 5
    keys = {name for world in worlds for series in world.history.samples for name in series.labels}
    assert len(keys) > 40
    assert len({name for world in worlds for name in world.stories.values()} & {one.name for one in STORIES}) >= 20
    assert {world.history.record is None for world in worlds} == {False, True}
    assert {world.routing is None for world in worlds} == {False, True}


def test_some_have_no_severity_and_some_a_wider_step(worlds: list[Wild]) -> None:
    assert any("severity" not in rule.labels for world in worlds for rule in alerts(world))
    assert len({group.interval for world in worlds for (group,) in zip(world.history.rules.groups, strict=True)}) >= 2


def words(world: Wild) -> set[str]:
    """Metric names, names and values of labels, and names of alerts, without pods' names."""
    metrics = {series.labels[METRIC_NAME] for series in world.history.samples}
    families = {re.sub(r"_(total|bucket)$", "", name) for name in metrics} - COMMON
    return families | {rule.name for rule in alerts(world)}


def test_words_for_evaluation_occur_nowhere_else(worlds: list[Wild], unseen: list[Wild]) -> None:
    seen = set().union(*map(words, worlds))
    later = set().union(*map(words, unseen))
    assert len(seen) > 200
    assert len(later) > 100
    assert not seen & later


def test_a_word_is_held_out_by_its_own_letters() -> None:
    made = [f"word{number}" for number in range(400)]
    assert 0.15 < sum(map(held_out, made)) / len(made) < 0.35


def test_topologies_for_evaluation_are_larger(worlds: list[Wild], unseen: list[Wild]) -> None:
    longest = max(world.history.span.length for world in worlds)
    assert all(world.history.span.length > longest for world in unseen)
    assert longest < 10 * DAY
    assert np.median([len(world.history.samples) for world in unseen]) > max(
        np.median([len(world.history.samples) for world in worlds]), 40
    )


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_every_story_makes_noise(story: Story) -> None:
    """With every rule telling the same story, pages go out that no incident explains."""
    for seed in (1, 2, 3):
        world = draw_world(seed, (story,))
        desk = Desk.of(world.history, Settings(page=world.page), lambda _: (), MINUTE, lambda *_: None)
        assert not desk.unscored
        told = [ref for ref, (rule, _) in desk.rules.items() if world.stories.get(rule.name) == story.name]
        if any(desk.before[ref].pages.sum() >= 2 for ref in told):
            return
    pytest.fail("no rule of three worlds pages for nothing")
