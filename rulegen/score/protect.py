"""Rules that are never touched: those that fire by design, and what the user protects."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

import promql_parser as pp

from rulegen.core.labels import ALERT_NAME
from rulegen.core.rule import Rule
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError, selectors
from rulegen.score.paging import matching

# Alerts of kube-prometheus and its kin that fire always (a dead man's switch) or only to inhibit others.
BY_DESIGN = frozenset({"watchdog", "deadmansswitch", "deadmanssnitch", "infoinhibitor", "alwaysfiring"})


def untouchable(protect: Sequence[str]) -> Callable[[Rule], bool]:
    """A predicate: is this rule left as it is? ``protect`` holds matchers on a rule's labels and ``alertname``.

    Raises InputError for matchers that don't parse.
    """
    matchers = [matching(one, "--protect") for one in protect]

    def holds(rule: Rule) -> bool:
        labels = rule.labels.updated({ALERT_NAME: rule.name})
        return by_design(rule) or any(match(labels) for match in matchers)

    return holds


def watched_alerts(rules: Iterable[Rule]) -> Callable[[Rule], bool]:
    """A predicate: does another of ``rules`` read what this one fires (``ALERTS{alertname="…"}``)?

    Such a rule is left as it is: its change would reach the other one, which is replayed on what was recorded.
    """
    readers = []
    for rule in rules:
        if by_design(rule):
            continue  # InfoInhibitor and its kin read every alert there is, and page nobody
        with suppress(ExpressionError, UnsupportedError):  # the replay names such a rule and the reason
            readers += [(rule, one) for one in selectors(rule.expr) if one.name in ("ALERTS", "ALERTS_FOR_STATE")]

    def holds(rule: Rule) -> bool:
        labels = rule.labels.updated({ALERT_NAME: rule.name})
        return any(
            all(matcher.accepts(labels) for matcher in reads.matchers if matcher.name in labels)
            for reader, reads in readers
            if reader is not rule
        )

    return holds


def by_design(rule: Rule) -> bool:
    """Whether the rule fires always, or is known to be meant to: its name says so, or it reads no series at all."""
    if rule.name.replace("_", "").replace("-", "").lower() in BY_DESIGN:
        return True
    reads = False

    def look(node: pp.Expr) -> None:
        nonlocal reads
        reads = reads or isinstance(node, pp.VectorSelector)

    pp.walk(pp.parse(rule.expr), look)
    return not reads
