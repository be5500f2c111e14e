"""What a run says on the terminal: a table read in ten seconds, each suggestion as a diff, refusals and doubts."""

from __future__ import annotations

from collections import Counter

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rulegen.core.durations import format_duration
from rulegen.core.outcome import Measure, Report, Suggestion
from rulegen.core.unittest import ChangedTest
from rulegen.emit import figures
from rulegen.emit.alertmanager import words as routing_words
from rulegen.emit.lostlabels import doubt
from rulegen.emit.output import CANDIDATES, SUGGESTIONS, TESTS, Output
from rulegen.emit.overview import lines as overview_lines
from rulegen.emit.times import time_text
from rulegen.emit.unified import unified
from rulegen.emit.words import change, changes, counted, delay, kept, number, one_line, why

SEMANTICS = " (with the same ends of windows as the history: --range-semantics)"
_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def show(report: Report, output: Output, console: Console, limit: int = 10) -> None:
    """Prints ``report``; at most ``limit`` suggestions, refusals and unscored rules each, the rest is counted.

    Without a terminal, and with ``NO_COLOR``, the same text comes without colour. Names and texts from alerts and
    rules are shown with control characters taken out and are never read as markup.
    """
    _Page(report, output, console, limit).show()


class _Page:
    def __init__(self, report: Report, output: Output, console: Console, limit: int) -> None:
        self.report, self.console, self.limit = report, console, limit
        self.changed, self.problems = dict(output.changed), dict(output.problems)
        self.tests, self.shown = dict(output.tests), output.shown

    def show(self) -> None:
        self._heading()
        if self.report.suggestions:
            self.console.print(self._table())
            self._line(f"grade of the evidence: {', '.join(sorted(set(map(_grade, self.report.suggestions))))}")
            for line in figures.quality(self.report.together) if self.report.mode == "incidents" else ():
                self._line(line)
            self._notices()
            self._forecast()
            for one in self.report.suggestions[: self.limit]:
                self._suggestion(one)
            self._more(len(self.report.suggestions))
        else:
            self._line("No suggestion passed the gate: every rule stays as it is.", "bold")
        self._routing()
        self._refusals()
        self._rest()

    def _heading(self) -> None:
        report, before = self.report, self.report.before
        self._line(
            f"{time_text(report.span.start)} to {time_text(report.span.end)}, {counted(report.rules, 'rule')}, "
            f"{before.caught[0]} {report.mode} caught" + self._beyond_luck()
        )
        weekly = before.pages[0] / (before.weeks or 1.0)
        minutes = before.minutes[0] / (before.weeks or 1.0)
        self._line(f"noise before: {number(weekly)} pages and {number(minutes)} paging minutes a week")
        if report.patterns:
            kinds = (f"{kind} {counted(rules, 'rule')} ({firings})" for kind, rules, firings in report.patterns)
            self._line(f"kinds of noise (noisy firings in the part learned from): {', '.join(kinds)}")
        self.console.print()

    def _beyond_luck(self) -> str:
        return "" if self.report.credible is None else f", {self.report.credible} beyond luck"

    def _table(self) -> Table:
        grades = {_grade(one) for one in self.report.suggestions}
        table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
        table.add_column("rule and change", overflow="fold", min_width=28)
        for title in ("pages/week", "min/week", "kept", "delay"):
            table.add_column(title, no_wrap=True)
        if len(grades) > 1:  # else it stands below, and leaves its place to the words
            table.add_column("grade", no_wrap=True)
        shown = self.report.suggestions[: self.limit]
        for one in shown:
            style = "red" if one.id in self.problems else ""
            words = changes(one.cluster.rule, one.candidate.rules, one.candidate.proposal)
            what = "\n  ".join((self._named(one), f"{one.cluster.pattern}: {words[0]}", *words[1:]))
            row = (what, *_row(one), _grade(one))[: len(table.columns)]
            table.add_row(*map(Text, row), style=style)
        if more := len(self.report.suggestions) - len(shown):
            table.add_row(f"… {more} more")
        kinds = Counter(one.candidate.change for one in self.report.suggestions)
        tunings = kinds.pop("tuning", 0)
        table.add_section()
        table.add_row(*_total(f"{counted(tunings, 'tuning')} together", self.report.tuning), style="bold")
        if kinds:
            others = " and ".join(counted(kinds[kind], kind) for kind in sorted(kinds))
            table.add_row(*_total(f"with {others}", self.report.together), style="bold")
        return table

    def _named(self, one: Suggestion) -> str:
        """The rule, with its group where others are called the same."""
        every = (*self.report.suggestions, *self.report.refused)
        alike = sum(other.cluster.rule.name == one.cluster.rule.name for other in every) > 1
        return one_line(f"{one.cluster.rule.name} ({one.cluster.ref.group})" if alike else one.cluster.rule.name)

    def _notices(self) -> None:
        found = self.report.notices
        if found is None:
            return
        weeks = found.weeks or 1.0
        old, new = found.before[1], found.together[1]
        self.console.print()
        through = f"a plain route by {dict(self.report.settings)['group_by']}" if found.plain else "your Alertmanager"
        self._line(f"In notifications, through {through} (outside every target; pages are firings):", "bold")
        self._line(f"  {number(old / weeks)} → {number(new / weeks)} a week ({_cut((old, new))})")
        if found.routing != found.before:
            rules, routing = (_cut((old, one[1])) for one in (found.rules, found.routing))
            self._line(f"  rules alone {rules}, routing alone {routing}")
        lost = f", {counted(len(found.lost), 'target')} lost: {', '.join(found.lost[:5])}" if found.lost else ""
        later = f", later than allowed: {', '.join(found.later[:5])}" if found.later else ""
        median, most = (format_duration(max(0, ms) // 1000 * 1000) for ms in found.added)
        told = found.told[0]
        still = f"of {told} {self.report.mode} that somebody is told of today {told - len(found.lost)} still are"
        self._line(f"  {still}{lost}{later}; added delay: median {median}, at most {most}")

    def _forecast(self) -> None:
        found = self.report.forecast
        if found is None:
            self._line("Forecast: none; the history is too short to set a part of it aside.")
            return
        self.console.print()
        self._line(f"Forecast, {found.method}; in brackets 95% intervals:", "bold")
        for line in figures.forecast(found, self.report.mode):
            self._line(f"  {line}")
        if (walked := self.report.walked) is not None:
            self._line(f"Beside it, {walked.method}:", "bold")
            for line in (*figures.forecast(walked, self.report.mode), figures.folds(walked)):
                self._line(f"  {line}")

    def _suggestion(self, one: Suggestion) -> None:
        words = change(one.cluster.rule, one.candidate.rules, one.candidate.proposal)
        self.console.print()
        self._line(f"{self._named(one)}: {words} ({one.candidate.proposal.template} {one.id})", "bold")
        self._line(f"{one.cluster.pattern}: {why(one.cluster)}")
        if problem := self.problems.get(one.id):
            self._line(f"not written: {problem}", "red")
        if worry := doubt(one, self.report):
            self._line(f"doubt: {worry}", "yellow")
        broken = dict(self.shown.rule_tests.changed).get(one.id, ()) if self.shown.rule_tests else ()
        for check in broken[: self.limit]:
            self._line(f"changes your unit test {_checked(check)}", "yellow")
        self._more(len(broken))
        for remark in one.candidate.remarks:
            self._line(remark)
        for line in figures.support(one.evidence, self.report.mode) if one.evidence else ():
            self._line(line)
        for line in unified(one, self.changed.get(one.id)):
            self._line(line, _STYLES.get(line[:1], ""))

    def _routing(self) -> None:
        if not self.report.rerouted:
            return
        self.console.print()
        self._line("In Alertmanager, for what the rules' changes leave (see alertmanager/):", "bold")
        for one in self.report.rerouted[: self.limit]:
            what = "; ".join(map(routing_words, one.candidate.routing))
            old, new = one.evidence.notices if one.evidence and one.evidence.notices else (0, 0)
            self._line(f"  {self._named(one)}: {what} ({one.candidate.proposal.template} {one.id})")
            self._line(f"    {one.cluster.pattern}; noise notifications of all rules {old} → {new}")
        self._more(len(self.report.rerouted))

    def _refusals(self) -> None:
        refused = self.report.refused
        if not refused:
            return
        self.console.print()
        self._line(f"Refused, the best of each cluster ({len(refused)}):", "bold")
        for one in refused[: self.limit]:
            words = change(one.cluster.rule, one.candidate.rules, one.candidate.proposal)
            self._line(f"  {self._named(one)}, {one.candidate.proposal.template} ({words}): {one.reasons[0]}")
        self._more(len(refused))

    def _rest(self) -> None:
        report = self.report
        self.console.print()
        for line in overview_lines(report.overview) if report.overview else ():
            self._line(line)
        if report.repaired:
            self._line("Odd in the input, and what was made of it:", "bold")
            for what, count in report.repaired:
                self._line(f"  {count:,} {what}")
        if report.unjudged:
            words = "outside the recorded time, or before a full window of data was seen"
            self._line(f"{counted(report.unjudged, 'firing')} unjudged: {words}.")
        if report.unmatched:
            rules = len({rule for rule, _ in report.unmatched})
            total = counted(len(report.unmatched), "selector")
            self._line(f"{total} of {counted(rules, 'rule')} matched nothing in this history:")
            for rule, selector in report.unmatched[: min(3, self.limit)]:
                self._line(f"  {rule}: {selector}")
            if len(report.unmatched) > 3:
                self._line(f"  … and {len(report.unmatched) - 3} more in {SUGGESTIONS}")
        if report.unscored:
            self._line(f"{counted(len(report.unscored), 'rule')} could not be replayed:")
            for rule, reason in report.unscored[: self.limit]:
                self._line(f"  {rule}: {reason}")
            self._more(len(report.unscored))
        self._front()
        if self.problems:
            self._line(f"{counted(len(self.problems), 'suggestion')} accepted but not written; see above.", "red")
        self._tests()
        for worry in report.doubts:
            self._line(f"doubt: {worry}", "yellow")
        self._line(f"All evidence is in {SUGGESTIONS}, every other candidate in {CANDIDATES}.")

    def _tests(self) -> None:
        """The unit tests that were written, and how the user's fare."""
        if exhibits := [one for one in self.shown.exhibits if one.suggestion in self.tests]:
            cases = sum(len(one.cases) for one in exhibits)
            lack = sum(len(one.cases) < 2 for one in self.shown.exhibits)
            some = f"; {counted(lack, 'suggestion')} without one of its two cases, see {SUGGESTIONS}" * bool(lack)
            self._line(f"Unit tests: {counted(cases, 'case')} cut from the history, in {TESTS}/{some}.")
        found = self.shown.rule_tests
        if found is None:
            return
        given = f"{counted(found.checks, 'check')} of {counted(found.files, 'file')}"
        alone = {check for _, checks in found.changed for check in checks}
        changed = {*alone, *found.together}
        told = f"{counted(len(changed), 'check')} would change" if changed else "none would change"
        self._line(
            f"Your unit tests: {given}, {told}"
            + f", {len(found.failing)} fail already{SEMANTICS}" * bool(found.failing)
        )
        for check in sorted(set(found.together) - alone)[: self.limit]:
            self._line(f"  with all changes together: {_checked(check)}", "yellow")

    def _front(self) -> None:
        """What else could be had; the best single changes of each rule are in the file."""
        front, before = self.report.front, self.report.before
        if front is None or len(front.joint) < 2 or not self.report.suggestions:
            return
        self._line("Choices that nothing beats in noise, recall and delay at once (*: the one made):", "bold")
        weeks = sum(one.weeks for one in _known(self.report)) or before.weeks
        for line in figures.front(front, weeks):
            self._line(f"  {line}")
        if self.report.gap:
            self._line(f"The choice is at most {self.report.gap:.1%} from the best; its search ended at its limit.")

    def _more(self, total: int) -> None:
        if total > self.limit:
            self._line(f"  … and {total - self.limit} more in {SUGGESTIONS}")

    def _line(self, text: str, style: str = "") -> None:
        # soft_wrap: a diff that is cut into lines of 80 is no diff any more
        self.console.print(Text(one_line(text), style=style), soft_wrap=True)


def _checked(one: ChangedTest) -> str:
    named = f'test "{one.test}": ' if one.test else ""
    return f"{one.file}:{one.line}: {named}{one.check}"


def _known(report: Report) -> list[Measure]:
    """The parts that the gate saw, which is what the front was measured on."""
    parts = next((one.evidence.parts for one in report.suggestions if one.evidence), ())
    return [measure for name, measure in parts if name != "audit"]


def _row(one: Suggestion) -> tuple[str, ...]:
    return _figures(one.evidence.whole) if one.evidence else ("–",) * 4


def _grade(one: Suggestion) -> str:
    return one.evidence.grade if one.evidence else one.cluster.grade


def _figures(measure: Measure) -> tuple[str, str, str, str]:
    weeks = measure.weeks or 1.0
    pages = f"{number(measure.pages[0] / weeks)} → {number(measure.pages[1] / weeks)}"
    minutes = f"{number(measure.minutes[0] / weeks)} → {number(measure.minutes[1] / weeks)}"
    return pages, minutes, kept(measure), delay(measure)


def _total(words: str, measure: Measure) -> tuple[str, ...]:
    return (f"{words}\n  pages {_cut(measure.pages)}, minutes {_cut(measure.minutes)}", *_figures(measure))


def _cut(pair: tuple[float, float]) -> str:
    """(1000, 219) → ``−78%``."""
    change = round(100 * (pair[1] / pair[0] - 1)) if pair[0] else 0
    return f"{change:+d}%".replace("-", "−").replace("+0%", "0%")
