"""Symptoms without a service level: the rule watches requests, and nothing says how many may fail."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from rulegen.cluster.conditions import COUNTED, REQUESTS
from rulegen.core.rule import Rule
from rulegen.promql import selectors
from rulegen.promql.rewrite import comparison
from rulegen.promql.windows import windows

SYMPTOM = re.compile(r"(^|_)(errors?|failed|failures?|timeouts?|duration|latency|requests?)(_|$)")
HISTOGRAM = re.compile(r"_(bucket|count)$")
BURNING = re.compile(r"burn_?rate|slo:|error_budget|error_ratio_rate", re.IGNORECASE)


def indicator(rule: Rule, rules: Iterable[Rule], metrics: Sequence[str]) -> str:
    """The metric, of the history's ``metrics``, by which a service level behind ``rule`` could be measured: the
    requests that its errors or latency are a part of. Empty where the rule is no such symptom, where there is no such
    metric, or where one of ``rules`` already pages for how fast a budget of them is spent.
    """
    deciding = comparison(rule.expr)
    if deciding is None or not deciding.rising:
        return ""
    rules = tuple(rules)
    recorded = {one.name: one.expr for one in rules if one.kind == "record"}
    mine = _reads(rule.expr, recorded)
    if not any(SYMPTOM.search(name) for name in mine) or _burns(rule, recorded):
        return ""
    found = _counter(sorted(mine), metrics)
    if not found:
        return ""
    burned = {
        name for one in rules if one.kind == "alert" and _burns(one, recorded) for name in _reads(one.expr, recorded)
    }
    return "" if burned & {*mine, found} else found


def _counter(mine: Sequence[str], metrics: Sequence[str]) -> str:
    there = set(metrics)
    for name in mine:
        if name in there and (HISTOGRAM.search(name) or (COUNTED.search(name) and REQUESTS.search(name))):
            return name
    stems = {name.split("_")[0] for name in mine if SYMPTOM.search(name)}
    beside = (n for n in sorted(there) if COUNTED.search(n) and REQUESTS.search(n) and n.split("_")[0] in stems)
    return next(beside, "")


def _reads(expr: str, recorded: Mapping[str, str]) -> frozenset[str]:
    """The metrics that ``expr`` reads, also by way of recording rules."""
    found: set[str] = set()
    ahead = [expr]
    while ahead:
        for name in {one.name for one in selectors(ahead.pop()) if one.name} - found:
            found.add(name)
            if name in recorded:
                ahead.append(recorded[name])
    return frozenset(found)


def _burns(rule: Rule, recorded: Mapping[str, str]) -> bool:
    """Whether the rule looks at how fast a budget is spent: over two windows, or by a name that says so."""
    names = {one.name for one in selectors(rule.expr) if one.name}
    spans = {
        window for expr in (rule.expr, *(recorded[n] for n in names if n in recorded)) for window in windows(expr)
    }
    return len(spans) > 1 or any(BURNING.search(name) for name in (rule.name, *names))
