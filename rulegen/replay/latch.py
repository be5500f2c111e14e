"""Rules with two thresholds: they fire where one expression holds and stay while another does, by their ``ALERTS``.

Such a rule reads what it wrote one evaluation before. Replaying it evaluation by evaluation is slow, and where the
history holds recorded ``ALERTS`` of the rule as it was, a changed rule would read those; here it reads its own.
"""

from __future__ import annotations

import numpy as np
import promql_parser as pp

from rulegen.core.labels import ALERT_NAME, METRIC_NAME
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid, Mask
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, Matrix, Scalar, parse, selectors
from rulegen.promql.rows import each, kernel
from rulegen.replay.alerting import Runs, activity, waits
from rulegen.replay.identity import Around, alerts, changing
from rulegen.replay.observed import ALERTS, STATE


def latch(rule: Rule) -> tuple[str, str] | None:
    """``A`` and ``B`` of ``A or B and ignoring (…) ALERTS{…}`` where that is the rule's own firing alert; else None.

    What is ignored must be just the labels by which an alert differs from the series that it comes from.
    """
    try:
        node = parse(rule.expr)
        if not isinstance(node, pp.BinaryExpr) or str(node.op) != "or" or _matching(node) is not None:
            return None
        both = node.rhs
        while isinstance(both, pp.ParenExpr):
            both = both.expr
        if not isinstance(both, pp.BinaryExpr) or str(both.op) != "and" or changing(rule):
            return None
        if not isinstance(both.rhs, pp.VectorSelector) or both.rhs.offset or both.rhs.at:
            return None
        (own,) = selectors(both.rhs)
        if any(one.name in (ALERTS, None) for side in (node.lhs, both.lhs) for one in selectors(side)):
            return None
    except (ExpressionError, UnsupportedError):
        return None  # replaying it gives the reason
    added = {METRIC_NAME: ALERTS, ALERT_NAME: rule.name, STATE: "firing", **rule.labels}
    matching = _matching(both)
    ignored = matching is not None and matching.type == pp.LabelModifierType.Exclude and set(matching.labels)
    if ignored != added.keys() - {METRIC_NAME} or own.name != ALERTS:
        return None
    fixed = all(added.get(one.name) == one.value and one.op == "=" for one in own.matchers)
    named = {METRIC_NAME, ALERT_NAME, STATE} <= {one.name for one in own.matchers}
    return (node.lhs.prettify(), both.lhs.prettify()) if fixed and named else None


def _matching(node: pp.BinaryExpr) -> pp.LabelModifier | None:
    return None if node.modifier is None else node.modifier.matching


def replay_latch(
    rule: Rule, fires: str, stays: str, engine: Evaluator, grid: Grid, *, offset: int, lookback: int, cells: int
) -> Firings:
    """The firings of ``rule``, whose expression says that it fires where ``fires`` holds and stays while ``stays``
    does. ``cells`` bounds series × evaluations.

    Raises UnsupportedError for what cannot be evaluated or is larger, QueryError as Prometheus fails.
    """
    if sum(engine.width(expr) for expr in (fires, stays)) * len(grid) > cells:
        raise UnsupportedError("a rule that reads its own alerts, over so many series")
    read, times = Grid(grid.start - offset, grid.end - offset, grid.step), grid.times()
    found = []
    for expr in (fires, stays):
        value = engine.evaluate(expr, read)
        if isinstance(value, Scalar):
            raise UnsupportedError("a number as a condition on a rule's own alerts")
        found.append(alerts(rule, value, times, Around()))
    high, low = found
    rows = {labels: row for row, labels in enumerate(dict.fromkeys((*high.labels, *low.labels)))}
    holding, staying = np.zeros((2, len(rows), len(grid)), dtype=np.bool_)
    for matrix, mask in ((high, holding), (low, staying)):
        mask[[rows[labels] for labels in matrix.labels]] = matrix.present
    if grid.step < lookback:  # else the last sample of ALERTS is too old to be seen
        each(_latched, len(rows), holding.size, holding, staying, *waits(rule, grid.step))
    runs = Runs.of(Matrix(tuple(rows), np.zeros(holding.shape), holding))
    window = max((one.before_ms for expr in (fires, stays) for one in selectors(expr, lookback_ms=0)), default=0)
    return activity(rule, runs, grid.step, len(grid)).firings(grid, grid.start + window)


@kernel
def _latched(begin: int, end: int, holding: Mask, staying: Mask, hold: int, keep: int) -> None:
    """Where the expression holds: ``holding`` [series, steps] gains the steps of ``staying`` [series, steps] at which
    the alert fired one evaluation before. ``hold`` and ``keep`` are evaluations, as in ``alerting.Machine``."""
    for row in range(begin, end):
        begun, kept, fired = -1, -1, False
        for step in range(holding.shape[1]):
            if staying[row, step] and fired:
                holding[row, step] = True
            if holding[row, step]:
                begun, kept = (step if begun < 0 else begun), -1
            elif begun >= 0:
                kept = step if kept < 0 else kept
                if not fired or step - kept >= keep:
                    begun, kept, fired = -1, -1, False
            if begun >= 0 and step - begun >= hold:
                fired = True
