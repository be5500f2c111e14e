"""The evidence as files: ``suggestions.json`` for what a person decides, ``candidates.jsonl.gz`` for all the rest.

``suggestions.json``, schema 1. Times are RFC 3339 in UTC, durations Prometheus strings, shares from 0 to 1, a figure
that does not exist is null, and pairs are ``[before, after]``::

    schema, version, span {start, end}, judged [{start, end}], mode, settings {}, rules,
    before, tuning, together   measures of the history as it was, of the tunings together, of all accepted together
    notices                    {weeks, before, rules, routing, together: [all, noise] each; told, lost [ids],
                               later [ids], added_delay {median, largest}, plain_route}
    forecast, walked           {method, measure, cut_pages, cut_minutes, loss: [estimate, low, high] each, bursts,
                               folds [measures]}, or null; walked: chosen on the past, scored on what came next
    gap                        how much less the best joint choice could at most cost, as a share; 0: it is the best
    front                      {joint [points], single {suggestion: [points]}}
    patterns                   [{pattern, rules, firings}]: the kinds of noise, most firings first
    overview                   {alerts, names, alone, clusters [], more_clusters, cascades [], more_cascades}: all
                               recorded alerts, over their names; null without any
    repaired                   [{what, count}]: what had to be mended in the input, or left out of it
    unjudged, unscored [{rule, reason}], unmatched [{rule, selector}], credible, doubts []
    rule_tests                 {files, checks, failing [checks], together [checks]}, or null without --rule-tests
    accepted, refused          lists of suggestions
    routing                    those accepted that change Alertmanager's configuration

    cluster     (of the overview) {name, names, pattern, alerts, label_sets, minutes, per_week, duration_median,
                gap_median, flapping_share, together_share, top_share, firing_share,
                examples [{start, end, labels}]: the first, the middle and the last}
    cascade     {first, then, lag, seen, brought, p}; first and then: names of clusters, or of what came once
    measure     {weeks, pages, minutes, caught, lost [ids], later [ids], gained [ids], added_delay, quality}
    quality     {precision, recall, detection, reset}, or null where several rules were not measured together
    point       {name, pages, minutes, notices, recall, delay, chosen, refused, beaten}; name: a candidate's id, or
                what was weighed how
    suggestion  {id, accepted, written, problem, change, template, slots {}, routing [words],
                 replaces {path, home, group, index}, provenance {proposer, model_sha256, prompt_sha256, seed},
                 grade, pattern, cluster {id, interval, line, facts {}}, rule, rules [], words, evidence,
                 reasons [], doubts [], remarks [], and where accepted test {file, silent, fires}, rule_tests_changed
                 [checks], note, timeline}
    timeline    {start, step, before [pages], after [pages], targets [how many began]}: counts by step
    check       {file, line, test, check, alert}
    evidence    {whole, parts {name: measure}, credible [ids], lucky [ids], null_model, notices, longest,
                 cut_pages, cut_minutes: [estimate, low, high], support {bursts, targets}, synthetic []}, or null
    rule        {kind, name, expr, for, keep_firing_for, labels {}, annotations {}}

``replaces.home`` is the file's path in the repository that holds it, null for rules that no file of the user's holds.
``written`` is false for an accepted suggestion that could not be put into the user's file; ``problem`` says why.
``test.silent`` and ``test.fires`` are "shown", or why the history gives no such case.
The same report gives the same bytes.
"""

from __future__ import annotations

import gzip
import io
import json
import math
from collections.abc import Mapping
from typing import Any

from rulegen import __version__
from rulegen.core.candidate import Candidate, SlotValue
from rulegen.core.cluster import Cluster, Companion, Season
from rulegen.core.durations import format_duration
from rulegen.core.exhibit import Shown
from rulegen.core.outcome import (
    Evidence,
    Forecast,
    Front,
    Interval,
    Measure,
    Notices,
    Outcome,
    Point,
    Quality,
    Report,
    Suggestion,
    Verdict,
)
from rulegen.core.picture import Picture
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Span
from rulegen.emit.alertmanager import words as routing_words
from rulegen.emit.lostlabels import doubt
from rulegen.emit.overview import overview_json
from rulegen.emit.tested import rule_tests, tested
from rulegen.emit.timeline import timelines
from rulegen.emit.times import time_text
from rulegen.emit.words import change, note

SCHEMA = 1
_DIGITS = 6  # significant; a figure that was measured is not known better
_FACT_DURATIONS = ("duration_median", "duration_p90", "gap_median")
_FACT_NUMBERS = (
    "episodes",
    "minutes",
    "per_week",
    "series",
    "flapping_share",
    "together_share",
    "top_share",
    "firing_share",
    "margin",
    "incidents_touched",
    "watched",
    "vanished_share",
    "unseen_share",
)


def suggestions_json(
    report: Report,
    problems: Mapping[str, str],
    shown: Shown | None = None,
    tests: Mapping[str, str] | None = None,
    homes: Mapping[str, str] | None = None,
    picture: Picture | None = None,
) -> bytes:
    """The bytes of ``suggestions.json``. By suggestion id: ``problems``, why it could not be written into its file,
    and ``tests``, where its unit tests stand; ``shown`` are those and the user's own. ``homes`` are the rule files'
    paths in their repository, by path."""
    shown, homes = shown or Shown(), homes or {}
    lanes = {} if picture is None else timelines(picture)
    document = {
        "schema": SCHEMA,
        "version": __version__,
        "span": _span(report.span),
        "judged": [_span(span) for span in report.judged],
        "mode": report.mode,
        "settings": dict(report.settings),
        "rules": report.rules,
        "before": _measure(report.before),
        "tuning": _measure(report.tuning),
        "together": _measure(report.together),
        "notices": _notices(report.notices),
        "forecast": _forecast(report.forecast),
        "walked": _forecast(report.walked),
        "gap": _figure(report.gap),
        "front": _front(report.front),
        "patterns": [{"pattern": str(kind), "rules": rules, "firings": n} for kind, rules, n in report.patterns],
        "overview": overview_json(report.overview),
        "repaired": [{"what": what, "count": count} for what, count in report.repaired],
        "unjudged": report.unjudged,
        "unscored": [{"rule": rule, "reason": reason} for rule, reason in report.unscored],
        "credible": report.credible,
        "unmatched": [{"rule": rule, "selector": selector} for rule, selector in report.unmatched],
        "doubts": list(report.doubts),
        "rule_tests": rule_tests(shown.rule_tests),
        "accepted": [
            _suggestion(one, report, problems, homes)
            | tested(one, shown, tests or {})
            | {"note": note(one, report.mode), "timeline": lanes.get(one.id)}
            for one in report.suggestions
        ],
        "routing": [_suggestion(one, report, problems, homes) for one in report.rerouted],
        "refused": [_suggestion(one, report, problems, homes) for one in report.refused],
    }
    # A lone surrogate cannot be written in UTF-8; JSON's own escape for it can.
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")


def candidates_gz(report: Report) -> bytes:
    """The bytes of ``candidates.jsonl.gz``: one line for each verdict, by replaced rule and id."""
    buffer = io.BytesIO()
    with gzip.GzipFile(filename="", fileobj=buffer, mode="wb", mtime=0) as file:
        for verdict in sorted(report.verdicts, key=lambda one: (one.candidate.replaces, one.candidate.id)):
            line = json.dumps(_verdict(verdict), ensure_ascii=False) + "\n"
            file.write(line.encode("utf-8", "backslashreplace"))
    return buffer.getvalue()


def _suggestion(
    one: Suggestion, report: Report, problems: Mapping[str, str], homes: Mapping[str, str]
) -> dict[str, Any]:
    candidate, ref = one.candidate, one.candidate.replaces
    worry = doubt(one, report) if one.accepted else ""
    return {
        "id": one.id,
        "accepted": one.accepted,
        "written": one.accepted and one.id not in problems,
        "problem": problems.get(one.id),
        **_candidate(candidate),
        "replaces": {"path": ref.path, "home": homes.get(ref.path), "group": ref.group, "index": ref.index},
        "grade": str(one.evidence.grade if one.evidence else one.cluster.grade),
        "pattern": str(one.cluster.pattern),
        "cluster": _cluster(one.cluster),
        "rule": _rule(one.cluster.rule),
        "rules": [_rule(rule) for rule in candidate.rules],
        "routing": [routing_words(one) for one in candidate.routing],
        "words": change(one.cluster.rule, candidate.rules, candidate.proposal),
        "evidence": _evidence(one.evidence),
        "reasons": list(one.reasons),
        "doubts": [worry] if worry else [],
        "remarks": list(candidate.remarks),
    }


def _candidate(one: Candidate) -> dict[str, Any]:
    made = one.proposal.provenance
    return {
        "change": one.change,
        "template": one.proposal.template,
        "slots": {name: _slot(value) for name, value in one.proposal.slots.pairs},
        "provenance": {
            "proposer": made.proposer,
            "model_sha256": made.model_sha256 or None,
            "prompt_sha256": made.prompt_sha256 or None,
            "seed": made.seed,
        },
        "replaces": _ref(one.replaces),
    }


def _slot(value: SlotValue) -> Any:
    if isinstance(value, tuple):
        return list(value)
    if isinstance(value, int):  # a slot's whole number is a duration
        return format_duration(value) if value >= 0 else f"-{format_duration(-value)}"
    return _figure(value) if isinstance(value, float) else value


def _cluster(one: Cluster) -> dict[str, Any]:
    facts: dict[str, Any] = {name: _figure(getattr(one.facts, name)) for name in _FACT_NUMBERS}
    facts |= {name: format_duration(getattr(one.facts, name)) for name in _FACT_DURATIONS}
    facts |= {
        "season": _season(one.facts.season),
        "volatile": list(one.facts.volatile),
        "indicator": one.facts.indicator or None,
    }
    return {
        "id": one.id,
        "interval": format_duration(one.interval),
        "line": one.rule.line or None,
        "facts": facts,
        "companions": [_companion(companion) for companion in one.companions],
    }


def _season(one: Season | None) -> dict[str, Any] | None:
    if one is None:
        return None
    figures = {name: _figure(getattr(one, name)) for name in ("share", "recurring", "p")}
    return {"period": format_duration(one.period), "begin": one.begin, "hours": one.hours, **figures}


def _companion(one: Companion) -> dict[str, Any]:
    return {
        "rule": _ref(one.ref),
        "labels": dict(one.labels),
        "relation": str(one.relation),
        "lag_seconds": _figure(one.lag / 1000),
        "share": _figure(one.share),
        "excess": _figure(one.excess),
        "equal": list(one.equal),
    }


def _ref(ref: RuleRef) -> dict[str, Any]:
    return {"path": ref.path, "group": ref.group, "index": ref.index}


def _rule(rule: Rule) -> dict[str, Any]:
    return {
        "kind": rule.kind,
        "name": rule.name,
        "expr": rule.expr,
        "for": format_duration(rule.hold),
        "keep_firing_for": format_duration(rule.keep_firing_for),
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }


def _evidence(one: Evidence | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "whole": _measure(one.whole),
        "parts": {name: _measure(measure) for name, measure in one.parts},
        "credible": list(one.credible),
        "lucky": list(one.lucky),
        "null_model": one.null or None,
        "notices": None if one.notices is None else list(one.notices),
        "longest": [format_duration(one.longest[0]), format_duration(one.longest[1])],
        "cut_pages": _interval(one.cut_pages),
        "cut_minutes": _interval(one.cut_minutes),
        "support": dict(zip(("bursts", "targets"), one.support, strict=True)),
        "synthetic": list(one.synthetic),
    }


def _interval(figures: Interval | None) -> list[int | float | None] | None:
    return None if figures is None else [_figure(value) for value in figures]


def _measure(one: Measure) -> dict[str, Any]:
    return {
        "weeks": _figure(one.weeks),
        "pages": [_figure(value) for value in one.pages],
        "minutes": [_figure(value) for value in one.minutes],
        "caught": [_figure(value) for value in one.caught],
        "lost": list(one.lost),
        "later": list(one.later),
        "gained": list(one.gained),
        "added_delay": format_duration(max(0, int(one.added_delay))),
        "quality": None if one.quality is None else _quality(*one.quality),
    }


def _quality(before: Quality, after: Quality) -> dict[str, Any]:
    both = before, after
    return {
        "precision": [_figure(one.precision) for one in both],
        "recall": [_figure(one.recall) for one in both],
        "detection": [None if one.detection is None else _added(one.detection) for one in both],
        "reset": [None if one.reset is None else _added(one.reset) for one in both],
    }


def _notices(one: Notices | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "weeks": _figure(one.weeks),
        **{name: list(getattr(one, name)) for name in ("before", "rules", "routing", "together", "told")},
        "lost": list(one.lost),
        "later": list(one.later),
        "added_delay": dict(zip(("median", "largest"), map(_added, one.added), strict=True)),
        "plain_route": one.plain,
    }


def _added(ms: int) -> str:
    return format_duration(max(0, ms))


def _forecast(one: Forecast | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "method": one.method,
        "measure": _measure(one.measure),
        "cut_pages": _interval(one.cut_pages),
        "cut_minutes": _interval(one.cut_minutes),
        "loss": _interval(one.loss),
        "bursts": one.bursts,
        "folds": [_measure(measure) for measure in one.folds],
    }


def _front(one: Front | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "joint": [_point(point) for point in one.joint],
        "single": {id: [_point(point) for point in points] for id, points in one.single},
    }


def _point(one: Point) -> dict[str, Any]:
    return {
        "name": one.name,
        "pages": one.pages,
        "minutes": _figure(one.minutes),
        "notices": one.notices,
        "recall": _figure(one.recall),
        "delay": _added(one.delay),
        "chosen": one.chosen,
        "refused": one.refused,
        "beaten": not one.kept,
    }


def _verdict(one: Verdict) -> dict[str, Any]:
    return {
        "id": one.candidate.id,
        "cluster": one.candidate.cluster_id,
        **_candidate(one.candidate),
        "rules": [_rule(rule) for rule in one.candidate.rules],
        "passed": one.passed,
        "reasons": list(one.reasons),
        "outcome": _outcome(one.outcome),
    }


def _outcome(one: Outcome | None) -> dict[str, Any] | None:
    if one is None:
        return None
    return {
        "fired": int(one.fired.sum()),
        "unjudged": int(one.unjudged),
        "longest": format_duration(int(one.longest.max(initial=0))),
        "pages": int(one.pages.sum()),
        "minutes": _figure(float(one.minutes.sum())),
        "caught": len(one.caught),
    }


def _span(span: Span) -> dict[str, str]:
    return {"start": time_text(span.start), "end": time_text(span.end)}


def _figure(value: float) -> int | float | None:
    """A number as JSON has it: whole numbers whole, others rounded, NaN and infinities null."""
    value = float(value)
    if not math.isfinite(value):
        return None
    return int(value) if value == int(value) else float(f"{value:.{_DIGITS}g}")
