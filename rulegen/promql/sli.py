"""Service level indicators behind alert expressions: which share of what happens is bad.

The SRE workbook, chapter 2, counts bad events over valid events. Found are failed requests, requests slower than a
bucket of a histogram, members of a group that are beyond a limit, and the time that a target does not answer.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import promql_parser as pp

from rulegen.core.durations import MINUTE, SECOND, format_duration
from rulegen.core.labels import quote
from rulegen.promql.needs import matchers_of, ms, selectors
from rulegen.promql.rewrite import Comparison, comparison, fill, without_matchers
from rulegen.promql.tree import nodes
from rulegen.promql.windows import ANSWERS, windows, with_window

ERROR_LABELS = frozenset({"code", "status", "status_code", "grpc_code", "http_status", "response_code", "result"})
# Values of a result's label that say "the server failed": 5xx however it is written, and words for it; beside one of
# them also 429, with which an overloaded server turns requests away.
FAILED = re.compile(r"5(xx|\.\.|\.\*|\.\+|\[0-9\]\{2\}|\\d\{2\}|\\d\\d|\d\d)|(?i:errors?|fail(ed|ure)?)")
FAILURES = re.compile(r"(^|_)(errs?|errors?|failed|failures?)(_|$)")

Kind = Literal["events", "members", "answers"]


@dataclass(frozen=True, slots=True)
class Sli:
    """Bad over all, as PromQL.

    ``events``: ``bad`` and ``every`` are sums of rates (or increases) over windows of ``window`` ms. ``members``:
    they are counts at one instant. ``answers``: ``every`` is a selector whose value is 1 where all is well, else 0;
    ``bad`` is not used.
    """

    kind: Kind
    bad: str
    every: str
    window: int = 0

    def ratio(self, window: int) -> str:
        """The share of what was bad over the last ``window`` ms."""
        if self.kind == "answers":
            return fill("1 - A", A=f"avg_over_time({self.every}[{format_duration(window)}])")
        if self.kind == "events":
            return fill("A / B", A=self._over(self.bad, window), B=self._over(self.every, window))
        # No member beyond the limit is no sample at all, which must count as none.
        bad, every = self._over(self.bad, window), self._over(self.every, window)
        return fill("A / B", A=fill("A or B * 0", A=bad, B=every), B=every)

    def events(self, window: int) -> str | None:
        """How many events there were in the last ``window`` ms; None where what is counted are no events."""
        return self._counted(self.every, window)

    def bad_events(self, window: int) -> str | None:
        """How many of the events were bad."""
        return self._counted(self.bad, window)

    def _counted(self, expr: str, window: int) -> str | None:
        if self.kind != "events":
            return None
        calls = {str(node.func.name) for node, _ in nodes(pp.parse(expr)) if isinstance(node, pp.Call)}
        if calls not in ({"rate"}, {"increase"}):
            return None
        counted = self._over(expr, window)
        return counted if calls == {"increase"} else fill(f"A * {window // SECOND}", A=counted)

    def _over(self, expr: str, window: int) -> str:
        if self.kind == "events":
            return with_window(expr, self.window, window)
        inner = pp.parse(expr).prettify()
        return f"sum_over_time({inner}[{format_duration(window)}:{format_duration(MINUTE)}])"


@dataclass(frozen=True, slots=True)
class Slow:
    """An alert on a quantile of a histogram: ``quantile`` of the requests must take at most ``limit``.

    ``buckets`` is the selector of the histogram's buckets, ``by`` the labels that stay (None: all but ``le``).
    """

    buckets: str
    by: tuple[str, ...] | None
    window: int
    quantile: float
    limit: float


def spelled_out(expr: str, recorded: Mapping[str, str]) -> str:
    """``expr`` with each bare metric name that is a key of ``recorded`` (recording rules without labels of their own)
    replaced by what the rule records, those that it reads in turn included."""
    for _ in range(len(recorded)):
        node = pp.parse(expr)
        names = {str(one.name) for one, _ in nodes(node) if isinstance(one, pp.VectorSelector) and _is_bare(one)}
        found = {name: recorded[name] for name in names if name in recorded}
        if not found:
            break

        def place(one: pp.Expr, found: Mapping[str, str] = found) -> pp.Expr | None:
            if isinstance(one, pp.VectorSelector) and _is_bare(one) and one.name in found:
                return pp.parse(f"({found[str(one.name)]})")
            return None

        expr = pp.transform(node, place).prettify()
    return expr


def slow(expr: str) -> Slow | None:
    """The quantile that the whole of ``expr`` compares with a limit; None where it does something else."""
    found = _whole(expr)
    if found is None or not found.rising:
        return None
    call = _inner(pp.parse(found.left))
    if not isinstance(call, pp.Call) or call.func.name != "histogram_quantile":
        return None
    quantile, inner = call.args[0], _inner(call.args[1])
    by: tuple[str, ...] | None = None
    if isinstance(inner, pp.AggregateExpr):
        if str(inner.op) != "sum" or inner.modifier is None or inner.modifier.type != pp.AggModifierType.By:
            return None
        by = tuple(name for name in inner.modifier.labels if name != "le")
        inner = _inner(inner.expr)
    if not isinstance(inner, pp.Call) or inner.func.name != "rate" or not isinstance(quantile, pp.NumberLiteral):
        return None
    (span,) = inner.args
    (selector,) = selectors(span) if isinstance(span, pp.MatrixSelector) else (None,)
    if selector is None or not (selector.name or "").endswith("_bucket") or span.vector_selector.offset is not None:
        return None
    return Slow(selector.text, by, ms(span.range), quantile.val, found.threshold)


def slower_than(alert: Slow, bound: str) -> Sli:
    """The share of requests slower than the bucket ``bound``, a value of ``le``."""
    node = pp.parse(alert.buckets)
    assert isinstance(node, pp.VectorSelector)
    name = str(node.name)
    matchers = [f"{m.name}{m.op}{quote(m.value)}" for m in matchers_of(node) if m.name not in ("__name__", "le")]
    span = f"[{format_duration(alert.window)}]"
    counted = f"rate({name.removesuffix('_bucket')}_count{{{','.join(matchers)}}}{span})"
    fast = f"rate({name}{{{','.join([*matchers, f'le={quote(bound)}'])}}}{span})"
    grouping = " without (le)" if alert.by is None else f" by ({', '.join(alert.by)})" if alert.by else ""
    every = fill(f"sum{grouping} (A)", A=counted)
    return Sli("events", fill("A - B", A=every, B=fill(f"sum{grouping} (A)", A=fast)), every, alert.window)


def indicator(expr: str) -> Sli | None:
    """The indicator behind ``expr``; None unless it is sure.

    The whole expression must be a comparison with a number: conditions beside it (a floor of traffic, a maintenance)
    would be lost. Quantiles are :func:`slow`.
    """
    found = _whole(expr)
    if found is None:
        return None
    if answers := _answers(found):
        return answers
    node = _inner(pp.parse(found.left))
    good = _quotient(node)
    if good is not None and found.op in ("<", "<=") and 0 < found.threshold < 1:
        return _good_over_all(*good)
    if not found.rising:
        return None
    if isinstance(node, pp.BinaryExpr) and str(node.op) == "-" and 0 < found.threshold < 1:
        inner = _quotient(_inner(node.rhs))  # 1 - good / all
        return _good_over_all(*inner) if inner and node.lhs.prettify() == "1" else None
    if isinstance(node, pp.BinaryExpr):
        sides = _quotient(node)
        if sides is None or not 0 < found.threshold < 1:
            return None
        return _bad_over_all(*sides)
    if not _counts_failures(found.left) or len(windows(found.left)) != 1:
        return None
    return Sli("events", found.left, without_matchers(found.left, ERROR_LABELS), windows(found.left)[0])


def _whole(expr: str) -> Comparison | None:
    found = comparison(expr)
    return found if found is not None and found.index == 0 else None


def _answers(found: Comparison) -> Sli | None:
    limit = found.threshold
    down = {"==": limit == 0, "!=": limit == 1, "<": 0 < limit <= 1, "<=": 0 <= limit < 1}.get(found.op, False)
    node = _inner(pp.parse(found.left))
    if isinstance(node, pp.Call) and node.func.name == "avg_over_time":
        (inner,) = node.args
        down = found.op in ("<", "<=")
        node = inner.vector_selector if isinstance(inner, pp.MatrixSelector) else inner
    if not down or not isinstance(node, pp.VectorSelector) or node.name not in ANSWERS or node.offset or node.at:
        return None
    return Sli("answers", "", selectors(node)[0].text)


def _quotient(node: pp.Expr) -> tuple[str, str] | None:
    """Both sides of a division that matches all labels."""
    if not isinstance(node, pp.BinaryExpr) or str(node.op) != "/" or node.modifier is not None:
        return None
    return _inner(node.lhs).prettify(), _inner(node.rhs).prettify()


def _bad_over_all(bad: str, every: str) -> Sli | None:
    node, total = pp.parse(bad), pp.parse(every)
    if isinstance(node, pp.AggregateExpr) and isinstance(total, pp.AggregateExpr) and str(node.op) == "count":
        return Sli("members", bad, every) if _counts_members(node, total) else None
    if len(windows(bad)) != 1 or windows(bad) != windows(every):
        return None
    if isinstance(node, pp.BinaryExpr) and str(node.op) == "-":  # (all - good) / all
        good = _good_over_all(_inner(node.rhs).prettify(), every)
        return good if good and _inner(node.lhs).prettify() == every else None
    return Sli("events", bad, every, windows(bad)[0]) if _share(bad, every) else None


def _good_over_all(good: str, every: str) -> Sli | None:
    """Requests that did not fail, or that a bucket holds, over all that were counted."""
    if len(windows(good)) != 1 or windows(good) != windows(every):
        return None
    sums = [node for node in map(pp.parse, (good, every)) if isinstance(node, pp.AggregateExpr)]
    if len(sums) != 2 or any(str(one.op) != "sum" for one in sums) or _grouping(sums[0]) != _grouping(sums[1]):
        return None
    if _counts(good, ("!=", "!~")):
        if without_matchers(good, ERROR_LABELS) != every:
            return None
        return Sli("events", fill("A - B", A=every, B=good), every, windows(good)[0])
    bucket, total = ([m for one in selectors(side) for m in one.matchers] for side in (good, every))
    stem = next((m.value for m in bucket if m.name == "__name__"), "").removesuffix("_bucket")
    rest = {m for m in bucket if m.name not in ("__name__", "le")}
    bounds = [m for m in bucket if m.name == "le" and m.op == "=" and m.value != "+Inf"]
    counted = {m for m in total if m.name != "__name__"} == rest
    if len(bounds) != 1 or not counted or [m.value for m in total if m.name == "__name__"] != [f"{stem}_count"]:
        return None
    return Sli("events", fill("A - B", A=every, B=good), every, windows(good)[0])


def _share(failed: str, total: str) -> bool:
    """Whether ``failed`` counts a part of what ``total`` counts: the same without the result's label, or the same sum
    of a metric that is named for failures over one that is not."""
    if _counts_failures(failed):
        return without_matchers(failed, ERROR_LABELS) == total
    names = [{one.name or "" for one in selectors(side)} for side in (failed, total)]
    sums = [
        node
        for node in map(pp.parse, (failed, total))
        if isinstance(node, pp.AggregateExpr) and str(node.op) == "sum"
    ]
    named = [any(FAILURES.search(name) for name in some) for some in names]
    return len(sums) == 2 and all(len(some) == 1 for some in names) and named == [True, False]


def _counts_failures(expr: str) -> bool:
    """Whether ``expr`` is a sum of rates of events picked out as failed, with the result's label summed away."""
    return _counts(expr, ("=", "=~"))


def _counts(expr: str, operators: tuple[str, str]) -> bool:
    """Whether ``expr`` is a sum of events whose result compares by one of ``operators`` with what means failure."""
    node = pp.parse(expr)
    if not isinstance(node, pp.AggregateExpr) or str(node.op) != "sum":
        return False
    by = node.modifier
    if by is not None and (by.type != pp.AggModifierType.By or set(by.labels) & ERROR_LABELS):
        return False
    results = [m for one in selectors(expr) for m in one.matchers if m.name in ERROR_LABELS]
    return len(results) == 1 and results[0].op in operators and _means_failure(results[0].value)


def _means_failure(pattern: str) -> bool:
    parts = pattern.removeprefix("(").removesuffix(")").split("|")
    return all(part == "429" or FAILED.fullmatch(part) for part in parts) and parts != ["429"]


def _counts_members(bad: pp.AggregateExpr, every: pp.AggregateExpr) -> bool:
    """``count(x < 1)`` and ``count(x)``."""
    inner = _whole(bad.expr.prettify())
    return (
        str(every.op) == "count"
        and _grouping(bad) == _grouping(every)
        and inner is not None
        and pp.parse(inner.left).prettify() == _inner(every.expr).prettify()
    )


def _grouping(node: pp.AggregateExpr) -> tuple[str, frozenset[str]]:
    by = node.modifier
    return ("By", frozenset()) if by is None else (str(by.type), frozenset(by.labels))


def _is_bare(node: pp.VectorSelector) -> bool:
    return bool(node.name) and not node.matchers.matchers and node.offset is None and node.at is None


def _inner(node: pp.Expr) -> pp.Expr:
    while isinstance(node, pp.ParenExpr):
        node = node.expr
    return node
