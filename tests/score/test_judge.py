"""What firings amount to, against the design's words written down as plain loops."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from histories import firings, ref, unhurried
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from rulegen.core.durations import HOUR, MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER, Firings, Outcome
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid, Span, inside, intersect, union
from rulegen.score.judge import BLOCKS, Judge
from rulegen.score.targets import Target

REF = ref()
STEP = 30 * SECOND
SPAN = Span(0, 10 * HOUR)
GRID = Grid(0, 10 * HOUR, STEP)


def pages(labels: Labels) -> bool:
    return labels.get("severity") == "page"


@dataclass(frozen=True)
class World:
    found: list[Firings]
    targets: list[Target]
    judged: list[Span]
    settings: Settings
    warm: int  # the old rule's

    def judge(self, span: Span = SPAN, record: bool = True) -> Judge:
        return Judge(self.targets, self.judged, span, pages, self.settings, all_pages_are_noise=not record)


# Around few times of day, so that firings and incidents meet.
times = st.builds(lambda hour, steps: hour * 2 * HOUR + steps * STEP, st.integers(0, 4), st.integers(0, 40))
lengths = st.one_of(st.integers(0, 8), st.integers(0, 200)).map(lambda n: n * STEP)


@st.composite
def spans(draw: st.DrawFn) -> Span:
    start = draw(times)
    return Span(start, min(start + draw(lengths), SPAN.end))


alert_labels = st.builds(
    lambda service, severity: Labels({"alertname": "A", "service": service, "severity": severity}),
    st.sampled_from(["", "a", "b"]),
    st.sampled_from(["page", "page", "ticket"]),
)
odd = st.integers(-STEP + 1, STEP - 1)  # incidents do not start at evaluations


@st.composite
def rule_firings(draw: st.DrawFn) -> Firings:
    rows = [
        (labels, span.start, span.end)
        for labels, span in draw(st.lists(st.tuples(alert_labels, spans()), max_size=8))
    ]
    return firings(GRID, rows, warm=draw(st.sampled_from([0, 0, HOUR, 5 * HOUR])))


@st.composite
def incidents(draw: st.DrawFn) -> list[Target]:
    found = []
    for index, span in enumerate(draw(st.lists(spans(), max_size=5))):
        start = max(0, span.start + draw(odd))
        labels = Labels(
            {"service": draw(st.sampled_from(["", "a", "b"])), "region": draw(st.sampled_from(["", "eu"]))}
        )
        found.append(Target(f"i{index}", Span(start, max(start, span.end + draw(odd))), labels))
    return found


worlds = st.builds(
    World,
    st.lists(rule_firings(), min_size=1, max_size=2),
    incidents(),
    st.one_of(st.just([SPAN]), st.lists(spans(), min_size=1, max_size=3)),
    st.builds(
        Settings,
        lead=st.sampled_from([0, 2 * MINUTE, 15 * MINUTE]),
        carry=st.sampled_from([0, 10 * MINUTE, HOUR]),
        grace=st.sampled_from([0, MINUTE, 5 * MINUTE]),
    ),
    st.sampled_from([0, 0, 30 * MINUTE, 3 * HOUR]),
)


def rows(found: Firings) -> list[tuple[Labels, int, int]]:
    columns = zip(found.series.tolist(), found.start.tolist(), found.end.tolist(), strict=True)
    return [(found.labels[row], start, end) for row, start, end in columns]


def is_judged(world: World, time: int) -> bool:
    return any(span.start <= time <= span.end for span in world.judged)


def is_excused(world: World, time: int) -> bool:
    grace = world.settings.grace
    return any(one.span.start - grace <= time <= one.span.end + grace for one in world.targets)


def expected_delay(world: World, target: Target) -> int | None:
    best = None
    for found in world.found:
        for labels, start, end in rows(found):
            if not pages(labels) or start < found.warm:
                continue
            if any(name in labels and labels[name] != value for name, value in target.labels.items()):
                continue  # it speaks of something else
            begins, ends = target.span.start, target.span.end
            in_time = begins - world.settings.lead <= start <= ends
            still_holds = begins - world.settings.carry <= start <= begins <= end
            if in_time or still_holds:
                late = max(0, start - begins)
                best = late if best is None else min(best, late)
    return best


def is_noise(world: World, start: int) -> bool:
    return start >= world.warm and is_judged(world, start) and not is_excused(world, start)


def paging_minutes(world: World) -> float:
    count = 0
    for found in world.found:
        for labels, start, end in rows(found):
            for time in range(start, end + 1, STEP):
                count += pages(labels) and is_noise(world, time)
    return count * STEP / MINUTE


def outcome(world: World, span: Span = SPAN) -> Outcome:
    return world.judge(span).outcome(world.found, REF, world.warm)


@given(worlds)
@unhurried
def test_catches_and_delays(world: World) -> None:
    want = [expected_delay(world, target) for target in world.targets]
    got = outcome(world).delays(len(world.targets)).tolist()
    assert got == [int(NEVER) if delay is None else delay for delay in want]


@given(worlds)
@hypothesis_settings(unhurried, max_examples=60)
def test_noise(world: World) -> None:
    found = outcome(world)
    starts = [start for one in world.found for labels, start, _ in rows(one) if pages(labels)]
    assert found.unjudged == sum(not is_judged(world, start) or start < world.warm for start in starts)
    assert found.pages.sum() == sum(is_noise(world, start) for start in starts)
    assert found.minutes.sum() == pytest.approx(paging_minutes(world))
    sound = [
        min(end, next(span.end for span in union(world.judged) if span.contains(start))) - start
        for one in world.found
        for labels, start, end in rows(one)
        if pages(labels) and is_judged(world, start) and start >= max(world.warm, one.warm)
    ]
    assert found.fired.sum() == len(sound)
    assert found.longest.max() == max(sound, default=0)


@given(worlds)
@unhurried
def test_the_noisy_firings_are_those_that_are_counted(world: World) -> None:
    one = world.found[0]
    judge = world.judge()
    assert judge.noise(one).sum() == judge.outcome([one], REF, one.warm).pages.sum()


@given(worlds)
@unhurried
def test_the_blocks_are_the_whole(world: World) -> None:
    judge = world.judge()
    assert 1 <= judge.blocks <= BLOCKS
    every = np.ones(judge.blocks, dtype=np.bool_)
    judged = sum(span.length for span in intersect(world.judged, [SPAN]))
    assert judge.weeks(every) == pytest.approx(judged / (7 * 24 * HOUR))
    half = np.arange(judge.blocks) % 2 == 0
    assert judge.weeks(half) + judge.weeks(~half) == pytest.approx(judge.weeks(every))
    # A noisy firing belongs to the block whose edges hold its start.
    for one in world.found:
        for start in one.start[judge.noise(one)].tolist():
            (block,) = judge.blocks_at(np.array([start]))
            assert judge.edges[block] <= start
            assert start < judge.edges[block + 1] or block == judge.blocks - 1


@given(worlds, st.lists(st.tuples(alert_labels, spans()), max_size=5), st.integers(2, 30).map(lambda n: n * HOUR))
@unhurried
def test_unjudged_time_changes_no_verdict(world: World, more: list[tuple[Labels, Span]], later: int) -> None:
    """Firings in a time that nobody judged are no noise and, being far from all incidents, no catch."""
    moved = 10 * HOUR + later
    grid = Grid(0, moved + 10 * HOUR, STEP)
    extra = [(labels, span.start + moved, span.end + moved) for labels, span in more]
    longer = [firings(grid, [*rows(one), *extra], one.warm) for one in world.found]
    before, after = outcome(world), outcome(replace(world, found=longer), Span(0, grid.end))
    assert np.array_equal(before.pages, after.pages)
    assert before.minutes == pytest.approx(after.minutes)
    assert np.array_equal(before.caught, after.caught) and np.array_equal(before.delay, after.delay)
    assert after.unjudged - before.unjudged == sum(pages(labels) for labels, _ in more) * len(world.found)
    assert np.array_equal(before.fired, after.fired) and np.array_equal(before.longest, after.longest)


@given(worlds)
@unhurried
def test_the_rules_of_one_outcome_are_counted_together(world: World) -> None:
    judge = world.judge()
    whole = judge.outcome(world.found, REF, world.warm)
    alone = [judge.outcome([one], REF, world.warm) for one in world.found]
    assert np.array_equal(whole.pages, sum(one.pages for one in alone))
    assert whole.minutes == pytest.approx(sum(one.minutes for one in alone))
    count = len(world.targets)
    assert np.array_equal(whole.delays(count), np.min([one.delays(count) for one in alone], axis=0))


@given(worlds)
@unhurried
def test_targets_that_touch_the_judged_time_count(world: World) -> None:
    judge = world.judge()
    want = [any(one.span.start <= s.end and s.start <= one.span.end for s in judge.judged) for one in world.targets]
    assert judge.counted.tolist() == want


def one_alert(start: int, end: int, **labels: str) -> list[Firings]:
    """Minutes."""
    return [firings(GRID, [(Labels({"severity": "page", **labels}), start * MINUTE, end * MINUTE)])]


def delay_of(found: list[Firings], **settings: int) -> int | None:
    target = Target("i", Span(100 * MINUTE, 120 * MINUTE), Labels({"service": "a"}))
    judge = Judge([target], [SPAN], SPAN, pages, Settings(**settings), all_pages_are_noise=False)
    outcome = judge.outcome(found, REF, 0)
    return int(outcome.delay[0]) // MINUTE if len(outcome.caught) else None


def test_lead_and_carry() -> None:
    assert delay_of(one_alert(110, 111)) == 10
    assert delay_of(one_alert(120, 121)) == 20
    assert delay_of(one_alert(121, 130)) is None
    assert delay_of(one_alert(85, 86)) == 0  # 15m before, and over
    assert delay_of(one_alert(84, 99)) is None
    assert delay_of(one_alert(84, 100)) == 0  # still holds
    assert delay_of(one_alert(40, 100)) == 0
    assert delay_of(one_alert(39, 200)) is None  # began more than 1h before
    assert delay_of(one_alert(99, 99), lead=0) is None
    assert delay_of(one_alert(99, 100), lead=0) == 0


def test_labels_that_differ_are_about_something_else() -> None:
    assert delay_of(one_alert(110, 111, service="a")) == 10
    assert delay_of(one_alert(110, 111, service="b")) is None
    assert delay_of(one_alert(110, 111, region="eu")) == 10


def test_a_firing_before_one_window_was_seen_catches_nothing() -> None:
    found = replace(one_alert(110, 111)[0], warm=111 * MINUTE)
    assert delay_of([found]) is None


def test_bursts_excuse_no_page() -> None:
    target = Target("b", Span(100 * MINUTE, 120 * MINUTE), rule=REF)
    judge = Judge([target], [SPAN], SPAN, pages, Settings(), all_pages_are_noise=True)
    outcome = judge.outcome(one_alert(110, 111), REF, 0)
    assert outcome.pages.sum() == 1 and outcome.minutes.sum() == pytest.approx(1.5)


def test_keys_are_the_labels_that_all_paging_alerts_carry() -> None:
    found = firings(
        GRID,
        [
            (Labels({"severity": "page", "service": "a", "pod": "x"}), 0, 0),
            (Labels({"severity": "page", "service": "b"}), 0, 0),
            (Labels({"severity": "ticket"}), 0, 0),
        ],
    )
    judge = Judge([], [SPAN], SPAN, pages, Settings(), all_pages_are_noise=False)
    assert judge.outcome([found], REF, 0).keys == {"severity", "service"}
    assert judge.outcome([firings(GRID, [])], REF, 0).keys == frozenset()


def test_judged_time_without_length() -> None:
    judge = Judge([], [], SPAN, pages, Settings(), all_pages_are_noise=False)
    outcome = judge.outcome(one_alert(1, 9), REF, 0)
    assert (int(outcome.fired.sum()), outcome.unjudged, int(outcome.pages.sum())) == (0, 1, 0)
    assert not inside(np.array([0], dtype=np.int64), judge.judged).any()


def test_what_speaks_of_a_target_and_when_it_is_over() -> None:
    """Two pages catch the incident, one is late for it, one is about something else, one comes at another time."""
    target = Target("t", Span(100 * MINUTE, 120 * MINUTE), Labels({"service": "a"}))
    judge = Judge([target], [SPAN], SPAN, pages, Settings(), all_pages_are_noise=False)
    found = firings(
        GRID,
        [
            (Labels({"severity": "page", "service": "a"}), 103 * MINUTE, 110 * MINUTE),
            (Labels({"severity": "page", "service": "a"}), 115 * MINUTE, 127 * MINUTE),
            (Labels({"severity": "page", "service": "a"}), 130 * MINUTE, 131 * MINUTE),
            (Labels({"severity": "page", "service": "b"}), 104 * MINUTE, 105 * MINUTE),
            (Labels({"severity": "page", "service": "a"}), 10 * MINUTE, 11 * MINUTE),
        ],
    )
    outcome = judge.outcome([found], REF, 0)
    assert outcome.spoke is not None and outcome.reset is not None
    assert int(outcome.spoke.sum()) == 2 and int(outcome.fired.sum()) == 5
    assert outcome.delay.tolist() == [3 * MINUTE] and outcome.reset.tolist() == [7 * MINUTE]


def test_time_that_nobody_judged_makes_no_firing_longer() -> None:
    judge = Judge(
        [],
        [Span(0, 100 * MINUTE), Span(200 * MINUTE, 300 * MINUTE)],
        SPAN,
        pages,
        Settings(),
        all_pages_are_noise=False,
    )
    across, within = (judge.outcome(one_alert(start, end), REF, 0) for start, end in ((90, 250), (210, 260)))
    assert int(across.longest.max()) == 10 * MINUTE and int(within.longest.max()) == 50 * MINUTE
