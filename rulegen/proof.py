"""Accepted suggestions put to the test as they were written: by unit tests of their own, and by the user's."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from rulegen.core.exhibit import Exhibit, RuleFile, Shown
from rulegen.core.outcome import Report, Suggestion
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.source import RuleSource
from rulegen.core.unittest import ChangedTest, RuleTests, UnitTestFile
from rulegen.desk import Desk, Progress
from rulegen.emit.output import RuleFiles
from rulegen.emit.ruleitem import ordered
from rulegen.errors import InputError
from rulegen.exhibit import exhibit
from rulegen.gotemplate import TemplateError, compiled
from rulegen.ingest.rulefile import read_rules, rules_in
from rulegen.ruletest import Failure, run


def proved(
    desk: Desk,
    report: Report,
    rules: RuleFiles,
    sources: Sequence[RuleSource],
    tests: Sequence[UnitTestFile] | None,
    progress: Progress,
) -> Shown:
    """What unit tests show of the accepted suggestions of ``report``, which stand in ``rules``.

    ``sources`` are the user's rule files, ``tests`` the user's unit tests of them (None: none were named).
    """
    read = {place: _read(place, text) for place, text in rules.texts}
    homes = dict(rules.homes)
    exhibits: list[Exhibit] = []
    for done, one in enumerate(report.suggestions):
        progress("cutting unit tests", done, len(report.suggestions))
        exhibits.append(exhibit(desk, one, read[homes[one.id]] if one.id in homes else None))
    if tests is None:
        return Shown(tuple(exhibits))
    progress("running the unit tests of the rules", 0, 1)
    written = [one for one in report.suggestions if one.id in homes]
    semantics = desk.history.semantics
    return Shown(tuple(exhibits), _Guard(sources, tests, semantics).tested(written))


def _read(place: str, text: str) -> RuleFile:
    """An emitted file, read again; rules that promtool would not load are left out of it."""
    rules, problems, plain = rules_in(place, text)
    sound = [replace(group, rules=tuple(filter(_expands, group.rules))) for group in rules.groups]
    whole = all(len(one.rules) == len(group.rules) for one, group in zip(sound, rules.groups, strict=True))
    return RuleFile(place, RuleSet(tuple(sound)), plain and whole and not problems)


def _expands(rule: Rule) -> bool:
    try:
        for text in (*rule.labels.values(), *rule.annotations.values()) if rule.kind == "alert" else ():
            compiled(text)
    except TemplateError:
        return False
    return True


@dataclass(slots=True)
class _Guard:
    """The user's unit tests, run with the rules as they are and with suggestions in them."""

    sources: Sequence[RuleSource]
    tests: Sequence[UnitTestFile]
    semantics: Semantics
    read: dict[str, RuleSet] = field(default_factory=dict)  # by path as the test file names it

    def tested(self, suggestions: Sequence[Suggestion]) -> RuleTests:
        checks = sum(len(test.alerts) + len(test.expressions) for file in self.tests for test in file.tests)
        real = {Path(source.path).resolve(): source.path for source in self.sources}
        failing: list[ChangedTest] = []
        together: list[ChangedTest] = []
        changed: dict[str, list[ChangedTest]] = {}
        for file in self.tests:
            paths = {path: real.get(Path(path).resolve(), "") for path in file.rule_files}
            mine = [one for one in suggestions if one.candidate.replaces.path in paths.values()]
            try:
                before = self._failures(file, paths, ())
            except InputError as error:  # promtool would not load it either
                failing.append(ChangedTest(file.path, 0, "", f"cannot be run: {error.messages[0]}", ""))
                continue
            failing += before.values()
            if not mine:
                continue
            all_made = self._failures(file, paths, mine)
            together += (one for key, one in all_made.items() if key not in before)
            for one in mine:
                after = all_made if len(mine) == 1 else self._failures(file, paths, (one,))
                if new := [check for key, check in after.items() if key not in before]:
                    changed.setdefault(one.id, []).extend(new)
        return RuleTests(
            len(self.tests),
            checks,
            tuple(failing),
            tuple((id, tuple(some)) for id, some in sorted(changed.items())),
            tuple(together),
        )

    def _failures(
        self, file: UnitTestFile, paths: Mapping[str, str], made: Sequence[Suggestion]
    ) -> dict[tuple[int, str], ChangedTest]:
        groups = tuple(group for path in file.rule_files for group in self._rules(path).groups)
        changes = {one.candidate.replaces: ordered(one.candidate.rules) for one in made}
        rules = RuleSet(groups)
        if changes:
            rules = RuleSet(
                tuple(group for path in file.rule_files for group in self._changed(path, paths[path], changes))
            )
        return {(failure.line, failure.what): _check(file, failure) for failure in run(file, rules, self.semantics)}

    def _changed(self, path: str, source: str, changes: Mapping[RuleRef, tuple[Rule, ...]]) -> Iterator[RuleGroup]:
        for group in self._rules(path).groups:
            rules = [
                new
                for at, rule in enumerate(group.rules)
                for new in changes.get(RuleRef(source, group.name, at), (rule,))
            ]
            yield replace(group, rules=tuple(rules))

    def _rules(self, path: str) -> RuleSet:
        if path not in self.read:
            self.read[path], _, problems = read_rules([path])
            if problems:
                raise InputError(*map(str, problems))
        return self.read[path]


def _check(file: UnitTestFile, failure: Failure) -> ChangedTest:
    alert = next((check.name for test in file.tests for check in test.alerts if check.line == failure.line), "")
    return ChangedTest(file.path, failure.line, failure.test, failure.what, alert)
