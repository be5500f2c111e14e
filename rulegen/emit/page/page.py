"""``report.html``: one file that asks nothing of a network, for a person who decides.

What it says are the same words and figures as on the terminal; what it adds are pictures. It holds no script, and its
content security policy forbids every request. Names and texts from alerts and rules are escaped by the template and
free of control characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template
from markupsafe import Markup

from rulegen import __version__
from rulegen.core.durations import SECOND, format_duration
from rulegen.core.exhibit import Shown
from rulegen.core.outcome import Measure, Report, Suggestion
from rulegen.core.picture import Lane, Picture
from rulegen.emit import figures
from rulegen.emit.alertmanager import words as routing_words
from rulegen.emit.lostlabels import doubt
from rulegen.emit.page import charts
from rulegen.emit.rulefile import Changed
from rulegen.emit.times import time_text
from rulegen.emit.unified import unified
from rulegen.emit.words import change, counted, delay, kept, number, one_line, share, why

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
LANES = 30  # drawn at once; the others wait below, folded
_KINDS = {"+": "add", "-": "del", "@": "hunk"}


@dataclass(frozen=True, slots=True)
class Told:
    """What the page says beside the report: by suggestion id what was ``changed`` in the user's files, why some could
    not be written (``problems``), and where unit tests stand (``tests``); and what those showed."""

    changed: Mapping[str, Changed]
    problems: Mapping[str, str]
    tests: Mapping[str, str]
    shown: Shown


def html(report: Report, picture: Picture, told: Told) -> str:
    """The whole page. The same input gives the same text."""
    return _template().render(_Page(report, picture, told).context())


@cache
def _template() -> Template:
    found = Environment(
        loader=PackageLoader("rulegen.emit.page", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return found.get_template("page.html.jinja")


@dataclass(frozen=True, slots=True)
class _Page:
    report: Report
    picture: Picture
    told: Told

    def context(self) -> dict[str, Any]:
        report, picture = self.report, self.picture
        weeks = report.before.weeks or 1.0
        was, will = picture.week(after=False), picture.week(after=True)
        most = int(max(was.max(initial=0), will.max(initial=0)))
        lanes = [self._lane(lane, weeks) for lane in picture.lanes]
        return {
            "version": __version__,
            "start": time_text(report.span.start),
            "middle": time_text((report.span.start + report.span.end) // 2),
            "end": time_text(report.span.end),
            "mode": report.mode,
            "rules": counted(report.rules, "rule"),
            "caught": report.before.caught[0],
            "beyond": report.credible,
            "headline": self._headline(),
            "patterns": [(str(kind), rules, firings) for kind, rules, firings in report.patterns],
            "lanes": lanes[:LANES],
            "more_lanes": lanes[LANES:],
            "plain": picture.plain,
            "targets": len(picture.targets),
            "days": DAYS,
            "heat": [
                ("Before", charts.depths(was, most), was.reshape(7, 24).tolist()),
                ("After", charts.depths(will, most), will.reshape(7, 24).tolist()),
            ],
            "front": self._front(),
            "quality": list(figures.quality(report.together)) if report.mode == "incidents" else [],
            "forecasts": list(self._forecasts()),
            "suggestions": [self._suggestion(one) for one in report.suggestions],
            "rerouted": [self._rerouted(one) for one in report.rerouted],
            "refused": [self._refused(one) for one in report.refused],
            "unjudged": report.unjudged,
            "repaired": report.repaired,
            "unscored": [(one_line(rule), one_line(reason)) for rule, reason in report.unscored],
            "unmatched": [(one_line(rule), one_line(selector)) for rule, selector in report.unmatched],
            "doubts": [one_line(worry) for worry in report.doubts],
            "settings": report.settings,
        }

    def _headline(self) -> list[dict[str, str]]:
        """Every reduction with the recall beside it."""
        report, whole = self.report, self.report.together
        weeks = whole.weeks or 1.0
        pairs: list[tuple[str, tuple[float, float], float]] = [
            ("pages for nothing a week", whole.pages, weeks),
            ("paging minutes for nothing a week", whole.minutes, weeks),
        ]
        if (notices := report.notices) is not None:
            pairs.insert(
                0,
                ("notifications for nothing a week", (notices.before[1], notices.together[1]), notices.weeks or 1.0),
            )
        tiles = [
            {
                "what": what,
                "value": f"{number(before / per)} → {number(after / per)}",
                "note": f"−{share(1 - after / before)}" if before else "",
            }
            for what, (before, after), per in pairs
        ]
        lost = "none lost" if not whole.lost else f"lost: {', '.join(whole.lost[:5])}"
        tiles.append({"what": f"{report.mode} still caught", "value": kept(whole), "note": one_line(lost)})
        tiles.append({"what": "added delay", "value": delay(whole), "note": "at most, over all of them"})
        return tiles

    def _lane(self, lane: Lane, weeks: float) -> dict[str, Any]:
        old, new = lane.before, lane.after
        most = int(max(old.week.max(initial=0), new.week.max(initial=0)))
        what = f"{counted(len(old.spans), 'page')} before, {len(new.spans)} after"
        targets = [span for _, span in self.picture.targets]
        return {
            "name": one_line(lane.name),
            "receivers": ", ".join(map(one_line, lane.receivers)),
            "suggestion": lane.suggestion,
            "pages": f"{number(old.noise / weeks)} → {number(new.noise / weeks)}",
            "minutes": f"{number(lane.minutes[0] / weeks)} → {number(lane.minutes[1] / weeks)}",
            "catches": f"{lane.caught[0]} → {lane.caught[1]}" if lane.caught[0] != lane.caught[1] else lane.caught[0],
            "strip": charts.strip(self.picture.span, targets, old.spans, new.spans, what),
            "before": charts.hours(old.week, most, f"{counted(old.noise, 'page')} for nothing by hour, before"),
            "after": charts.hours(new.week, most, f"{counted(new.noise, 'page')} for nothing by hour, after"),
        }

    def _front(self) -> dict[str, Any] | None:
        """Choices that nothing beats, over the part that the gate sees."""
        front = self.report.front
        if front is None or len(front.joint) < 2:
            return None
        known = [
            measure
            for one in self.report.suggestions[:1]
            if one.evidence
            for name, measure in one.evidence.parts
            if name != "audit"
        ]
        weeks = sum(measure.weeks for measure in known) or self.report.before.weeks or 1.0
        chosen = next((at for at, point in enumerate(front.joint, 1) if point.chosen), None)
        label = f"{len(front.joint)} ways to choose: noise left against added delay" + f"; {chosen} is chosen" * bool(
            chosen
        )
        rows = [
            {
                "name": point.name,
                "pages": number(point.pages / weeks),
                "minutes": number(point.minutes / weeks),
                "notices": "–" if point.notices is None else number(point.notices / weeks),
                "recall": share(point.recall),
                "delay": format_duration(max(0, point.delay) // SECOND * SECOND),
                "chosen": point.chosen,
                "beaten": not point.kept,
            }
            for point in front.joint
        ]
        most = max(point.pages for point in front.joint)
        late = max(0, *(point.delay for point in front.joint))
        return {
            "svg": charts.front(front.joint, label),
            "rows": rows,
            "most": number(most / weeks),
            "late": format_duration(late // SECOND * SECOND),
            "gap": f"{self.report.gap:.1%}" if self.report.gap else "",
        }

    def _forecasts(self) -> Iterator[tuple[str, list[str]]]:
        mode = self.report.mode
        if (found := self.report.forecast) is not None:
            yield found.method, list(figures.forecast(found, mode))
        if (walked := self.report.walked) is not None:
            yield walked.method, [*figures.forecast(walked, mode), figures.folds(walked)]

    def _suggestion(self, one: Suggestion) -> dict[str, Any]:
        lane = next((lane for lane in self.picture.lanes if lane.suggestion == one.id), None)
        broken = dict(self.told.shown.rule_tests.changed).get(one.id, ()) if self.told.shown.rule_tests else ()
        worries = [doubt(one, self.report)] if self.report.verdicts else []
        worries += [f"changes your unit test {check.file}:{check.line}: {check.check}" for check in broken]
        evidence, diff = one.evidence, unified(one, self.told.changed.get(one.id))
        return {
            "id": one.id,
            "name": one_line(one.cluster.rule.name),
            "words": change(one.cluster.rule, one.candidate.rules, one.candidate.proposal),
            "template": one.candidate.proposal.template,
            "change": one.candidate.change,
            "pattern": str(one.cluster.pattern),
            "why": one_line(why(one.cluster)),
            "grade": str(evidence.grade if evidence else one.cluster.grade),
            "figures": _figures(evidence.whole) if evidence else None,
            "parts": [(name, _figures(measure)) for name, measure in evidence.parts] if evidence else [],
            "support": [one_line(line) for line in figures.support(evidence, self.report.mode)] if evidence else [],
            "credible": ", ".join(map(one_line, evidence.credible)) if evidence else "",
            "lucky": ", ".join(map(one_line, evidence.lucky)) if evidence else "",
            "strip": self._wide_strip(lane) if lane else Markup(""),
            "diff": [(_KINDS.get(line[:1], ""), one_line(line)) for line in diff],
            "problem": one_line(self.told.problems.get(one.id, "")),
            "doubts": [one_line(worry) for worry in worries if worry],
            "remarks": [one_line(remark) for remark in one.candidate.remarks],
            "test": self.told.tests.get(one.id, ""),
        }

    def _wide_strip(self, lane: Lane) -> Markup:
        targets = [span for _, span in self.picture.targets]
        what = f"{counted(len(lane.before.spans), 'page')} before, {len(lane.after.spans)} after"
        return charts.strip(self.picture.span, targets, lane.before.spans, lane.after.spans, what)

    def _rerouted(self, one: Suggestion) -> dict[str, str]:
        notices = one.evidence.notices if one.evidence else None
        return {
            "name": one_line(one.cluster.rule.name),
            "words": one_line("; ".join(map(routing_words, one.candidate.routing))),
            "template": one.candidate.proposal.template,
            "notices": "–" if notices is None else f"{notices[0]} → {notices[1]}",
        }

    def _refused(self, one: Suggestion) -> dict[str, str]:
        return {
            "name": one_line(one.cluster.rule.name),
            "pattern": str(one.cluster.pattern),
            "words": change(one.cluster.rule, one.candidate.rules, one.candidate.proposal),
            "template": one.candidate.proposal.template,
            "reason": one_line(one.reasons[0]),
        }


def _figures(measure: Measure) -> dict[str, str]:
    weeks = measure.weeks or 1.0
    return {
        "pages": f"{number(measure.pages[0] / weeks)} → {number(measure.pages[1] / weeks)}",
        "minutes": f"{number(measure.minutes[0] / weeks)} → {number(measure.minutes[1] / weeks)}",
        "kept": kept(measure),
        "delay": delay(measure),
    }
