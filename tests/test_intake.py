"""What was read, mended and bounded: nothing is lost without being counted."""

from __future__ import annotations

import numpy as np
from histories import history, series

from rulegen import intake
from rulegen.core.alert import Episode
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Span
from rulegen.intake import Limits, about_incidents, bounded, mended, settled

NOW = 1_770_000_000_000
LAST = 253_402_300_799_000  # the end of the year 9999


def episode(name: str, start: int, length: int = MINUTE, **labels: str) -> Episode:
    return Episode(Labels({"alertname": name, **labels}), Span(start, start + length))


def test_good_episodes_are_the_same_ones() -> None:
    good = tuple(episode("A", NOW + k * HOUR) for k in range(5))
    assert mended(good) == (good, ())


def test_a_few_episodes_survive_a_jump_of_the_clock() -> None:
    good = tuple(episode("A", NOW + k * HOUR) for k in range(5))
    odd = (episode("A", 0), *good, episode("B", LAST), episode("C", NOW, LAST - NOW))
    found, told = mended(tuple(sorted(odd, key=lambda one: (one.span, one.labels))), overlapping=2)
    assert set(found) - set(good) == {episode("C", NOW, 4 * HOUR + MINUTE)}
    assert told == ((intake.ASTRAY, 2), (intake.ENDLESS, 1), (intake.OVERLAPPING, 2))


def test_samples_of_another_age_are_left_out() -> None:
    good = series("up", [1.0] * 500, job="a")
    good = Series(good.labels, good.times + NOW, good.values)
    times = np.array([1_000, *good.times, LAST], dtype=np.int64)
    found, told = settled(Samples.of([Series(good.labels, times, np.ones(len(times)))]))
    assert told == ((intake.SAMPLES, 2),)
    (kept,) = found
    assert kept.times.tolist() == good.times.tolist()
    fine = Samples.of([good])
    assert settled(fine) == (fine, ())


def test_the_rarest_are_left_out_and_counted() -> None:
    episodes = tuple(
        episode(f"A{name}", k * HOUR, pod=f"p{pod}")
        for name in range(5)
        for pod in range(3)
        for k in range(1 + name * pod)
    )
    given = history([series("up", [1.0, 1.0])], minutes=24 * 60, episodes=episodes)
    assert bounded(given, MINUTE) is given
    few = bounded(given, MINUTE, Limits(names=2, cells=24 * 60 * 4))
    assert {one.name for one in few.episodes} == {"A3", "A4"}
    assert len({one.labels for one in few.episodes}) == 4
    assert sum(count for _, count in few.repaired) == len(episodes) - len(few.episodes)
    assert [what.split(":")[0] for what, _ in few.repaired] == [
        "alerts of rarer names were left out",
        "alerts of rarer label sets were left out",
    ]


def test_alerts_of_rules_with_metrics_are_never_left_out() -> None:
    rule = Rule("A", "up == 0")
    episodes = tuple(episode("A", k * HOUR, pod=str(k)) for k in range(9))
    given = history([series("up", [1.0] * 10)], rule, minutes=24 * 60, episodes=episodes)
    assert bounded(given, MINUTE, Limits(names=1, cells=1)) is given


def test_what_is_odd_about_incidents_is_counted() -> None:
    label = Labels({"service": "s"})
    some = [
        (10, 20, label),
        (15, 30, label),
        (15, 30, Labels({"service": "t"})),
        (40, 50, Labels()),
        (900, 950, label),
    ]
    record = IncidentRecord(
        tuple(Incident(f"i{k}", Span(a, b), labels) for k, (a, b, labels) in enumerate(some)), (Span(10, 35),)
    )
    told = {what.split(":")[0]: count for what, count in about_incidents(record, Span(0, 100))}
    assert told == {
        "incidents lie outside the history": 1,
        "incidents lie outside the judged time": 1,
        "incidents have no labels": 1,
        "incidents begin while another of the same labels lasts": 1,
    }
