"""Rules replayed by the server's own evaluation fire as by the local engine."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from servers import Reply, answering, victoria_metrics

from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Span
from rulegen.errors import UnsupportedError
from rulegen.ingest.prometheus import ServerEngine, connect, fetch_samples
from rulegen.promql import Evaluator, selectors
from rulegen.replay.groups import replay_groups

SPAN = Span(1785999600_000, 1786017600_000)
EXPRESSIONS = ("up == 0", "avg by (job) (rate(process_cpu_seconds_total[5m])) > 0.001", "vector(1) and on() up")
RULES = RuleSet((RuleGroup("g", tuple(Rule(f"A{n}", expr, hold=120_000) for n, expr in enumerate(EXPRESSIONS))),))


def test_the_same_firings_as_the_local_engine(alertops_url: str) -> None:
    with connect(alertops_url) as conn:
        texts = [one.text for expr in EXPRESSIONS for one in selectors(expr)]
        samples, _ = fetch_samples(conn, texts, SPAN.widened(3_600_000))
        far = replay_groups(RULES, ServerEngine(conn), SPAN)
    near = replay_groups(RULES, Evaluator(samples, semantics="closed"), SPAN)
    total = 0
    for left, right in zip(near.results, far.results, strict=True):
        assert left.firings is not None and right.firings is not None, (left.error, right.error)
        total += len(left.firings)
        assert left.firings.labels == right.firings.labels
        for name in ("series", "since", "start", "end"):
            np.testing.assert_array_equal(getattr(left.firings, name), getattr(right.firings, name))
    assert total


def test_what_the_server_does_not_hold_is_refused(alertops_url: str) -> None:
    with connect(alertops_url) as conn:
        record = Rule("job:up:sum", "sum by (job) (up)", kind="record")
        group = RuleGroup("g", (record, Rule("Down", "job:up:sum < 1")))
        _, down = replay_groups(RuleSet((group,)), ServerEngine(conn), SPAN).results
        assert down.firings is None and "unsupported: job:up:sum on a server" in down.error
        engine = ServerEngine(conn).with_series(list[Series]())
        assert engine.evaluate("count(up)", Grid(SPAN.start, SPAN.start, 60_000)).steps == 1
        with pytest.raises(UnsupportedError, match="@ start"):
            engine.evaluate("up @ start()", Grid(SPAN.start, SPAN.end, 60_000))


def test_victoria_metrics_evaluates_alike(tmp_path: Path) -> None:
    """Gauges, thresholds and aggregation, which VictoriaMetrics defines as Prometheus does."""
    step, start = 60_000, 1_780_000_000_000 // 60_000 * 60_000
    rng = np.random.default_rng(2)
    rows = {f'{{host="{host}"}}': np.round(rng.normal(size=200) * 10, 3) for host in "abc"}
    lines = (
        f"load{labels} {value} {start + k * step}" for labels, row in rows.items() for k, value in enumerate(row)
    )
    series = [
        Series(Labels({"__name__": "load", "host": host}), start + np.arange(200, dtype=np.int64) * step, row)
        for host, row in zip("abc", rows.values(), strict=True)
    ]
    rules = ("load > 5", "max by (host) (load) - 2 < -5", "avg(load) > 1 and on () count(load) == 3")
    group = RuleGroup("g", tuple(Rule(f"A{n}", expr, hold=n * step) for n, expr in enumerate(rules)))
    span = Span(start, start + 199 * step)
    with victoria_metrics(tmp_path / "vm", "\n".join(lines) + "\n") as url, connect(url) as conn:
        far = replay_groups(RuleSet((group,)), ServerEngine(conn), span)
    near = replay_groups(RuleSet((group,)), Evaluator(Samples.of(series)), span)
    for left, right in zip(near.results, far.results, strict=True):
        assert left.firings is not None and right.firings is not None, (left.error, right.error)
        assert len(left.firings)
        named = [[one.labels[row] for row in one.series.tolist()] for one in (left.firings, right.firings)]
        assert named[0] == named[1]
        for name in ("since", "start", "end"):
            np.testing.assert_array_equal(getattr(left.firings, name), getattr(right.firings, name))


def test_an_answer_that_is_not_whole_is_no_answer() -> None:
    """A store that did not answer, and native histograms: never a rule that just did not fire."""
    body = '{"status":"success","data":{"resultType":"matrix","result":[]},"warnings":["a store did not answer"]}'
    with answering(lambda request: Reply(body)) as url, connect(url) as conn:
        group = RuleGroup("g", (Rule("A", "up == 0"),))
        (one,) = replay_groups(RuleSet((group,)), ServerEngine(conn), SPAN).results
    assert one.firings is None and "a store did not answer" in one.error
