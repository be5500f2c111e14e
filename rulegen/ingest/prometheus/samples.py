"""Raw samples of selectors, and the values of an expression over a grid."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

from rulegen.core.durations import HOUR
from rulegen.core.labels import Labels
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Span
from rulegen.errors import Problem, UnsupportedError, UpstreamError
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.failures import TooMuch
from rulegen.ingest.prometheus.identity import engine, server
from rulegen.ingest.prometheus.kept import Pages, Shelf
from rulegen.ingest.prometheus.matrix import Joined, Matrix, ask_matrix, seconds, written
from rulegen.ingest.prometheus.pages import Progress, read_pages
from rulegen.ingest.prometheus.remoteread import NotOffered, matchers, offered, read_chunks
from rulegen.ingest.prometheus.staleness import mark_stale
from rulegen.promql.needs import selectors as read_by

WORKERS = 4  # a production server is asked: no more at once than a person with a dashboard would
MOST_POINTS = 11_000  # Prometheus, web/api/v1: points per series of one range query


def quiet(done: int, total: int, what: str) -> None:
    """Progress that nobody watches."""


def fetch_samples(
    conn: Connection, selectors: Iterable[str], span: Span, progress: Progress = quiet
) -> tuple[Samples, tuple[Problem, ...]]:
    """Every raw sample of ``selectors`` (instant vector selectors as text) in ``span``, both ends included.

    By remote read where the server has it, see :mod:`rulegen.ingest.prometheus.remoteread`: the samples as they are
    stored, staleness markers among them. Else as ``selector[page] @ page end`` in pages that overlap at their edges:
    whether the server's windows are open or closed on the left, no sample is missed, and what comes twice is kept
    once. Such answers leave staleness markers out; they are reconstructed where the server can be made to show them,
    see :func:`mark_stale`.

    Equal selectors are read once, and a series that several selectors match is kept once.

    A selector that matched nothing, and whatever the server warns about, is a problem. ``progress`` is called from
    several threads, one at a time, with seconds of data.

    Raises UpstreamError.
    """
    wanted = tuple(dict.fromkeys(selectors))
    meter = _Meter(progress, len(wanted), span)
    chunked = bool(wanted) and offered(conn)

    def read(selector: str) -> tuple[tuple[Series, ...], tuple[Problem, ...]]:
        try:
            return _read_selector(conn, selector, span, lambda done: meter.tell(selector, done), chunked)
        except BaseException as error:
            meter.stop(error)
            raise

    found: dict[Labels, Series] = {}
    problems: dict[Problem, None] = {}
    with ThreadPoolExecutor(max_workers=WORKERS) as pool:
        try:
            for series, wrong in pool.map(read, wanted):
                problems.update(dict.fromkeys(wrong))
                for one in series:
                    found.setdefault(one.labels, one)
        except BaseException as error:  # Ctrl-C too
            meter.stop(error)
            pool.shutdown(cancel_futures=True)
            raise
    return Samples.of(found.values()), tuple(problems)


def query_range(
    conn: Connection, expr: str, grid: Grid, progress: Progress = quiet
) -> tuple[tuple[Series, ...], tuple[Problem, ...]]:
    """``expr`` evaluated by the server at the times of ``grid``: one series a label set, without the absent steps.

    Asked in pages of fewer than 11,000 steps, fewer still where the server refuses. Raises UpstreamError.
    """
    joined, problems = Joined(), dict[Problem, None]()
    steps, total = MOST_POINTS - 1, len(grid)
    if not total:
        return (), ()
    span = Span(grid.start, grid.end)
    pages = Pages(_evaluated(conn, expr, grid), span)
    joined.add(pages.series)
    for gap in pages.gaps:
        at = -((grid.start - gap.start) // grid.step)  # in steps of the grid, which a gap may begin before
        end = (gap.end - grid.start) // grid.step + 1
        seen = gap.start
        while at < end:
            count = min(steps, end - at)
            first = grid.start + at * grid.step
            params = {
                "query": expr,
                "start": seconds(first),
                "end": seconds(first + (count - 1) * grid.step),
                "step": seconds(grid.step),
            }
            try:
                page = ask_matrix(conn, "/api/v1/query_range", params)
            except TooMuch as error:
                if count == 1:
                    raise UpstreamError(f"{error} (asked for one step)") from None
                steps = max(1, count // (8 if error.slow else 2))
                continue
            joined.add(page.series)
            problems.update(dict.fromkeys(page.problems))
            at += count
            last = gap.end if at == end else grid.start + at * grid.step - 1
            pages.add(Span(seen, last), page)
            seen = last + 1
            progress(min(at, total), total, expr)
    pages.close()
    return joined.series(span), tuple(problems)


def _evaluated(conn: Connection, expr: str, grid: Grid) -> Shelf | None:
    """Where values of ``expr`` on ``grid`` are kept: nowhere when they depend on more than the past of their time,
    when the text is not ours to read, and when the whole range is shorter than the hours that would be fetched."""
    if conn.cache is None or grid.end - grid.start < HOUR:
        return None
    try:
        wanted = read_by(expr)
    except (ValueError, UnsupportedError):
        return None
    if any(one.fixed or one.after_ms > 0 for one in wanted):
        return None
    times = f"{grid.step} {grid.start % grid.step}"
    return Shelf(conn.cache, server(conn), "values", expr, times, engine(conn))


def _read_selector(
    conn: Connection, selector: str, span: Span, done: Callable[[int], None], chunked: bool
) -> tuple[tuple[Series, ...], tuple[Problem, ...]]:
    if chunked:
        try:
            wanted = matchers(selector)
            series, problems = _read(
                lambda page: read_chunks(conn, wanted, page), span, done, _stored(conn, "chunks", selector)
            )
        except NotOffered:
            return _read_selector(conn, selector, span, done, chunked=False)
    else:

        def ask(page: Span) -> Matrix:
            # Whole seconds, which every kin of Prometheus reads, and one more than needed: an open window must still
            # hold a sample at the very start of the page.
            window = page.length // 1000 + 1
            params = {"query": f"{selector}[{window}s]", "time": seconds(page.end)}
            return ask_matrix(conn, "/api/v1/query", params)

        series, problems = _read(ask, span, done, _stored(conn, "queries", selector))
    if not series:
        message = f"selector {selector} matched nothing from {written(span.start)} to {written(span.end)}"
        return (), (*problems, Problem(conn.url, 0, message))
    if chunked:
        return series, problems
    shelf = _stored(conn, "presence", selector, engine(conn)) if conn.cache else None
    marked, unproven = mark_stale(conn, selector, series, span, shelf)
    return marked, (*problems, *unproven)


def _stored(conn: Connection, *question: str) -> Shelf | None:
    return Shelf(conn.cache, server(conn), *question) if conn.cache is not None else None


def _read(
    ask: Callable[[Span], Matrix], span: Span, done: Callable[[int], None], shelf: Shelf | None
) -> tuple[tuple[Series, ...], tuple[Problem, ...]]:
    """All pages of ``span``, kept ones and those to ask for, joined and cut to it."""
    joined, problems = Joined(), dict[Problem, None]()
    pages = Pages(shelf, span)
    joined.add(pages.series)

    def add(page: Span) -> int:
        found = ask(page)
        joined.add(found.series)
        problems.update(dict.fromkeys(found.problems))
        pages.add(page, found)
        return found.samples

    def tell(reached: int) -> None:
        done(max(0, min(reached, span.end) - span.start))

    for gap in pages.gaps:
        read_pages(gap, add, tell)
    if not pages.gaps:
        tell(span.end)
    pages.close()
    return joined.series(span), tuple(problems)


class _Meter:
    """Adds up how far the readers of several selectors are; the first failure ends the others at their next page."""

    def __init__(self, progress: Progress, selectors: int, span: Span) -> None:
        self._progress = progress
        self._total = selectors * max(1, span.length // 1000)
        self._done: dict[str, int] = {}
        self._lock = threading.Lock()
        self._failure: BaseException | None = None

    def tell(self, selector: str, done: int) -> None:
        with self._lock:
            if self._failure is not None:
                raise self._failure
            self._done[selector] = done // 1000
            self._progress(sum(self._done.values()), self._total, selector)

    def stop(self, failure: BaseException) -> None:
        with self._lock:
            self._failure = self._failure or failure
