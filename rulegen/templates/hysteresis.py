"""hysteresis: fire above a higher threshold, and stay until the value is below a lower one.

Prometheus has no second threshold; the rule reads whether it fires itself, from ``ALERTS``. What it reads is what the
evaluation before wrote: a rule that is evaluated less often than the lookback (5m) does not see itself.
"""

from __future__ import annotations

import re
from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import MINUTE
from rulegen.core.labels import ALERT_NAME, quote
from rulegen.core.rule import Rule
from rulegen.promql.rewrite import comparison, fill, number, with_comparison
from rulegen.templates.template import Template, real, thresholds

LOOKBACK = 5 * MINUTE  # Prometheus, --query.lookback-delta
_NAME = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
NEARER = (0.9, 0.8, 0.5)  # times the threshold: below that a firing may end, for what must not rise
HIGHER = (1.1, 1.25, 2.0)  # and above that, for what must not fall


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or found.index or not found.ordered or not cluster.inventory.thresholds:
        return None
    if cluster.interval >= LOOKBACK:
        return None
    times = (NEARER if found.rising else HIGHER) if found.threshold > 0 else ()
    stays = [Choice(f"x{number(one)}", float(f"{found.threshold * one:.3g}")) for one in (1.0, *times)]
    return Slot("fires_beyond", thresholds(cluster)), Slot("stays_beyond", tuple(stays))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    found = comparison(rule.expr)
    if found is None or found.index:
        raise ValueError("the expression as a whole has no threshold")
    fires, stays = real(filled, "fires_beyond"), real(filled, "stays_beyond")
    if (fires <= stays) if found.rising else (fires >= stays):
        raise ValueError("it would end before it began")
    high, low = (with_comparison(rule.expr, found.left, found.op, limit) for limit in (fires, stays))
    return (replace(rule, expr=fill(f"A or B and {_firing(rule)}", A=high, B=low)),)


def _firing(rule: Rule) -> str:
    """What stands behind ``and``: the alerts of ``rule`` that fire. They carry the labels of the expression, those
    that the rule adds or overrides, and two that say which alert it is and in which state: all but the first are left
    out of the matching. The rule's labels pick it out among others of its name, unless they are templates."""
    added = {ALERT_NAME: rule.name, "alertstate": "firing", **rule.labels}
    fixed = [f"{name}={quote(value)}" for name, value in added.items() if "{{" not in value and value]
    if not all(map(_NAME.fullmatch, added)):
        raise ValueError("a label of the rule has a name that cannot stand in `ignoring`")
    return f"ignoring ({', '.join(added)}) ALERTS{{{','.join(fixed)}}}"


def remarks(_: Cluster, filled: Slots) -> tuple[str, ...]:
    """What a reviewer has to know."""
    return (
        "it remembers by its own alerts: after a restart of Prometheus, or under another name, a "
        "value between the two thresholds is silent",
    )


TEMPLATE = Template(
    name="hysteresis",
    summary="fire beyond a farther threshold, and stay until the value is back within a nearer one",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
    remarks=remarks,
)
