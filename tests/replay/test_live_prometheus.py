"""The alert state machine against the real thing: a Prometheus that scrapes moving gauges and evaluates every second.

Afterwards the same rules are replayed over what it really scraped, and what they wrote is set beside what it wrote:
every run of ``ALERTS`` (pending and firing), of ``ALERTS_FOR_STATE`` and of the recorded series, none missing, none
more, alike within one evaluation at both ends. (A sample that is stored while rules are evaluated is seen by the
next evaluation; what was scraped when does not say which. So phases last three evaluations more or less than waits.)
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pytest
from servers import Reply, Request, answering, prometheus

from rulegen.core.durations import SECOND
from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.rule import RuleGroup, RuleSet
from rulegen.core.series import Samples, Series, is_stale
from rulegen.core.spans import Grid, Span
from rulegen.ingest.prometheus import connect, fetch_samples
from rulegen.ingest.rulefile import read_rules
from rulegen.promql import Evaluator
from rulegen.replay.groups import Replayed, replay_groups

RUN_S = 105
RESTORING = 3  # evaluations in which a Prometheus that has just started still looks for older alerts and writes none
BEAT = "beat"  # what each group records about its evaluations, so that one left out on a slow machine is known
RECORDED = (BEAT, "zone:temperature:max", "zone:temperature:twice")

# What the exporter shows: phases of (seconds, value), from the start and again and again; None: no such series.
Phases = tuple[tuple[int, float | None], ...]
MOVES: dict[str, Phases] = {
    'temperature{zone="a",rack="1"}': ((9, 20), (12, 85), (10, 20), (25, 95), (9, 20)),
    'temperature{zone="a",rack="2"}': ((20, 20), (12, 85), (40, 20)),
    'temperature{zone="b",rack="1"}': ((14, 30), (8, 99), (6, 30), (8, 99), (200, 30)),
    'flapping{zone="a"}': ((6, 1), (6, 0)),
    'blinking{zone="a"}': ((8, 1), (9, None), (16, 1), (7, None)),
    'blinking{zone="b"}': ((200, 1),),
    "broken": ((30, 0), (12, 1), (200, 0)),  # the exporter answers 500 while it is 1, so that nothing is scraped
}
COUNTED = ((15, 0), (15, 5))  # a counter's growth per second

RULES = """
groups:
  - name: fast
    rules:
      - record: beat
        expr: vector(1)
        labels: {group: fast}
      - record: zone:temperature:max
        expr: max by (zone) (temperature)
      - alert: Hot
        expr: temperature > 80
        labels: {severity: page}
      - alert: HotAWhile
        expr: temperature > 80
        for: 5s
        labels: {severity: page, place: "zone {{ $labels.zone }}"}
      - alert: HotForever
        expr: temperature > 80
        for: 40s
      - alert: ZoneHot
        expr: zone:temperature:max > 90
        for: 3s
        labels: {severity: '{{ $labels.zone }}-page'}
      - alert: Flapping
        expr: flapping == 1
        for: 3s
      - alert: FlappingTooFast
        expr: flapping == 1
        for: 10s
      - alert: FlappingHeld
        expr: flapping == 1
        keep_firing_for: 10s
      - alert: FlappingHeldShortly
        expr: flapping == 1
        for: 2s
        keep_firing_for: 2s
      - alert: Blinking
        expr: blinking > 0
        for: 4s
      - alert: Blinked
        expr: absent(blinking{zone="a"})
      - alert: Busy
        expr: rate(work_total[8s]) > 2
        for: 2s
      - alert: Down
        expr: up == 0
        for: 4s
      - alert: Tiered
        expr: temperature > 25
        for: 2s
        labels:
          tier: '{{ if gt $value 90.0 }}critical{{ else if gt $value 80.0 }}warning{{ else }}info{{ end }}'
          where: '{{ $labels.zone | toUpper }}/{{ .Labels.rack }}{{ $labels.missing }}'
          value: '{{ $value | printf "%.1f" }}'
      - alert: ManyHot
        expr: count(ALERTS{alertname="Hot", alertstate="firing"}) > 1
  - name: slow
    interval: 3s
    rules:
      - record: beat
        expr: vector(1)
        labels: {group: slow}
      - record: zone:temperature:twice
        expr: zone:temperature:max * 2
      - alert: SlowHot
        expr: zone:temperature:twice > 160
        for: 3s
        keep_firing_for: 3s
      - alert: SlowFlapping
        expr: max_over_time(flapping[4s]) == 0
"""


def at(phases: Phases, second: float) -> float | None:
    second %= sum(length for length, _ in phases)
    for length, value in phases:
        if second < length:
            return value
        second -= length
    raise AssertionError("the phases end before their own length")


def exposition(second: float) -> Reply:
    """What the exporter answers ``second`` after its start."""
    shown = {name: at(phases, second) for name, phases in MOVES.items()}
    if shown.pop("broken"):
        return Reply("", status=500)
    around = sum(length for length, _ in COUNTED)
    whole, rest = divmod(second, around)
    counted = whole * 15 * 5 + max(0.0, rest - 15) * 5
    lines = [f"{name} {value}" for name, value in shown.items() if value is not None]
    body = "\n".join([*lines, "# TYPE work_total counter", f"work_total {counted:.3f}", ""])
    return Reply(body, headers={"Content-Type": "text/plain; version=0.0.4"})


@dataclass(frozen=True)
class Lived:
    """What a Prometheus ``wrote`` by its rules, and what a replay of them over its scrapes did."""

    wrote: Samples
    replayed: Replayed
    beats: dict[str, np.ndarray]  # by group: its evaluations, ms


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    home = tmp_path_factory.mktemp("live")
    path = home / "rules.yml"
    path.write_text(RULES)
    began = time.monotonic()

    def answer(_: Request) -> Reply:
        return exposition(time.monotonic() - began)

    with answering(answer) as exporter:
        target = exporter.removeprefix("http://")
        with prometheus(home / "server", rules=[path], targets=[target], interval="1s") as url:
            start = time.time()
            time.sleep(RUN_S)
            span = Span(round(start * 1000) - 60 * SECOND, round(time.time() * 1000) - 3 * SECOND)
            with connect(url) as conn:
                scraped, _ = fetch_samples(conn, ["temperature", "flapping", "blinking", "work_total", "up"], span)
                wrote, _ = fetch_samples(conn, [*RECORDED, "ALERTS", "ALERTS_FOR_STATE"], span)
    rules, _, problems = read_rules([path], default_interval_ms=SECOND)
    assert problems == ()
    yield _replayed(rules, scraped, wrote, span)


def _replayed(rules: RuleSet, scraped: Samples, wrote: Samples, span: Span) -> Lived:
    """At the times at which each group was evaluated: Prometheus gives every group an offset of its own."""
    beats = {one.labels["group"]: one.times[~is_stale(one.values)] for one in wrote.by_name[BEAT]}
    assert beats.keys() == {"fast", "slow"}

    def grid(group: RuleGroup, _: Span) -> Grid:
        times = beats[group.name]
        assert len(times) > RUN_S * SECOND / group.interval * 0.7, (
            f"too few evaluations of {group.name}: {len(times)}"
        )
        assert not ((times - times[0]) % group.interval).any()
        return Grid(int(times[0]), int(times[-1]), group.interval)

    return Lived(wrote, replay_groups(rules, Evaluator(scraped, semantics="closed"), span, grid_of=grid), beats)


Runs = list[tuple[int, int]]  # first and last evaluation, ms


def runs(series: Series, beats: np.ndarray) -> Runs:
    """The runs of evaluations at which a rule wrote a sample, as first and last; from when alerts are written."""
    times = series.times[~is_stale(series.values)]
    times = times[np.isin(times, beats[RESTORING:])]
    place = np.searchsorted(beats, times)
    cuts = np.flatnonzero(np.diff(place) > 1) + 1
    return [(int(part[0]), int(part[-1])) for part in np.split(times, cuts) if len(part)]


def group_of(labels: Labels) -> str:
    slow = labels.get("alertname", "").startswith("Slow") or labels[METRIC_NAME].endswith("twice")
    return labels.get("group", "slow" if slow else "fast")


def all_runs(series: Iterator[Series] | Samples, lived: Lived) -> dict[Labels, Runs]:
    found = {one.labels: runs(one, lived.beats[group_of(one.labels)]) for one in series}
    return {labels: there for labels, there in found.items() if there}


def written(lived: Lived) -> Iterator[Series]:
    for result in lived.replayed.results:
        assert result.error == "" and not len(result.failed)
        yield from result.written


def apart(lived: Lived, group: str) -> int:
    """How far two runs may be apart: an interval, or what a busy machine left out."""
    return int(np.diff(lived.beats[group]).max())


def test_every_run_of_alerts_is_the_replays(lived: Lived) -> None:
    theirs, ours = all_runs(lived.wrote, lived), all_runs(written(lived), lived)
    assert theirs.keys() == ours.keys()
    for labels in theirs:
        allowed = apart(lived, group_of(labels))
        end = int(lived.beats[group_of(labels)][-1])
        mine, real = ours[labels], theirs[labels]
        # What begins with the last evaluations may have begun for one of the two only.
        mine, real = ([run for run in side if run[0] < end - 2 * allowed] for side in (mine, real))
        assert len(mine) == len(real), f"{labels}: Prometheus {real}, replay {mine}"
        for (start, stop), (real_start, real_stop) in zip(mine, real, strict=True):
            assert abs(start - real_start) <= allowed, f"{labels}: Prometheus {real}, replay {mine}"
            assert abs(stop - real_stop) <= allowed, f"{labels}: Prometheus {real}, replay {mine}"


def test_alerts_are_active_since_the_same_evaluation(lived: Lived) -> None:
    """The values of ``ALERTS_FOR_STATE`` are since when (whole seconds), which must survive keeping and merging."""
    seen = 0
    ours = {one.labels: one for one in written(lived) if one.labels[METRIC_NAME] == "ALERTS_FOR_STATE"}
    for real in lived.wrote.by_name["ALERTS_FOR_STATE"]:
        allowed = apart(lived, group_of(real.labels)) / 1000 + 1
        since, mine = (np.unique(one.values[~is_stale(one.values)]) for one in (real, ours[real.labels]))
        count = min(len(since), len(mine))  # one more at the very end, see above
        assert max(len(since), len(mine)) - count <= 1
        assert (np.abs(since[:count] - mine[:count]) <= allowed).all(), f"{real.labels}: {since} {mine}"
        seen += count
    assert seen > 40


def test_what_was_lived_through_is_what_it_was_made_for(lived: Lived) -> None:
    """The scenario covers what it should: waits that are met and not met, flaps, keeping, merging, vanishing."""
    found = all_runs(lived.wrote, lived)

    def states(alert: str) -> dict[str, int]:
        counts = {"pending": 0, "firing": 0}
        for labels, there in found.items():
            if labels[METRIC_NAME] == "ALERTS" and labels["alertname"] == alert:
                counts[labels["alertstate"]] += len(there)
        return counts

    assert states("Hot")["pending"] == 0 and states("Hot")["firing"] >= 5
    assert states("HotAWhile")["pending"] >= 5 and states("HotAWhile")["firing"] >= 5
    assert states("HotForever")["pending"] >= 5 and states("HotForever")["firing"] == 0
    assert states("FlappingTooFast")["pending"] >= 6 and states("FlappingTooFast")["firing"] == 0
    # The pauses are shorter than what it is kept for, but for that in which the exporter is down.
    assert states("FlappingHeld")["firing"] == 2
    assert states("Flapping")["firing"] >= 6 and states("FlappingHeldShortly")["firing"] >= 6
    assert states("Blinking")["firing"] >= 3 and states("Blinked")["firing"] >= 2
    for alert in ("ZoneHot", "Busy", "Down", "ManyHot", "SlowHot", "SlowFlapping"):
        assert states(alert)["firing"] >= 1, alert
    places = {labels["place"] for labels in found if labels.get("alertname") == "HotAWhile" and "place" in labels}
    assert places == {"zone a", "zone b"}
    tiers = {labels["tier"]: labels["value"] for labels in found if labels.get("alertname") == "Tiered"}
    assert tiers.keys() == {"critical", "warning", "info"}
    assert {labels["where"] for labels in found if "where" in labels} == {"A/1", "A/2", "B/1"}
    firing = [
        (run, end)
        for labels, there in found.items()
        if labels.get("alertname") == "FlappingHeldShortly" and labels.get("alertstate") == "firing"
        for run, end in pairwise(there)
    ]
    assert firing  # several, so that keeping did not merge them
