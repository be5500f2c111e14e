"""One query, in order: read the expression, read the samples it needs, evaluate, print."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rulegen.cli.history import connection, semantics_of
from rulegen.cli.sources import Sources, about_server
from rulegen.core.durations import HOUR, SECOND
from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples
from rulegen.core.spans import Grid, Span
from rulegen.emit.queryjson import answer
from rulegen.errors import InputError
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.prometheus import fetch_samples
from rulegen.promql import Evaluator, ExpressionError, Selector, selectors


def perform(expr: str, sources: Sources, step: int) -> None:
    """Prints the answer on standard output. Raises RulegenError."""
    _check(sources)
    try:
        wanted = selectors(expr)
    except ExpressionError as error:
        raise InputError(f"the expression cannot be read: {error}") from None
    samples, grid, semantics = (_from_server if sources.prometheus else _from_file)(sources, wanted, step)
    text = answer(Evaluator(samples, semantics=semantics).evaluate(expr, grid), grid)
    sys.stdout.write(text + "\n" * sys.stdout.isatty())  # elsewhere to the byte what the server sends


def reach(wanted: Sequence[Selector], span: Span) -> Span:
    """The time whose samples ``wanted`` read when they are evaluated in ``span``."""
    start, end = span.start, span.end
    for one in wanted:
        around = [span.start if pin == "start" else span.end if pin == "end" else pin for pin in one.fixed] or [
            span.start,
            span.end,
        ]
        start, end = min(start, min(around) - one.before_ms), max(end, max(around) + one.after_ms)
    return Span(max(0, start), end)


def _from_file(sources: Sources, wanted: Sequence[Selector], step: int) -> tuple[Samples, Grid, Semantics]:
    assert sources.metrics is not None
    samples, problems = read_metrics(sources.metrics)
    for problem in problems:
        print(f"rulegen: {problem}", file=sys.stderr)
    whole = samples.span()
    if whole is None:
        raise InputError(f"{sources.metrics}: no data: no sample")
    return samples, _grid(sources, whole.end, step), "closed" if sources.semantics == "closed" else "open"


def _from_server(sources: Sources, wanted: Sequence[Selector], step: int) -> tuple[Samples, Grid, Semantics]:
    grid = _grid(sources, int(time.time()) * SECOND, step)
    with connection(sources) as conn:
        semantics, doubts = semantics_of(conn, sources)
        texts = [one.text for one in wanted]
        samples, problems = fetch_samples(conn, texts, reach(wanted, Span(grid.start, grid.end)))
    for told in (*doubts, *problems):
        print(f"rulegen: {told}", file=sys.stderr)
    return samples, grid, semantics


def _grid(sources: Sources, latest: int, step: int) -> Grid:
    end = latest if sources.end is None else sources.end
    start = max(0, end - HOUR) if sources.start is None else sources.start
    if end < start:
        raise InputError("--end must not come before --start")
    return Grid(start, end, step)


def _check(sources: Sources) -> None:
    wrong = []
    if bool(sources.prometheus) == bool(sources.metrics):
        wrong.append("give either --prometheus URL or --metrics FILE")
    if sources.semantics not in ("", "open", "closed"):
        wrong.append(f"--range-semantics: {sources.semantics!r} is neither open nor closed")
    wrong += about_server(sources)
    if wrong:
        raise InputError(*wrong)
