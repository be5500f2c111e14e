"""All that goes out, as bytes by relative path. Nothing is written here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rulegen.core.exhibit import Exhibit, RuleFile, Shown
from rulegen.core.outcome import Report, Suggestion
from rulegen.core.picture import Picture
from rulegen.core.source import RuleSource
from rulegen.emit.evidence import candidates_gz, suggestions_json
from rulegen.emit.layout import free, placed
from rulegen.emit.markdown import markdown
from rulegen.emit.newrules import new_rules
from rulegen.emit.page.page import Told, html
from rulegen.emit.plainrules import plain_rules
from rulegen.emit.resource import Resource
from rulegen.emit.rulefile import Changed, Edit, edited
from rulegen.emit.testfile import file_name, unit_tests
from rulegen.errors import Problem

SUGGESTIONS = "suggestions.json"
CANDIDATES = "candidates.jsonl.gz"
PAGE = "report.html"
NOTE = "report.md"
RULES = "rules"
TESTS = "tests"
ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True)
class RuleFiles:
    """The user's rule files with the accepted suggestions in them: ``texts`` are (place below ``rules/``, content).

    By suggestion id: in which file each that was written stands (``homes``), what was ``changed`` in the user's
    files, and what could not be (``problems``).
    """

    texts: tuple[tuple[str, str], ...]
    homes: tuple[tuple[str, str], ...]
    changed: tuple[tuple[str, Changed], ...]
    problems: tuple[tuple[str, Problem], ...]


@dataclass(frozen=True, slots=True)
class Output:
    """``files`` are (path below the output directory, content). The rest goes by suggestion id: what was changed in
    the user's files, what could not be, and where the unit tests stand."""

    files: tuple[tuple[str, bytes], ...]
    changed: tuple[tuple[str, Changed], ...]
    problems: tuple[tuple[str, Problem], ...]
    tests: tuple[tuple[str, str], ...] = ()
    shown: Shown = field(default_factory=Shown)


def rule_files(report: Report, sources: Sequence[RuleSource], roots: Sequence[str]) -> RuleFiles:
    """``sources`` with the accepted suggestions in them.

    ``sources`` are the user's rule files and ``roots`` the files and directories as the user named them: they decide
    where a file stands below ``rules/``. Suggestions for rules that no source holds come together in a new file.
    Raises InputError when two sources are one file, RulegenError when two suggestions want the same rule.
    """
    places = placed([source.path for source in sources], roots)
    texts: list[tuple[str, str]] = []
    homes: list[tuple[str, str]] = []
    changed: list[tuple[str, Changed]] = []
    problems: list[tuple[str, Problem]] = []
    homeless = report.suggestions
    for source in sources:
        mine = {ref: one for one in homeless if source.rule(ref := one.candidate.replaces) is not None}
        edits = [Edit.of(one, report.mode) for one in homeless if one.candidate.replaces in mine]
        homeless = tuple(one for one in homeless if one.candidate.replaces not in mine)
        result = edited(source, edits)
        texts.append((places[source.path], result.text))
        changed += ((mine[one.edit.ref].id, one) for one in result.changed)
        homes += ((mine[one.edit.ref].id, places[source.path]) for one in result.changed)
        problems += ((mine[edit.ref].id, problem) for edit, problem in result.refused)
    if homeless:
        texts.append((free(places.values()), new_rules(homeless, report.mode)))
        homes += ((one.id, texts[-1][0]) for one in homeless)
    return RuleFiles(tuple(texts), tuple(homes), tuple(changed), tuple(problems))


def output(
    report: Report,
    sources: Sequence[RuleSource],
    roots: Sequence[str],
    routing: Sequence[tuple[str, bytes]] = (),
    *,
    rules: RuleFiles | None = None,
    shown: Shown | None = None,
    resource: Resource | None = None,
    picture: Picture | None = None,
) -> Output:
    """The rule files, their unit tests, the evidence, and with ``picture`` the report for people.

    ``routing`` are files (name, content) that go below ``alertmanager/``. ``rules`` are what :func:`rule_files` gives
    for the same. With ``resource`` every plain rule file goes out as a PrometheusRule. Raises as :func:`rule_files`
    does, and InputError for a file that can't be such a resource.
    """
    rules, shown = rules or rule_files(report, sources, roots), shown or Shown()
    texts = dict(rules.texts)
    files = {f"{RULES}/{place}": text for place, text in texts.items()}
    if resource is not None:
        files = {f"{RULES}/{place}": text for place, text in resource.of(rules.texts).items()}
    tests: list[tuple[str, str]] = []
    suggestions = {one.id: one for one in report.suggestions}
    for exhibit in shown.exhibits:
        if exhibit.cases and exhibit.file is not None:
            tests.append((exhibit.suggestion, f"{TESTS}/{file_name(exhibit.suggestion)}"))
            files |= _test(exhibit, suggestions[exhibit.suggestion], texts, files)
    why = {id: str(problem) for id, problem in rules.problems}
    homes = {source.path: source.home for source in sources if source.home}
    evidence = {
        CANDIDATES: candidates_gz(report),
        SUGGESTIONS: suggestions_json(report, why, shown, dict(tests), homes, picture),
    }
    if picture is not None:
        told = Told(dict(rules.changed), why, dict(tests), shown)
        files |= {PAGE: html(report, picture, told), NOTE: markdown(report, why)}
    whole = {path: text.encode() for path, text in files.items()} | evidence
    whole |= {f"{ALERTMANAGER}/{name}": content for name, content in routing}
    return Output(tuple(sorted(whole.items())), rules.changed, rules.problems, tuple(tests), shown)


def _origin(file: RuleFile) -> str:
    if file.stands_in:
        return "Of the changed rule only the recorded alerts are known: this one, in its place, reads them."
    return f"For promtool, which does not load {file.place} as it is: the rules in it."


def _test(
    exhibit: Exhibit, suggestion: Suggestion, texts: Mapping[str, str], files: Mapping[str, str]
) -> dict[str, str]:
    """The test file of a suggestion, and where promtool can't load the file that was written, one that it can."""
    assert exhibit.file is not None
    path = f"{TESTS}/{file_name(exhibit.suggestion)}"
    place, loadable = exhibit.file.place, exhibit.file.loadable
    if loadable and files[f"{RULES}/{place}"] == texts[place]:
        return {path: unit_tests(exhibit, suggestion, f"../{RULES}/{place}")}
    copy = texts[place] if loadable else plain_rules(exhibit.file.rules, _origin(exhibit.file))
    beside = f"{RULES}/{place}"
    return {f"{TESTS}/{beside}": copy, path: unit_tests(exhibit, suggestion, beside)}
