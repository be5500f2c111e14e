"""From the options that name sources to a history."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path

from rulegen.core.alert import Episode
from rulegen.core.durations import DAY, MINUTE, SECOND, parse_duration
from rulegen.core.history import History, Semantics, recordings
from rulegen.core.incident import IncidentRecord
from rulegen.core.rule import RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.source import RuleSource
from rulegen.core.spans import Grid, Span, union
from rulegen.desk import Progress
from rulegen.errors import InputError, Problem, UnsupportedError
from rulegen.ingest.alerts import read_alerts
from rulegen.ingest.impact import held
from rulegen.ingest.incidents import parse_judged, read_incidents, record
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.prometheus import (
    Connection,
    connect,
    fetch_alerts,
    fetch_rules,
    fetch_samples,
    query_range,
    read_semantics,
)
from rulegen.ingest.rulefile import read_rules
from rulegen.ingest.text import read_text
from rulegen.ingest.times import parse_time
from rulegen.promql import Evaluator, ExpressionError, Scalar, selectors

DEFAULT_SINCE = 14 * DAY


@dataclass(frozen=True, slots=True)
class Sources:
    """What to read, as the user named it; times in ms where they are numbers."""

    prometheus: str = ""
    metrics: Path | None = None
    alerts: Path | None = None
    rules: tuple[Path, ...] = ()
    incidents: Path | None = None
    impact: str = ""
    judged: tuple[str, ...] = ()
    since: str = ""
    start: str = ""
    end: str = ""
    semantics: str = ""
    interval: int = MINUTE
    token_file: str = ""
    user: str = ""
    ca: str = ""
    timeout: int = 30 * SECOND


@dataclass(frozen=True, slots=True)
class Read:
    """A history, the texts of its rule files, and what was wrong with items of the input."""

    history: History
    sources: tuple[RuleSource, ...]
    problems: tuple[Problem, ...]


def read(sources: Sources, progress: Progress) -> Read:
    """Reads everything that ``sources`` name. Raises InputError and UpstreamError."""
    _check(sources)
    if sources.prometheus:
        with _connection(sources) as conn:
            return _from_server(conn, sources, progress)
    return _from_files(sources, progress)


def _check(sources: Sources) -> None:
    given = [name for name in ("prometheus", "metrics", "alerts") if getattr(sources, name)]
    if not given:
        raise InputError("nothing to read: give --prometheus URL, --metrics FILE or --alerts FILE")
    if "prometheus" in given and len(given) > 1:
        raise InputError("--prometheus already brings metrics and alerts: leave out --metrics and --alerts")
    if sources.metrics and not sources.rules:
        raise InputError("--metrics needs --rules: without rules there is nothing to replay")
    if sources.incidents and sources.impact:
        raise InputError("--incidents and --impact both say what was wrong: give one")
    if sources.judged and not sources.incidents:
        raise InputError("--judged says for which time --incidents was kept: give both")
    if sources.impact and not (sources.prometheus or sources.metrics):
        raise InputError("--impact needs metrics: give --prometheus or --metrics")
    if sources.since and sources.start:
        raise InputError("--since and --start both say where to begin: give one")
    if sources.semantics not in ("", "open", "closed"):
        raise InputError(f"--range-semantics: {sources.semantics!r} is neither open nor closed")
    if sources.interval <= 0:
        raise InputError("--interval must be longer than nothing")


def _from_files(sources: Sources, progress: Progress) -> Read:
    progress("reading files", 0, 1)
    rules, texts, problems = _rules(sources)
    samples, wrong = read_metrics(sources.metrics) if sources.metrics else (Samples(), ())
    episodes, odd = read_alerts(sources.alerts) if sources.alerts else ((), ())
    span = _span_of_files(sources, samples, episodes)
    semantics: Semantics = "closed" if sources.semantics == "closed" else "open"
    history = _history(span, rules, samples, episodes, semantics)
    problems = (*problems, *wrong, *odd)
    if sources.impact:
        history = replace(history, record=_impact_here(sources, history))
    return _with_incidents(sources, Read(history, texts, problems))


def _from_server(conn: Connection, sources: Sources, progress: Progress) -> Read:
    semantics = read_semantics(conn)
    problems: tuple[Problem, ...] = ()
    if sources.semantics:
        semantics = "closed" if sources.semantics == "closed" else "open"
    elif semantics is None:
        told = "no build information, so range windows are taken to be left-open (--range-semantics says otherwise)"
        problems, semantics = (Problem(conn.url, 0, told),), "open"
    span = _span_now(sources)
    if sources.rules:
        rules, texts, wrong = _rules(sources)
    else:
        rules, wrong = fetch_rules(conn)
        texts = ()
        if not len(rules):
            raise InputError(f"{conn.url}: the server has no rules; name rule files with --rules")
    problems += wrong

    def tell(done: int, total: int, what: str) -> None:
        progress(f"reading {what}", done, total)

    wanted = _wanted(rules, sources.impact)
    reach = Span(span.start - max((before for _, before in wanted), default=0), span.end)
    samples, missing = fetch_samples(conn, [text for text, _ in wanted], reach, tell)
    episodes, odd = fetch_alerts(conn, span, sources.interval, tell)
    problems += (*missing, *odd)
    if not len(samples) and not episodes:
        raise InputError(f"{conn.url}: no data between {_shown(span)}: neither the rules' metrics nor ALERTS")
    history = _history(_narrowed(span, samples, episodes), rules, samples, episodes, semantics)
    if sources.impact:
        grid = Grid(history.span.start, history.span.end, sources.interval)
        series, odd = query_range(conn, sources.impact, grid, tell)
        problems += odd
        history = replace(history, record=_some(held(series, sources.interval, history.span), sources.impact))
    return _with_incidents(sources, Read(history, texts, problems))


def _history(
    span: Span, rules: RuleSet, samples: Samples, episodes: tuple[Episode, ...], semantics: Semantics
) -> History:
    runs = recordings(samples) or (span,)
    inner = [Span(max(one.start, span.start), min(one.end, span.end)) for one in runs if one.start < span.end]
    kept = tuple(one for one in inner if one.end > span.start) or (span,)
    return History(span, kept, rules, samples, episodes, None, semantics)


def _with_incidents(sources: Sources, found: Read) -> Read:
    if sources.incidents is None:
        return found
    incidents, wrong = read_incidents(sources.incidents)
    try:
        kept = record(incidents, tuple(parse_judged(text) for text in sources.judged))
    except ValueError as error:
        raise InputError(f"--judged: {error}") from None
    span = found.history.span
    if not any(one.span.start <= span.end and one.span.end >= span.start for one in incidents):
        raise InputError(f"{sources.incidents}: no incident lies in the history, {_shown(span)}")
    return replace(found, history=replace(found.history, record=kept), problems=(*found.problems, *wrong))


def _rules(sources: Sources) -> tuple[RuleSet, tuple[RuleSource, ...], tuple[Problem, ...]]:
    return read_rules(sources.rules, sources.interval) if sources.rules else (RuleSet(), (), ())


def _wanted(rules: RuleSet, impact: str) -> list[tuple[str, int]]:
    """Every selector to fetch, with how far before an evaluation it reads, ms."""
    exprs = [rule.expr for _, _, rule in rules] + ([impact] if impact else [])
    found: dict[str, int] = {}
    for expr in exprs:
        try:
            for selector in selectors(expr):
                found[selector.text] = max(found.get(selector.text, 0), selector.before_ms)
        except ExpressionError as error:
            raise InputError(f"--impact: {error}") from None
        except UnsupportedError:
            continue  # the replay names the rule and the reason
    return list(found.items())


def _impact_here(sources: Sources, history: History) -> IncidentRecord:
    grid = Grid(history.span.start, history.span.end, sources.interval)
    try:
        value = Evaluator(history.samples, semantics=history.semantics).evaluate(sources.impact, grid)
    except (ExpressionError, UnsupportedError) as error:
        raise InputError(f"--impact: {error}") from None
    if isinstance(value, Scalar):
        raise InputError("--impact: is a scalar; give a comparison that holds while something is wrong")
    times = grid.times()
    rows = zip(value.labels, value.values, value.present, strict=True)
    series = [Series(labels, times[here], values[here]) for labels, values, here in rows]
    return _some(held(series, sources.interval, history.span), sources.impact)


def _some(found: IncidentRecord, impact: str) -> IncidentRecord:
    if not found.incidents:
        raise InputError(f"--impact: {impact} never held in the history")
    return found


def _span_of_files(sources: Sources, samples: Samples, episodes: tuple[Episode, ...]) -> Span:
    spans = [one.span for one in episodes]
    if (measured := samples.span()) is not None:
        spans.append(measured)
    if not spans:
        raise InputError("the files hold no data: no sample and no alert")
    whole = Span(min(one.start for one in spans), max(one.end for one in spans))
    end = min(whole.end, _time("--end", sources.end)) if sources.end else whole.end
    start = whole.start
    if sources.start:
        start = max(start, _time("--start", sources.start))
    if sources.since:
        start = max(start, end - _duration("--since", sources.since))
    if end < start:
        raise InputError(f"no data in that range: the files hold {_shown(whole)}")
    return Span(start, end)


def _span_now(sources: Sources) -> Span:
    end = _time("--end", sources.end) if sources.end else int(time.time()) * 1000
    back = _duration("--since", sources.since) if sources.since else DEFAULT_SINCE
    start = _time("--start", sources.start) if sources.start else end - back
    if end <= start:
        raise InputError("--end must come after --start")
    return Span(start, end)


def _narrowed(span: Span, samples: Samples, episodes: tuple[Episode, ...]) -> Span:
    """``span`` without the time before the first and after the last data."""
    held_by = [one.span for one in episodes]
    if (measured := samples.span()) is not None:
        held_by.append(measured)
    whole = union(held_by)
    return Span(max(span.start, whole[0].start), min(span.end, max(one.end for one in whole)))


def _connection(sources: Sources) -> Connection:
    token = read_text(sources.token_file).strip() if sources.token_file else None
    return connect(
        sources.prometheus,
        token=token,
        user=sources.user or None,
        ca=sources.ca or None,
        timeout_s=sources.timeout / SECOND,
    )


def _duration(option: str, text: str) -> int:
    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _time(option: str, text: str) -> int:
    try:
        return parse_time(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _shown(span: Span) -> str:
    def text(at: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))

    return f"{text(span.start)} to {text(span.end)}"
