"""What our replay says fires, asserted by ``promtool test rules``: the real rule manager, step by step."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from pathlib import Path
from subprocess import CompletedProcess

import numpy as np
import pytest
from histories import firing_at, history, promtool, ref, rule_file

from rulegen.core.durations import MINUTE, SECOND, format_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.series import STALE, Series
from rulegen.replay.replay import Replayer

Text = dict[str, str]  # series as promtool's tests name them → their values, space separated: numbers, "_", "stale"


def series(name: str, text: str, step: int) -> Series:
    metric, _, rest = name.partition("{")
    labels = dict(pair.split("=") for pair in rest.rstrip("}").replace('"', "").split(",") if pair)
    points = [
        (k * step, STALE if value == "stale" else float(value))
        for k, value in enumerate(text.split())
        if value != "_"
    ]
    times = np.array([time for time, _ in points], dtype=np.int64)
    return Series(Labels({"__name__": metric, **labels}), times, np.array([value for _, value in points]))


def case(rules: Sequence[Rule], given: Text, step: int, interval: int) -> dict[str, object]:
    """A promtool test that expects at every evaluation what our replay finds."""
    minutes = max(len(text.split()) for text in given.values()) * step // MINUTE + 10
    # promtool 2.42 looks back as Prometheus 2 does
    found = history(
        [series(name, text, step) for name, text in given.items()],
        *rules,
        minutes=minutes,
        interval=interval,
        semantics="closed",
    )
    replayer = Replayer(found, interval)
    expected = []
    for index, rule in enumerate(rules):
        if rule.kind == "alert":
            for time, alerts in sorted(firing_at(replayer.replay(ref(index), (rule,), interval)).items()):
                shown = [{"exp_labels": dict(labels.drop(["alertname"]))} for labels in sorted(alerts)]
                expected.append({"eval_time": format_duration(time), "alertname": rule.name, "exp_alerts": shown})
    return {
        "interval": format_duration(step),
        "input_series": [{"series": name, "values": text} for name, text in given.items()],
        "alert_rule_test": expected,
    }


def judged(
    path: Path, rules: Sequence[Rule], cases: Sequence[dict[str, object]], interval: int
) -> CompletedProcess[str]:
    """JSON is YAML."""
    (path / "rules.yml").write_text(json.dumps(rule_file(rules, interval)))
    test = {"rule_files": ["rules.yml"], "evaluation_interval": format_duration(interval), "tests": list(cases)}
    (path / "test.yml").write_text(json.dumps(test))
    return promtool("test", "rules", path / "test.yml")


def check(
    path: Path, rules: Sequence[Rule], given: Sequence[Text], step: int = MINUTE, interval: int = MINUTE
) -> None:
    cases = [case(rules, one, step, interval) for one in given]
    fires = sum(len(at["exp_alerts"]) for one in cases for at in one["alert_rule_test"])  # type: ignore[index,misc,attr-defined]
    assert fires, "a test in which nothing ever fires shows little"
    done = judged(path, rules, cases, interval)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


def drawn(seed: int, names: Sequence[str], length: int, values: Sequence[str]) -> Text:
    """Runs of one value each, so that waits are reached."""
    chance = random.Random(seed)
    out = {}
    for name in names:
        points: list[str] = []
        while len(points) < length:
            points += [chance.choice(values)] * chance.randint(1, 8)
        out[name] = " ".join(points[:length])
    return out


PAGE = Labels({"severity": "page"})
WAITS = (
    Rule("Now", "x > 1"),
    Rule("Wait", "x > 1", hold=3 * MINUTE, labels=PAGE),
    Rule("WaitOdd", "x > 1", hold=150 * SECOND, labels=PAGE),
    Rule("Keep", "x > 1", keep_firing_for=90 * SECOND, labels=PAGE),
    Rule("WaitKeep", "x > 1", hold=2 * MINUTE, keep_firing_for=4 * MINUTE),
    Rule("Gone", 'absent(x{i="a"})', hold=MINUTE, keep_firing_for=MINUTE),
)


def test_waiting_and_keeping(tmp_path: Path) -> None:
    names = ['x{i="a"}', 'x{i="b"}', 'x{i="c"}']
    check(tmp_path, WAITS, [drawn(seed, names, 60, ["0", "2", "2", "_", "stale"]) for seed in range(12)])


@pytest.mark.parametrize(
    ("step", "interval"), [(15 * SECOND, 30 * SECOND), (MINUTE, 15 * SECOND), (MINUTE, 2 * MINUTE)]
)
def test_other_intervals(tmp_path: Path, step: int, interval: int) -> None:
    check(tmp_path, WAITS, [drawn(seed, ['x{i="a"}'], 60, ["0", "2", "2", "_"]) for seed in range(4)], step, interval)


def test_labels(tmp_path: Path) -> None:
    rules = (
        Rule("Plain", "x > 1", labels=Labels({"severity": "page", "who": "{{ $labels.team }}/{{$labels.none}}"})),
        Rule("Over", "x > 1", labels=Labels({"i": "{{ $labels.team }}"}), hold=MINUTE),
        Rule("Emptied", "x > 1", labels=Labels({"team": "{{ $labels.none }}"})),
        Rule("Named", "x > 1", labels=Labels({"metric": "{{ $labels.__name__ }}"})),
    )
    # Both series of a team would be one alert of "Over": only one of them is ever there.
    check(tmp_path, rules, [{'x{i="a",team="t"}': "0 2 2 2 stale", 'x{i="b",team="t"}': "_ _ _ _ 2 2 0"}])


def test_rules_on_recorded_series(tmp_path: Path) -> None:
    rules = (
        Rule("job:x:max", "max by (job) (x)", "record", labels=Labels({"from": "rule"})),
        Rule("job:x:high", "job:x:max > 1", "record"),
        Rule("High", "job:x:max > 1", hold=2 * MINUTE),
        # What is recorded is gone as soon as its expression gives nothing: no five minutes of lookback.
        Rule("Recorded", "job:x:high", labels=PAGE),
    )
    names = ['x{i="a",job="j"}', 'x{i="b",job="j"}', 'x{i="a",job="k"}']
    check(tmp_path, rules, [drawn(seed, names, 40, ["0", "0", "2", "_"]) for seed in range(6)])


def test_a_recorded_number(tmp_path: Path) -> None:
    rules = (Rule("limit", "1 + 1", "record"), Rule("High", "x > on () group_left () limit"))
    check(tmp_path, rules, [{'x{i="a"}': "1 2 3 4 1"}])


def test_expressions_people_write(tmp_path: Path) -> None:
    rules = (
        Rule("Rate", "rate(c[5m]) > 0.5", hold=2 * MINUTE),
        Rule("Ratio", 'sum by (job) (rate(c{code="500"}[4m])) / sum by (job) (rate(c[4m])) > 0.3'),
        Rule("Both", "x > 1 and on (job) y > 1", keep_firing_for=2 * MINUTE),
        Rule("Unless", "x > 1 unless on (job) y > 1"),
        Rule("Mean", "avg_over_time(x[3m]) > 1"),
    )
    given = []
    for seed in range(5):
        steps = drawn(100 + seed, ["bad", "good"], 40, ["0", "0", "10", "60"])
        counters = {
            f'c{{code="{code}",job="j"}}': " ".join(map(str, np.cumsum([int(v) for v in steps[name].split()])))
            for code, name in (("500", "bad"), ("200", "good"))
        }
        given.append({**counters, **drawn(seed, ['x{job="j"}', 'y{job="j"}'], 40, ["0", "2", "_"])})
    check(tmp_path, rules, given)


def test_promtool_would_object(tmp_path: Path) -> None:
    rules, given = (Rule("Wait", "x > 1", hold=3 * MINUTE),), {'x{i="a"}': "0 2 2 2 2 2 0"}
    wrong = case((Rule("Wait", "x > 1", hold=2 * MINUTE),), given, MINUTE, MINUTE)
    done = judged(tmp_path, rules, [wrong], MINUTE)
    assert done.returncode == 1 and "alertname: Wait, time: 3m" in done.stdout + done.stderr
