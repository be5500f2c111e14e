"""The burn-rate rules beside those that sloth makes from the same objective: both sides executed on the same data.

The names differ: sloth records every SLO as ``slo:sli_error:ratio_rate5m`` with labels that say which one it is;
here the alert is in the name, so that a recording rule adds no labels and the alert keeps those that it had. sloth
keeps tiers that no ratio can reach. Left out of its examples are those that are no events (``raw``, plugins) and one
that is not PromQL (VictoriaMetrics' ``histogram_share``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from golden import BY_NAME, cluster
from histories import shown
from ruamel.yaml import YAML

from rulegen.core.candidate import Slots
from rulegen.core.cluster import Inventory
from rulegen.core.durations import DAY, MINUTE, parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Span
from rulegen.ingest.rulefile import read_rules
from rulegen.promql import Evaluator, ExpressionError, parse
from rulegen.replay.groups import Replayed, replay_groups

WINDOW = re.compile(r"\{\{\s*\.window\s*\}\}")
NOT_PROMQL = "histogram_share"
EXAMPLES = 21  # service levels by events that are PromQL, in all files


@dataclass(frozen=True)
class Slo:
    file: str
    name: str
    objective: float
    expr: str  # what an alert would compare, over five minutes


def expression(bad: str, total: str, good: str = "") -> str:
    """The alert that a person would write for it."""
    members = re.match(r"sum_over_time\((\(count\(.*\)\))\[", bad)
    if members:  # counted every minute; the alert counts now
        (every,) = re.findall(r"sum_over_time\((\(count\(.*\)\))\[", total)
        return f"{members[1]} / {every} > 0.2"
    bad, total, good = (WINDOW.sub("5m", one) for one in (bad, total, good))
    return f"1 - (({good}) / ({total})) > 0.01" if good else f"({bad}) / ({total}) > 0.01"


def slos(directory: Path) -> Iterator[Slo]:
    for path in sorted(directory.glob("*.yml")):
        for given in YAML(typ="safe").load_all(path.read_text()):
            spec = given.get("spec", given)
            if given.get("kind") == "SLO":
                for at, one in enumerate(spec["objectives"]):
                    ratio = one["ratioMetrics"]
                    good, total = ratio["good"]["query"], ratio["total"]["query"]
                    name = f"{spec['service']}-{given['metadata']['name']}-{at}"
                    yield Slo(path.name, name, one["target"], expression("", total, good))
                continue
            for one in spec["slos"]:
                events = one["sli"].get("events")
                if events is None:
                    continue
                bad, total = (events.get(a) or events[b] for a, b in (QUERIES, TOTALS))
                name = f"{spec['service']}-{one['name']}"
                yield Slo(path.name, name, round(one["objective"] / 100, 6), expression(bad, total))


QUERIES, TOTALS = ("error_query", "errorQuery"), ("total_query", "totalQuery")
LENGTH = 5 * DAY
SCRAPE = MINUTE


def samples() -> Samples:
    """Five days in which errors burn fast, slowly and over at once, and hours in which all is well."""
    count = LENGTH // SCRAPE + 1
    share = np.full(count, 0.0002)
    at = lambda start, minutes, value: share.__setitem__(slice(start, start + minutes), value)  # noqa: E731
    at(600, 3, 1.0)
    at(1000, 90, 0.9)
    at(2000, 400, 0.35)
    at(3300, 1200, 0.06)
    at(5000, 900, 0.004)
    chance = np.random.default_rng(5)
    found = []

    def counter(name: str, rate: np.ndarray, **labels: str) -> None:
        found.append((name, labels, np.cumsum(np.round(rate * 60))))

    traffic = 40 + 30 * np.sin(np.arange(count) / 230)
    for name, fixed in (
        ("http_request_duration_seconds_count", {"job": "myservice"}),
        ("http_request_duration_seconds_count", {"job": "myapp"}),
        ("http_request_duration_seconds_count", {"job": "other"}),
        ("apiserver_request_total", {}),
    ):
        counter(name, traffic * share * 0.7, **fixed, code="503")
        counter(name, traffic * share * 0.3, **fixed, code="429")
        counter(name, traffic * (1 - share), **fixed, code="200")
    for verb in ("GET", "WATCH"):
        counter("apiserver_request_duration_seconds_count", traffic, verb=verb)
        slow = share if verb == "GET" else 0.9 + 0 * share
        counter("apiserver_request_duration_seconds_bucket", traffic * (1 - slow), verb=verb, le="0.4")
        counter("apiserver_request_duration_seconds_bucket", traffic * (1 - slow / 2), verb=verb, le="5")
        counter("apiserver_request_duration_seconds_bucket", traffic, verb=verb, le="+Inf")
    for client in range(12):
        bad = chance.random(count) < share
        found.append(("unifipoller_client_satisfaction_ratio", {"c": str(client)}, np.where(bad, 0.3, 0.9)))
    times = np.arange(count, dtype=np.int64) * SCRAPE
    return Samples.of(
        Series(Labels({"__name__": name, **labels}), times, np.asarray(values, dtype=np.float64))
        for name, labels, values in found
    )


@pytest.fixture(scope="module")
def engine() -> Evaluator:
    return Evaluator(samples())


@pytest.fixture(scope="module")
def examples(shared_data: Path) -> list[Slo]:
    return list(slos(shared_data / "rules" / "sloth"))


def ours(slo: Slo, interval: int) -> RuleSet:
    rule = Rule("Sli", slo.expr, labels=Labels({"severity": "page"}))
    template = BY_NAME["burn_rate"]
    offered = template.slots(cluster(rule, Inventory()))
    assert offered is not None, slo
    assert any(choice.value == slo.objective for choice in offered[0].choices)
    filled = {"objective_percent": slo.objective, "least_bad": 0.0}  # sloth has no floor
    slots = Slots(tuple((slot.name, filled[slot.name]) for slot in offered))
    return RuleSet((RuleGroup("g", template.render(cluster(rule, Inventory()), slots), "ours.yml", interval),))


def theirs(slo: Slo, directory: Path, to: Path) -> tuple[RuleSet, int]:
    """What sloth made of it, without the rules that only say what it is. Of a file with several documents
    Prometheus would read the first alone."""
    parts = re.split(r"^---$", (directory / "generated" / slo.file).read_text(), flags=re.MULTILINE)
    for at, part in enumerate(parts):
        if "groups:" in part:
            (to / f"{at}.yml").write_text(part)
    rules, _, problems = read_rules([to])
    assert all("sloth_slo_info" in one.message for one in problems)  # labels that its plugins named as they like
    wanted = [group for group in rules.groups if group.name.removesuffix(slo.name).startswith("sloth-slo-")]
    wanted = [group for group in wanted if group.name.endswith(slo.name) and "meta" not in group.name]
    assert wanted
    return RuleSet(tuple(wanted)), wanted[0].interval


def fired(ran: Replayed) -> dict[str, list[tuple[int, int]]]:
    """Severity → when each firing starts and ends."""
    out: dict[str, list[tuple[int, int]]] = {}
    for result in ran.results:
        if result.firings is not None:
            severity = result.rule.labels.get("sloth_severity") or result.rule.labels["severity"]
            out[severity] = [(start, end) for _, start, end in shown(result.firings)]
    return out


def recorded(ran: Replayed) -> dict[int, tuple[np.ndarray, np.ndarray]]:
    """Window → times and values of the error ratio that was recorded over it."""
    out = {}
    for result in ran.results:
        if result.rule.kind == "record" and result.written:
            (series,) = result.written
            out[parse_duration(result.rule.name.rsplit("rate", 1)[1])] = (series.times, series.values)
    return out


def test_every_example_is_found(examples: list[Slo]) -> None:
    spoken = [slo for slo in examples if NOT_PROMQL not in slo.expr]
    assert len(spoken) == EXAMPLES and {slo.file for slo in examples} - {slo.file for slo in spoken} == {
        "victoria-metrics.yml"
    }
    for slo in examples:
        if slo not in spoken:
            with pytest.raises(ExpressionError):
                parse(slo.expr)


@pytest.mark.parametrize("at", range(EXAMPLES))
def test_the_same_is_recorded_and_fires_at_the_same_times(
    examples: list[Slo], shared_data: Path, engine: Evaluator, tmp_path: Path, at: int
) -> None:
    slo = [slo for slo in examples if NOT_PROMQL not in slo.expr][at]
    sloth, interval = theirs(slo, shared_data / "rules" / "sloth", tmp_path)
    span = Span(0, LENGTH)
    left, right = (replay_groups(rules, engine, span) for rules in (ours(slo, interval), sloth))
    assert not [result.error for ran in (left, right) for result in ran.results if result.error]
    mine, other = recorded(left), recorded(right)
    assert mine.keys() == other.keys() and max(mine) == 30 * DAY and len(mine) == 8
    for window, (times, values) in other.items():
        assert np.array_equal(mine[window][0], times), window
        np.testing.assert_allclose(mine[window][1], values, rtol=1e-9, atol=1e-12)
    alerts = fired(right)
    if alerts:
        assert alerts.keys() == {"page", "ticket"} and all(alerts.values())
        assert fired(left) == alerts
    else:
        assert slo.file.startswith(("no-alerts", "openslo"))
