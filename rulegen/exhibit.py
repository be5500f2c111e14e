"""Unit tests for suggestions, cut from the episodes that justify them: one that must stay silent, one that must fire.

What a test claims is replayed on the cut, under the windows of Prometheus 2 and of 3, before it is let out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from rulegen.core.cluster import Grade
from rulegen.core.durations import DAY
from rulegen.core.exhibit import Case, Claim, Exhibit, RuleFile
from rulegen.core.labels import ALERT_NAME, EMPTY, METRIC_NAME, Labels, quote
from rulegen.core.outcome import Firings, Suggestion, joined
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.series import Series
from rulegen.core.spans import Span
from rulegen.core.unittest import AlertCheck, ExpectedAlert, ExprCheck, UnitTest, UnitTestFile
from rulegen.desk import Desk
from rulegen.emit.newrules import SUFFIX, reads_alerts
from rulegen.errors import UnsupportedError
from rulegen.firm import firm
from rulegen.promql import ExpressionError
from rulegen.replay import observed
from rulegen.replay.cut import Reading, cut, intervals, near, reading, touched, without_records
from rulegen.ruletest import Alert, run
from rulegen.score.catches import catches

MAX_SERIES = 40  # of one test
MAX_SAMPLES = 4_000  # of one test
MAX_CELLS = 3_000_000  # series × grid of one test: what promtool lays out in memory
EPISODES = 6  # tried for each claim
TRIES = 40  # cuts of them that are replayed
CHECKS = 5  # times at which one test looks
LONGEST = 30  # evaluations of one episode that a test covers
_BOTH: tuple[Semantics, ...] = ("open", "closed")
_CLOCK = re.compile(r"\b(?:hour|minute|day_of_week)\s*\(")


Wanted = Callable[[int, int], bool]  # how many alerts page at a time, now and as it was → is it as claimed?


class _Unshown(Exception):
    """Why a cut does not show what it should."""


@dataclass(frozen=True, slots=True)
class _Episode:
    """What a case is cut around: checked ``at`` these times (ms), the first when the alert ``labels`` fires."""

    claim: Claim
    shows: str
    since: int
    at: tuple[int, ...]
    labels: Labels
    wanted: tuple[Wanted, ...]  # at each of these times


@dataclass(frozen=True, slots=True, eq=False)
class _Scene:
    """One suggestion with its rules, as they were and as they were written, and what both read."""

    desk: Desk
    suggestion: Suggestion
    file: RuleFile
    names: tuple[str, ...]  # of the alerts as written
    old: RuleSet
    old_name: str
    step: int
    read: Reading
    was: Firings
    now: Firings

    @property
    def pages(self) -> Callable[[Labels], bool]:
        return self.desk.judge.pages


def exhibit(desk: Desk, suggestion: Suggestion, file: RuleFile | None) -> Exhibit:
    """The tests of an accepted ``suggestion`` against the emitted ``file`` that holds it (None: not written)."""
    step = suggestion.cluster.interval
    if file is None:
        return _without(suggestion, file, step, "the change is not in the rule file")
    if not any(rule.kind == "alert" for rule in suggestion.candidate.rules):
        return _without(suggestion, file, step, "no alert is left to test")
    try:
        scene = _scene(desk, suggestion, file)
    except (UnsupportedError, ExpressionError) as error:
        return _without(suggestion, file, step, str(error))
    if not scene.read.series:
        return _without(suggestion, scene.file, step, "no series of what the rule reads is in the history")
    cases: list[Case] = []
    missing: list[tuple[Claim, str]] = []
    episodes: tuple[tuple[Claim, Iterator[_Episode]], ...] = (("silent", _quiet(scene)), ("fires", _loud(scene)))
    for claim, some in episodes:
        found = _first(scene, some)
        if isinstance(found, Case):
            cases.append(found)
        else:
            missing.append((claim, found))
    return Exhibit(suggestion.id, scene.file, scene.step, tuple(cases), tuple(missing))


def _without(suggestion: Suggestion, file: RuleFile | None, step: int, why: str) -> Exhibit:
    return Exhibit(suggestion.id, file, step, missing=(("silent", why), ("fires", why)))


def _scene(desk: Desk, suggestion: Suggestion, file: RuleFile) -> _Scene:
    cluster, candidate, ref = suggestion.cluster, suggestion.candidate, suggestion.candidate.replaces
    rule, new, replayer = cluster.rule, candidate.rules, desk.replayer
    was, now = desk.fired[ref], joined(replayer.replay(ref, new, cluster.interval))
    step = was.grid.step
    old = RuleSet(tuple(group for group in replayer.rules.groups if group.path == ref.path))
    if replayer.grade(ref) is Grade.ALERTS:
        # Only its recorded alerts are known. They are fed to rules that read them, under a name of their own, since
        # otherwise a rule would read itself.
        if not all(reads_alerts(one) for one in new):
            rule, new = observed.stand_in(rule, rule), tuple(observed.stand_in(one, rule) for one in new)
            file = RuleFile(f"{suggestion.id}.yml", RuleSet((_alone(new, step),)), loadable=False, stands_in=True)
        rule = replace(rule, name=rule.name + SUFFIX)
        old = RuleSet((_alone((rule,), step),))
    written = {one.name for _, _, one in file.rules}
    alerts = [one.name if one.name in written else one.name + SUFFIX for one in new if one.kind == "alert"]
    names = tuple(dict.fromkeys(alerts))
    raw, stored = replayer.raw, replayer.stored
    ours, theirs = reading(file.rules, names, raw, stored), reading(old, [rule.name], raw, stored)
    every = {one.labels: one for one in (*ours.series, *theirs.series)}
    read = Reading(tuple(every[labels] for labels in sorted(every)), max(ours.behind, theirs.behind))
    old = without_records(old, {labels.get(METRIC_NAME, "") for labels in every})
    return _Scene(desk, suggestion, file, names, old, rule.name, step, read, was, now)


def _alone(rules: Sequence[Rule], step: int) -> RuleGroup:
    named = (replace(one, name=one.name.removesuffix(SUFFIX) + SUFFIX) for one in rules)
    return RuleGroup("stand-in", tuple(named), interval=step)


# What to cut around


def _quiet(scene: _Scene) -> Iterator[_Episode]:
    """Noise of the old rule that the changed rule makes less of, typical lengths first: no page, else fewer at once,
    else one in the place of two."""
    judge, was, now, step = scene.desk.judge, scene.was, scene.now, scene.step
    noisy = np.flatnonzero(judge.noise(was))
    if not len(noisy):
        return
    length = (was.end - was.start)[noisy]
    order = noisy[np.lexsort((was.start[noisy], np.abs(length - np.median(length))))].tolist()
    paging = judge.paging(now)
    what = "a page" if judge.all_pages_are_noise else "a page outside every incident"
    still = []
    for one in order:
        labels, start, end = was.labels[int(was.series[one])], int(was.start[one]), int(was.end[one])
        over = paging & (now.start <= end) & (now.end >= start)
        if any(_same_target(scene, labels, now.labels[int(row)]) for row in np.unique(now.series[over])):
            still.append(one)
            continue
        steps = min(LONGEST, (end - start) // step)
        at = np.unique(np.linspace(0, steps, min(CHECKS, steps + 1)).astype(int)) * step + start
        wanted = (_silenced,) * len(at)
        yield _Episode("silent", f"must stay silent: {what}", int(was.since[one]), tuple(at.tolist()), labels, wanted)
    for make in (_less_at_once, _one_for_two):
        yield from (episode for one in still if (episode := make(scene, one)) is not None)


def _less_at_once(scene: _Scene, one: int) -> _Episode | None:
    judge, was, now, start = scene.desk.judge, scene.was, scene.now, int(scene.was.start[one])
    before, after = (
        int((judge.paging(side) & (side.start <= start) & (side.end >= start)).sum()) for side in (was, now)
    )
    if after >= before:
        return None
    shows = f"must page less: {after} at once where {before} did"
    return _Episode("silent", shows, int(was.since[one]), (start,), was.labels[int(was.series[one])], (_fewer,))


def _one_for_two(scene: _Scene, second: int) -> _Episode | None:
    """Where the changed rule bridges the gap before a firing: it pages once where the old one paged again."""
    was, now, step = scene.was, scene.now, scene.step
    labels, again = was.labels[int(was.series[second])], int(was.start[second])
    earlier = np.flatnonzero((was.series == was.series[second]) & (was.end < again))
    if not len(earlier):
        return None
    first = int(earlier[np.argmax(was.end[earlier])])
    gap = int(was.end[first]) + step
    rows = np.array([_same_target(scene, labels, one) for one in now.labels], dtype=np.bool_)
    over = scene.desk.judge.paging(now) & rows[now.series] & (now.start < gap) & (now.end >= again)
    if not over.any() or gap >= again:
        return None
    since = max(int(was.start[first]), int(now.start[over].min()))
    if again - since > LONGEST * step:
        return None
    began = min(int(was.since[first]), int(now.since[over].min()))
    shows = "must go on: one page where there were two"
    return _Episode("silent", shows, began, (since, gap, again), labels, (_both, _bridged, _both))


def _silenced(pages: int, before: int) -> bool:
    return before > 0 and pages == 0


def _fewer(pages: int, before: int) -> bool:
    return pages < before


def _both(pages: int, before: int) -> bool:
    return pages > 0 and before > 0


def _bridged(pages: int, before: int) -> bool:
    return pages > 0 and before == 0


def _some(pages: int, before: int) -> bool:
    return pages > 0


def _any(pages: int, before: int) -> bool:
    return True


def _same_target(scene: _Scene, one: Labels, other: Labels) -> bool:
    """Whether two alerts may be about one target: no label of their series that both have differs."""
    own = {ALERT_NAME, *scene.suggestion.cluster.rule.labels}
    return all(other.get(name, value) == value for name, value in one.pairs if name not in own)


def _loud(scene: _Scene) -> Iterator[_Episode]:
    """What the changed rule still catches, beyond luck and soon first; else its strongest firing."""
    desk, was, now = scene.desk, scene.was, scene.now
    judge, ref = desk.judge, scene.suggestion.candidate.replaces
    before = set(catches(judge, was, ref)[:, 1].tolist())
    pairs = catches(judge, now, ref)
    sure = set(scene.suggestion.evidence.credible) if scene.suggestion.evidence else set()
    kind = "burst" if judge.all_pages_are_noise else "incident"

    def rank(pair: tuple[int, int]) -> tuple[bool, bool, int, int]:
        firing, aim = pair
        return (aim not in before, judge.targets[aim].id not in sure, int(now.start[firing]), aim)

    for firing, aim in sorted(map(tuple, pairs.tolist()), key=rank):
        target = judge.targets[aim]
        shows = f"must fire: the {kind} {target.id}" if kind == "incident" else "must fire: a burst that paged before"
        yield _firing(scene, firing, shows, _some)
    if not len(pairs):
        order = np.lexsort((now.start, now.start - now.end))  # longest first
        paging = judge.paging(now)
        for firing in [*order[paging[order]].tolist(), *order[~paging[order]].tolist()]:
            shows = f"must fire: no {kind} is caught by this rule; this is the longest firing that remains"
            yield _firing(scene, firing, shows, _some if paging[firing] else _any)


def _firing(scene: _Scene, firing: int, shows: str, wanted: Wanted) -> _Episode:
    now = scene.now
    labels = now.labels[int(now.series[firing])]
    return _Episode("fires", shows, int(now.since[firing]), (int(now.start[firing]),), labels, (wanted,))


# Cutting, and looking at what the cut shows


@dataclass(frozen=True, slots=True)
class _Cut:
    """One way to show an episode. ``sides`` are the rules that matter to ``series``, as written and as they were."""

    episode: _Episode
    span: Span
    interval: int
    series: tuple[Series, ...]
    sides: tuple[RuleSet, RuleSet]


def _first(scene: _Scene, episodes: Iterator[_Episode]) -> Case | str:
    """The first case that shows what it should, or why the first way to show one did not."""
    why = ""
    for made in islice((each for one in islice(episodes, EPISODES) for each in _cuts(scene, one)), TRIES):
        try:
            return _shown(scene, made)
        except _Unshown as reason:
            why = why or str(reason)
    return why or "no such episode in the history"


def _cuts(scene: _Scene, episode: _Episode) -> Iterator[_Cut]:
    """Of the episode's target alone, then of all that the rules read; on the best grid first."""
    step, first = scene.step, episode.since - scene.read.behind - scene.step
    rules = (scene.suggestion.cluster.rule, *scene.suggestion.candidate.rules)
    # Tests start in 1970, on a Thursday: whole weeks keep the hour and the day of the week.
    whole = 7 * DAY // step * step if any(_CLOCK.search(rule.expr) for rule in rules) else step
    origin = max(0, first // whole * whole)
    span = Span(origin, episode.at[-1] + step)
    focus = episode.labels.drop((ALERT_NAME, *scene.suggestion.cluster.rule.labels))
    close, every = near(scene.read.series, focus), scene.read.series
    for series in (close, every) if len(close) < len(every) else (every,):
        given = [one.labels for one in series]
        sides = touched(scene.file.rules, scene.names, given), touched(scene.old, [scene.old_name], given)
        for interval in intervals(series, span, step):
            yield _Cut(episode, span, interval, cut(series, span, first, interval), sides)
            if len(series) > MAX_SERIES:  # on every grid
                break


def _shown(scene: _Scene, made: _Cut) -> Case:
    """The case that was cut. Raises _Unshown where the replay of it does not give what it should."""
    episode, span, interval, series, sides = made.episode, made.span, made.interval, made.series, made.sides
    samples = sum(len(one.times) for one in series)
    if len(series) > MAX_SERIES:
        raise _Unshown(f"{len(series)} series are too many to read (at most {MAX_SERIES})")
    if samples > MAX_SAMPLES:
        raise _Unshown(f"{samples} samples are too many to read (at most {MAX_SAMPLES})")
    if len(series) * (span.length // interval) > MAX_CELLS:
        raise _Unshown("the windows are too long for a unit test")
    at = tuple(time - span.start for time in episode.at)
    now = _agreed(scene, sides[0], series, at, scene.names)
    was = _agreed(scene, sides[1], series, at, [scene.old_name])
    there = was if episode.claim == "silent" else now
    first = [alert.labels for (time, _), alerts in there.items() if time == at[0] for alert in alerts]
    if not any(labels.drop((ALERT_NAME,)) == episode.labels.drop((ALERT_NAME,)) for labels in first):
        raise _Unshown("the alert does not fire on the cut as it did in the history")
    for time, wanted in zip(at, episode.wanted, strict=True):
        pages = sum(scene.pages(alert.labels) for name in scene.names for alert in now[time, name])
        before = sum(scene.pages(alert.labels) for alert in was[time, scene.old_name])
        if not wanted(pages, before):
            raise _Unshown("on the cut the changed rule does not do what it did in the history")
    checks, labels_only = _checks(now, sides[0], series)
    for semantics in _BOTH:
        test = UnitTest(0, "", 0, series, EMPTY, "", checks, labels_only)
        if run(UnitTestFile("", (), (), scene.step, (), False, (test,)), sides[0], semantics):
            raise _Unshown("Prometheus 2 and 3 differ on its annotations")
    fired = tuple((time, alert.labels) for (time, _), alerts in was.items() for alert in alerts)
    return Case(episode.claim, episode.shows, span.start, interval, series, checks, labels_only, fired)


def _checks(
    now: Mapping[tuple[int, str], tuple[Alert, ...]], rules: RuleSet, series: Sequence[Series]
) -> tuple[tuple[AlertCheck, ...], tuple[ExprCheck, ...]]:
    """What fires as checks of alerts, and where their annotations are not the same everywhere, of ``ALERTS``."""
    checks: list[AlertCheck] = []
    others: list[ExprCheck] = []
    for (time, name), alerts in now.items():
        if firm(alerts, rules, series):
            expected = tuple(ExpectedAlert(one.labels, one.annotations) for one in alerts)
            checks.append(AlertCheck(0, time, name, expected))
        else:
            more = {METRIC_NAME: observed.ALERTS, observed.STATE: "firing"}
            samples = tuple((one.labels.updated(more), 1.0) for one in alerts)
            expr = f'{observed.ALERTS}{{{ALERT_NAME}={quote(name)},{observed.STATE}="firing"}}'
            others.append(ExprCheck(0, time, expr, samples))
    return tuple(checks), tuple(others)


def _agreed(
    scene: _Scene, rules: RuleSet, series: tuple[Series, ...], at: Sequence[int], names: Sequence[str]
) -> dict[tuple[int, str], tuple[Alert, ...]]:
    """What fires at each time and under each name, by the windows of Prometheus 2 as by those of 3."""
    found = [_observed(rules, series, at, names, scene.step, semantics) for semantics in _BOTH]
    if _labels(found[0]) != _labels(found[1]):
        raise _Unshown("Prometheus 2 and 3 differ on it: samples lie on the edges of windows")
    return found[0]


def _labels(found: Mapping[tuple[int, str], tuple[Alert, ...]]) -> dict[tuple[int, str], list[Labels]]:
    return {key: sorted(one.labels for one in alerts) for key, alerts in found.items()}


def _observed(
    rules: RuleSet, series: tuple[Series, ...], at: Sequence[int], names: Sequence[str], step: int, of: Semantics
) -> dict[tuple[int, str], tuple[Alert, ...]]:
    """Asks for nothing at each time: what fires is then what is wrong."""
    keys = [(time, name) for time in at for name in names]
    checks = tuple(AlertCheck(line, time, name, ()) for line, (time, name) in enumerate(keys))
    test = UnitTest(0, "", 0, series, EMPTY, "", checks, ())
    failures = run(UnitTestFile("", (), (), step, (), False, (test,)), rules, of)
    for failure in failures:
        if failure.why:
            raise _Unshown(f"{failure.what}: {failure.why}")
    got = {failure.line: failure.got for failure in failures}
    return {key: tuple(one for one in got.get(line, ()) if isinstance(one, Alert)) for line, key in enumerate(keys)}
