"""How much of what people write the engine can evaluate at all: 2,087 alerts and the recording rules beside them."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid
from rulegen.errors import QueryError, UnsupportedError
from rulegen.ingest.rulefile import read_rules
from rulegen.promql import Evaluator, ExpressionError, selectors

GRID = Grid(3 * HOUR, 3 * HOUR + 10 * MINUTE, MINUTE)


def reason(expr: str, samples: Samples) -> str:
    try:
        Evaluator(samples).evaluate(expr, GRID)
    except QueryError as error:
        return f"fails as in Prometheus: {error}"
    except (UnsupportedError, ExpressionError) as error:
        return str(error)
    return ""


def filled(expr: str) -> Samples:
    """For each selector of ``expr`` that names its metric a counter (three, if they are buckets) with the labels that
    its matchers want."""
    made: dict[Labels, Series] = {}
    times = np.arange(0, GRID.end + 1, MINUTE, dtype=np.int64)
    for selector in selectors(expr):
        if selector.name is None:
            continue
        fixed = {m.name: m.value for m in selector.matchers if m.op == "=" and m.value}
        for bound in ("0.1", "1", "+Inf") if selector.name.endswith("_bucket") else ("",):
            labels = Labels({"le": bound, "instance": "a", **fixed, "__name__": selector.name})
            made[labels] = Series(labels, times, np.arange(len(times), dtype=np.float64))
    return Samples.of(made.values())


def test_real_rules_can_be_evaluated(shared_data: Path) -> None:
    rules, _, _ = read_rules([shared_data / "rules"])
    expressions = [rule.expr for _, _, rule in rules]
    alerts = sum(rule.kind == "alert" for _, _, rule in rules)
    nothing = Counter(reason(expr, Samples.of([])) for expr in expressions)
    something = Counter(reason(expr, filled(expr)) for expr in expressions)
    for what, counts in (("no series", nothing), ("series for each selector", something)):
        print(f"over {what}: {counts.pop('', 0)} of {len(expressions)} expressions ({alerts} alerts) evaluate")
        for why, count in counts.most_common():
            print(f"  {count:4} {why[:150]}")
    assert alerts == 2_087
    assert nothing == something == {}
