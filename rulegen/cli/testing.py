"""Unit-test files, one after another: read, run, and shown on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TextIO

from rulegen.core.labels import Labels
from rulegen.core.rule import RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.unittest import UnitTestFile
from rulegen.errors import InputError, Problem
from rulegen.gotemplate import TemplateError, compiled
from rulegen.ingest.problems import problem
from rulegen.ingest.rulefile import read_rules
from rulegen.ingest.unittests import read_unit_tests
from rulegen.ruletest import Alert, Failure, run

PASSED, FAILED, UNREADABLE = 0, 1, 2
SHOWN = 20  # differing alerts or samples of one check


def perform(files: Sequence[Path], semantics: str) -> int:
    """The exit code. Every file is run, also after one that fails. Raises InputError for wrong options."""
    known: dict[str, Semantics] = {"open": "open", "closed": "closed"}
    if semantics not in known:
        raise InputError(f'--range-semantics: "{semantics}" is neither open nor closed')
    rules = _Rules()
    worst = PASSED
    for path in files:
        try:
            file = read_unit_tests(path)
            failures = run(file, rules.of(file), known[semantics])
        except InputError as error:
            _say(sys.stdout, f"UNREADABLE {path}")
            _say(sys.stderr, *error.messages)
            worst = UNREADABLE
            continue
        for pattern in file.unmatched:
            _say(sys.stderr, f"{path}: no file matches the pattern {pattern}")
        checks = sum(len(test.alerts) + len(test.expressions) for test in file.tests)
        if failures:
            _say(sys.stdout, f"FAIL {path}: {len(failures)} of {checks} checks")
            for failure in failures:
                _say(sys.stdout, *shown(str(path), failure))
            worst = max(worst, FAILED)
        else:
            _say(sys.stdout, f"PASS {path}: {checks} checks")
    return worst


class _Rules:
    """Rule files, each set of them read once."""

    def __init__(self) -> None:
        self._read: dict[tuple[str, ...], RuleSet] = {}

    def of(self, file: UnitTestFile) -> RuleSet:
        """Raises InputError for whatever promtool would not load: bad rules, templates that can't be parsed."""
        if not file.rule_files:
            return RuleSet()
        if file.rule_files not in self._read:
            rules, _, problems = read_rules(file.rule_files)
            problems = (*problems, *_templates(rules))
            if problems:
                raise InputError(*map(str, problems))
            self._read[file.rule_files] = rules
        return self._read[file.rule_files]


def _templates(rules: RuleSet) -> Iterator[Problem]:
    for ref, _, rule in rules:
        for name, text in (*rule.labels.items(), *rule.annotations.items()) if rule.kind == "alert" else ():
            try:
                compiled(text)
            except TemplateError as error:
                where = f'group "{ref.group}", rule "{rule.name}", {name}'
                yield problem(ref.path, rule.line, f"{where}: the template cannot be parsed: {error}")


def shown(path: str, failure: Failure) -> Iterator[str]:
    """One failing check: where it stands, and a diff of what was expected (-) and what is there (+)."""
    named = f'test "{failure.test}": ' if failure.test else ""
    yield f"  {path}:{failure.line}: {named}{failure.what}"
    if failure.why:
        yield f"      {failure.why}"
        return
    rest = list(failure.got)
    lines: list[str] = []
    for expected in failure.expected:
        best = max(rest, key=lambda one: _alike(expected, one), default=None)
        if best is None or not _alike(expected, best):
            lines += [f"    - {line}" for line in _lines(expected)]
            continue
        rest.remove(best)
        lines += _diff(list(_lines(expected)), list(_lines(best)))
    for surplus in rest:
        lines += [f"    + {line}" for line in _lines(surplus)]
    yield from lines[: SHOWN * 10]
    if len(lines) > SHOWN * 10:
        yield f"    … and {len(lines) - SHOWN * 10} more lines"


def _diff(expected: list[str], got: list[str]) -> Iterator[str]:
    """Lines of both, common ones once; both are sorted within each kind of line."""
    for line in dict.fromkeys([*expected, *got]):
        mark = " " if line in expected and line in got else "-" if line in expected else "+"
        yield f"    {mark} {line}"


def _alike(left: object, right: object) -> int:
    """How much two alerts or samples have in common."""
    return len(set(_pairs(left)) & set(_pairs(right)))


def _pairs(one: object) -> Iterable[tuple[str, str]]:
    if isinstance(one, Alert):
        return [pair for pair in one.labels.pairs if pair[0] != "alertname"] + list(one.annotations)
    assert isinstance(one, tuple)
    return [("", ""), *one[0].pairs] if isinstance(one[0], Labels) else []


def _lines(one: object) -> Iterator[str]:
    if isinstance(one, Alert):
        yield str(one.labels)
        yield from (f"  {name}: {text}" for name, text in one.annotations)
    elif isinstance(one, tuple):
        yield f"{one[0]} {one[1]!r}"


def _say(to: TextIO, *lines: str) -> None:
    """Names and texts come from files of strangers: no terminal escapes, no forged lines."""
    for line in lines:
        print(str(problem("", 0, line)).removeprefix(": "), file=to)
