"""Which rules read what other rules write, and in what order they can be worked out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Samples
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError, Selector, select, selectors
from rulegen.replay.recorded import OF_ALERTS, fixed_labels, written_names


def blind(rule: Rule, samples: Samples) -> bool:
    """Whether ``rule`` reads series, and none of those that it reads is among ``samples``."""
    try:
        wanted = selectors(rule.expr)
    except (ExpressionError, UnsupportedError):
        return False  # replaying it gives the reason
    return bool(wanted) and not any(select(samples, selector) for selector in wanted)


def reads_alerts(rule: Rule) -> bool:
    """Whether ``rule`` reads what other rules wrote when they fired."""
    try:
        return any(selector.name in (*OF_ALERTS, None) for selector in selectors(rule.expr))
    except (ExpressionError, UnsupportedError):
        return False  # replaying it gives the reason


def readers(rules: Sequence[Rule], reads: Sequence[Sequence[Selector]], known: AbstractSet[str]) -> list[set[int]]:
    """For each rule the positions of those whose output its selectors ``reads`` may match, itself included.

    The names in ``known`` no rule writes. Judged by metric name and by the labels that a rule always gives: it may
    name more rules than data would show.
    """
    fixed = [fixed_labels(rule) for rule in rules]
    by_name: dict[str, list[int]] = {}
    for position, rule in enumerate(rules):
        for name in set(written_names(rule)) - known:
            by_name.setdefault(name, []).append(position)
    return [
        {
            position
            for selector in wanted
            for name in ([selector.name] if selector.name is not None else by_name)
            for position in by_name.get(name, ())
            if _may_match(selector, {**fixed[position], METRIC_NAME: name})
        }
        for wanted in reads
    ]


def _may_match(selector: Selector, known: dict[str, str]) -> bool:
    labels = Labels(known)
    return all(matcher.accepts(labels) for matcher in selector.matchers if matcher.name in known)


def closure(wanted: AbstractSet[int], reads: Sequence[AbstractSet[int]]) -> set[int]:
    """``wanted`` and everything that they read, directly or not."""
    found, open_ = set(wanted), list(wanted)
    while open_:
        fresh = reads[open_.pop()] - found
        found |= fresh
        open_ += fresh
    return found


def components(nodes: AbstractSet[int], edges: Mapping[int, AbstractSet[int]]) -> Iterator[tuple[int, ...]]:
    """Groups of ``nodes`` that read one another, each sorted and after all groups that it reads (Tarjan)."""
    order: dict[int, int] = {}
    low: dict[int, int] = {}
    stack: list[int] = []
    stacked: set[int] = set()
    for root in sorted(nodes):
        if root in order:
            continue
        calls: list[tuple[int, Iterator[int]]] = []
        _enter(root, order, low, stack, stacked, calls, edges)
        while calls:
            node, rest = calls[-1]
            below = next(rest, None)
            if below is not None:
                if below not in order:
                    _enter(below, order, low, stack, stacked, calls, edges)
                elif below in stacked:
                    low[node] = min(low[node], order[below])
                continue
            calls.pop()
            if calls:
                low[calls[-1][0]] = min(low[calls[-1][0]], low[node])
            if low[node] == order[node]:
                cut = stack.index(node)
                found = stack[cut:]
                del stack[cut:]
                stacked.difference_update(found)
                yield tuple(sorted(found))


def _enter(
    node: int,
    order: dict[int, int],
    low: dict[int, int],
    stack: list[int],
    stacked: set[int],
    calls: list[tuple[int, Iterator[int]]],
    edges: Mapping[int, AbstractSet[int]],
) -> None:
    order[node] = low[node] = len(order)
    stack.append(node)
    stacked.add(node)
    calls.append((node, iter(sorted(edges[node]))))
