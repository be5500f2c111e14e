"""From what the user named to a history."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import cache as once
from pathlib import Path

from rulegen.cli.log import say
from rulegen.cli.recorded import read_record, touching
from rulegen.cli.sources import Sources
from rulegen.core.alert import Episode
from rulegen.core.durations import DAY, SECOND
from rulegen.core.history import History, recordings
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples, Series
from rulegen.core.source import RuleSource
from rulegen.core.spans import Grid, Span, inside, intersect
from rulegen.desk import Progress
from rulegen.errors import InputError, Problem, UnsupportedError
from rulegen.ingest.impact import held
from rulegen.ingest.incidents import read_incidents, record
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.prometheus import (
    Cache,
    Connection,
    connect,
    fetch_alerts,
    fetch_rules,
    fetch_samples,
    query_range,
    read_semantics,
)
from rulegen.ingest.records import both
from rulegen.ingest.rulefile import read_rules
from rulegen.ingest.store import EVER
from rulegen.ingest.text import read_text
from rulegen.intake import about_incidents, settled, unread
from rulegen.promql import Evaluator, ExpressionError, Scalar, selectors

DEFAULT_SINCE = 14 * DAY


@dataclass(frozen=True, slots=True)
class Read:
    """A history, the texts of its rule files, the bad items among the input's good ones, what a server could not or
    would not tell of what was asked, and the doubts that follow for the report. ``measured`` says whether series of
    metrics were looked for where some could be."""

    history: History
    sources: tuple[RuleSource, ...]
    problems: tuple[Problem, ...]
    remarks: tuple[Problem, ...] = ()
    doubts: tuple[str, ...] = ()
    compared: RuleSet = field(default_factory=RuleSet)  # other rules, whose series were read too
    measured: bool = True


@dataclass(frozen=True, slots=True)
class _Files:
    """What the user's rule and incident files say; read first, so that an error in them is told at once."""

    rules: RuleSet
    compared: RuleSet
    texts: tuple[RuleSource, ...]
    incidents: tuple[Incident, ...] | None
    problems: tuple[Problem, ...]


def read(sources: Sources, progress: Progress) -> Read:
    """Reads everything that ``sources`` name; they are taken to be checked. Raises InputError and UpstreamError."""
    progress("reading files", 0, 1)
    files = _files(sources)
    if not sources.prometheus:
        return _from_files(sources, files)
    with connection(sources) as conn:
        return _from_server(conn, sources, files, progress)


def _files(sources: Sources) -> _Files:
    rules, texts, problems = read_rules(sources.rules, sources.interval) if sources.rules else (RuleSet(), (), ())
    other, _, strange = read_rules(sources.compare, sources.interval) if sources.compare else (RuleSet(), (), ())
    problems = tuple(dict.fromkeys((*problems, *strange)))
    if sources.incidents is None:
        return _Files(rules, other, texts, None, problems)
    incidents, wrong = read_incidents(sources.incidents)
    return _Files(rules, other, texts, incidents, (*problems, *wrong))


def _from_files(sources: Sources, files: _Files) -> Read:
    samples, wrong = read_metrics(sources.metrics) if sources.metrics else (Samples(), ())
    samples, strayed = settled(samples)
    measured = samples.span()
    if measured is not None and not measured.length:
        measured = None
    # Rules can be judged where their metrics are: in all other time they would look as if they had kept silent.
    asked = sources.since is not None or sources.start is not None or sources.end is not None
    alerts = read_record(sources, measured or EVER, count=measured is not None and not asked)
    whole = measured or _whole(samples, alerts.episodes)
    if whole is None:
        raise InputError(f"{sources.metrics or sources.alerts or sources.store}: no data: no sample and no alert")
    if not whole.length:
        raise InputError(
            f"{sources.metrics or sources.alerts or sources.store}: data of one moment only, and a history needs more"
        )
    span = _narrowed(_wanted_of_files(sources, whole), samples, () if measured else alerts.episodes)
    if span is None:
        raise InputError(f"no data in that range: the files hold {_shown(whole)}")
    semantics: Semantics = "closed" if sources.semantics == "closed" else "open"
    history = _history(span, files.rules, samples, touching(alerts.episodes, span), semantics)
    if sources.impact:
        found = _evaluated(sources, history)
        history = replace(history, record=_kept(found, sources, span))
    history = _with_incidents(sources, files, history)
    problems = (*files.problems, *wrong, *alerts.problems)
    history = replace(history, repaired=(*unread(problems), *strayed, *alerts.repaired, *history.repaired))
    doubts = _left_out(alerts.left_out, alerts.path, span, "--metrics")
    return Read(history, files.texts, problems, (), doubts, files.compared, len(samples) > 0)


def _left_out(count: int, path: Path | None, span: Span, option: str) -> tuple[str, ...]:
    if not count:
        return ()
    where = f"{count:,} alerts in {path} lie outside of the time for which there are samples, {_shown(span)}"
    return (f"{where}: left out; without {option} they are judged, as far as recorded alerts alone can tell",)


def _from_server(conn: Connection, sources: Sources, files: _Files, progress: Progress) -> Read:
    wanted = _wanted_of_server(sources)
    semantics, doubts = semantics_of(conn, sources)
    rules, strange = (files.rules, ()) if sources.rules else _server_rules(conn)
    alerts = read_record(sources, wanted)
    if not len(rules) and not alerts.episodes:
        raise InputError(f"{conn.url}: the server has no rules; name rule files with --rules")
    local, wants = sources.engine == "local", _selectors((*rules, *files.compared))
    samples, missing = _samples(conn, wants, wanted, progress) if local else (Samples(), ())
    episodes, odd = fetch_alerts(conn, wanted, sources.interval, stage(progress, "reading alerts"))
    seen = _narrowed(wanted, samples, episodes) if local else wanted
    span = seen or _narrowed(wanted, Samples(), alerts.episodes)
    if span is None:
        raise InputError(f"{conn.url}: no data from {_shown(wanted)}: neither the rules' metrics nor ALERTS")
    if seen is None:
        doubts += (f"{conn.url} has no data from {_shown(wanted)}: only the alerts in {alerts.path} are judged",)
    received = touching(alerts.episodes, span)
    doubts += _left_out(len(alerts.episodes) - len(received), alerts.path, span, "--prometheus")
    # The server's own record has the labels of its rules, and the time in which it was itself down.
    episodes = both(episodes, received, sources.interval)
    history = _history(span, rules, samples, episodes, semantics)
    remarks = [*missing, *odd]
    if sources.impact:
        grid = Grid(span.start, span.end, sources.interval)
        series, wrong = query_range(conn, sources.impact, grid, stage(progress, "reading the impact"))
        remarks += wrong
        history = replace(history, record=_kept(series, sources, span))
    history = _with_incidents(sources, files, history)
    problems = (*files.problems, *strange, *alerts.problems)
    history = replace(history, repaired=(*unread(problems), *alerts.repaired, *history.repaired))
    told = tuple(dict.fromkeys(one for one in remarks if not _is_unmatched(one, conn)))
    if told:
        doubts += (f"the server did not tell all that was asked ({len(told)} remarks), the first: {told[0].message}",)
    return Read(history, files.texts, problems, told, doubts, files.compared, seen is not None)


def _server_rules(conn: Connection) -> tuple[RuleSet, tuple[Problem, ...]]:
    """The rules that the server evaluates, without those in a PromQL that is not ours, which are problems."""
    found, problems = fetch_rules(conn)
    groups = []
    for group in found.groups:
        kept = []
        for rule in group.rules:
            try:
                selectors(rule.expr)
                kept.append(rule)
            except (ExpressionError, UnsupportedError) as error:
                why = error.message if isinstance(error, ExpressionError) else error  # in one line, without the caret
                what = f'group "{group.name}", rule "{rule.name}": its expression cannot be read: {why}'
                problems += (Problem(conn.url, 0, what),)
        groups.append(replace(group, rules=tuple(kept)))
    return RuleSet(tuple(groups)), problems


def _samples(
    conn: Connection, reach: Mapping[str, int], wanted: Span, progress: Progress
) -> tuple[Samples, tuple[Problem, ...]]:
    """The samples of each selector from as far before ``wanted`` as it ``reach``es, ms."""
    found: dict[Labels, Series] = {}
    problems: list[Problem] = []
    distances = sorted(set(reach.values()), reverse=True)  # a series that two selectors match is kept at its longest
    for number, before in enumerate(distances):
        texts = [text for text, distance in reach.items() if distance == before]
        span = Span(max(0, wanted.start - before), wanted.end)
        tell = stage(progress, "reading samples", number, len(distances))
        samples, wrong = fetch_samples(conn, texts, span, tell)
        problems += wrong
        for one in samples:
            found.setdefault(one.labels, one)
    return Samples.of(found.values()), tuple(problems)


def _is_unmatched(problem: Problem, conn: Connection) -> bool:
    """A selector that matches nothing is no bad item: the report names it, with its rule."""
    return problem.path == conn.url and " matched nothing from " in problem.message


def semantics_of(conn: Connection, sources: Sources) -> tuple[Semantics, tuple[str, ...]]:
    told = read_semantics(conn)
    if sources.semantics:
        return "closed" if sources.semantics == "closed" else "open", ()
    if told is None:
        return "open", (
            f"{conn.url} does not say which Prometheus it is, so range windows are taken to be left-open "
            "(--range-semantics says otherwise)",
        )
    return told, ()


def stage(progress: Progress, name: str, part: int = 0, parts: int = 1) -> Callable[[int, int, str], None]:
    """Tells ``progress`` of the ``part``-th of ``parts`` equal parts of a stage, whatever selector is being read."""

    def tell(done: int, total: int, _: str) -> None:
        progress(name, part * total + done, parts * total)

    return tell


def _history(
    span: Span, rules: RuleSet, samples: Samples, episodes: tuple[Episode, ...], semantics: Semantics
) -> History:
    runs = tuple(one for one in intersect(recordings(samples), [span]) if one.length)
    return History(span, runs or (span,), rules, samples, episodes, None, semantics)


def _with_incidents(sources: Sources, files: _Files, history: History) -> History:
    if files.incidents is None:
        return history
    kept, span = record(files.incidents, sources.judged), history.span
    if not any(one.span.start <= span.end and one.span.end >= span.start for one in files.incidents):
        raise InputError(f"{sources.incidents}: no incident lies in the history, {_shown(span)}")
    if not any(one.length for one in intersect(kept.judged, [span])):
        raise InputError(f"--judged: lies outside of the history, {_shown(span)}")
    return replace(history, record=kept, repaired=about_incidents(kept, span))


def _selectors(rules: Iterable[tuple[RuleRef, RuleGroup, Rule]]) -> dict[str, int]:
    """Every selector to fetch, with how far before an evaluation it reads, ms."""
    found: dict[str, int] = {}
    for _, _, rule in rules:
        try:
            for selector in selectors(rule.expr):
                found[selector.text] = max(found.get(selector.text, 0), selector.before_ms)
        except (ExpressionError, UnsupportedError):
            continue  # the replay names the rule and the reason
    return found


def _evaluated(sources: Sources, history: History) -> list[Series]:
    """The impact over a history from files, as :func:`query_range` has it from a server."""
    grid = Grid(history.span.start, history.span.end, sources.interval)
    try:
        value = Evaluator(history.samples, semantics=history.semantics).evaluate(sources.impact, grid)
    except UnsupportedError as error:
        raise InputError(f"--impact: {error}") from None
    if isinstance(value, Scalar):
        raise InputError("--impact: is a scalar; give a comparison that holds while something is wrong")
    times = grid.times()
    rows = zip(value.labels, value.values, value.present, strict=True)
    return [Series(labels, times[here], values[here]) for labels, values, here in rows]


def _kept(series: Iterable[Series], sources: Sources, span: Span) -> IncidentRecord:
    found = held(series, sources.interval, span)
    if not found.incidents:
        raise InputError(f"--impact: {sources.impact} never held from {_shown(span)}")
    healthy = ~inside(Grid(span.start, span.end, sources.interval).times(), [one.span for one in found.incidents])
    if not healthy.any():
        raise InputError(
            f"--impact: {sources.impact} held all the time, so that nothing is noise; "
            "give a comparison that holds only while something is wrong"
        )
    return found


def _wanted_of_files(sources: Sources, whole: Span) -> Span:
    end = whole.end if sources.end is None else min(whole.end, sources.end)
    start = whole.start if sources.start is None else max(whole.start, sources.start)
    if sources.since is not None:
        start = max(start, end - sources.since)
    if end < start:
        raise InputError(f"no data in that range: the files hold {_shown(whole)}")
    return Span(start, end)


def _wanted_of_server(sources: Sources) -> Span:
    end = int(time.time()) * SECOND if sources.end is None else sources.end
    back = DEFAULT_SINCE if sources.since is None else sources.since
    start = max(0, end - back) if sources.start is None else sources.start
    if end <= start:
        raise InputError("--end (or now) must come after --start")
    return Span(start, end)


def _whole(samples: Samples, episodes: tuple[Episode, ...]) -> Span | None:
    """From the first data to the last; None when there is none."""
    spans = [one.span for one in episodes]
    if (measured := samples.span()) is not None:
        spans.append(measured)
    return Span(min(one.start for one in spans), max(one.end for one in spans)) if spans else None


def _narrowed(wanted: Span, samples: Samples, episodes: tuple[Episode, ...]) -> Span | None:
    """``wanted`` without the time before the first and after the last data in it; None when nothing lies there."""
    spans = [one.span for one in episodes] + list(recordings(samples))
    inner = intersect(spans, [wanted])
    if not inner or inner[-1].end == inner[0].start:
        return None
    return Span(inner[0].start, inner[-1].end)


@contextmanager
def connection(sources: Sources) -> Iterator[Connection]:
    """A connection to the server, with the cache; says on standard error why nothing could be kept."""
    directory = None if sources.no_cache else sources.cache or cache_directory()
    cache = Cache(directory) if directory else None
    try:
        with connect(
            sources.prometheus,
            token=token_in(sources.token_file) if sources.token_file else None,
            user=sources.user or None,
            ca=sources.ca or None,
            timeout_s=sources.timeout / SECOND,
            cache=cache,
        ) as conn:
            yield conn
    finally:
        if cache is not None and cache.trouble:
            _say(cache.trouble)


@once
def _say(trouble: Problem) -> None:
    """On standard error, once a process: a command may connect more than once."""
    say(str(trouble), "warning")


def cache_directory() -> Path | None:
    """XDG Base Directory Specification: a relative $XDG_CACHE_HOME counts as none. None for a user without a home."""
    named = os.environ.get("XDG_CACHE_HOME", "")
    try:
        return (Path(named) if named.startswith("/") else Path.home() / ".cache") / "rulegen"
    except RuntimeError:
        return None


def token_in(path: Path) -> str:
    """The bearer token that a file holds. Raises InputError."""
    token = read_text(path).strip()
    if not token or not token.isascii() or not token.isprintable():
        raise InputError(f"{path}: no bearer token: a file with nothing but the token is expected")
    return token


def _shown(span: Span) -> str:
    def text(at: int) -> str:
        return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(at / 1000))

    return f"{text(span.start)} to {text(span.end)}"
