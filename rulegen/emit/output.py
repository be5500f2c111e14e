"""All that goes out, as bytes by relative path. Nothing is written here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulegen.core.outcome import Report
from rulegen.core.source import RuleSource
from rulegen.emit.evidence import candidates_gz, suggestions_json
from rulegen.emit.layout import free, placed
from rulegen.emit.newrules import new_rules
from rulegen.emit.rulefile import Changed, Edit, edited
from rulegen.errors import Problem

SUGGESTIONS = "suggestions.json"
CANDIDATES = "candidates.jsonl.gz"
RULES = "rules"
ALERTMANAGER = "alertmanager"


@dataclass(frozen=True, slots=True)
class Output:
    """``files`` are (path below the output directory, content). ``changed`` and ``problems`` go by suggestion id:
    what was changed in the user's files, and what could not be."""

    files: tuple[tuple[str, bytes], ...]
    changed: tuple[tuple[str, Changed], ...]
    problems: tuple[tuple[str, Problem], ...]


def output(
    report: Report, sources: Sequence[RuleSource], roots: Sequence[str], routing: Sequence[tuple[str, bytes]] = ()
) -> Output:
    """The rule files with the accepted suggestions in them, and the evidence.

    ``sources`` are the user's rule files and ``roots`` the files and directories as the user named them: they decide
    where a file stands below ``rules/``. ``routing`` are files that go below ``alertmanager/``. Suggestions for rules
    that no source holds come together in a new file.
    Raises InputError when two sources are one file, RulegenError when two suggestions want the same rule.
    """
    places = placed([source.path for source in sources], roots)
    files: list[tuple[str, bytes]] = []
    changed: list[tuple[str, Changed]] = []
    problems: list[tuple[str, Problem]] = []
    homeless = report.suggestions
    for source in sources:
        mine = {ref: one for one in homeless if source.rule(ref := one.candidate.replaces) is not None}
        edits = [Edit.of(one, report.mode) for one in homeless if one.candidate.replaces in mine]
        homeless = tuple(one for one in homeless if one.candidate.replaces not in mine)
        result = edited(source, edits)
        files.append((f"{RULES}/{places[source.path]}", result.text.encode()))
        changed += ((mine[one.edit.ref].id, one) for one in result.changed)
        problems += ((mine[edit.ref].id, problem) for edit, problem in result.refused)
    if homeless:
        files.append((f"{RULES}/{free(places.values())}", new_rules(homeless, report.mode).encode()))
    files += ((f"{ALERTMANAGER}/{name}", content) for name, content in routing)
    why = {id: str(problem) for id, problem in problems}
    files.append((CANDIDATES, candidates_gz(report)))
    files.append((SUGGESTIONS, suggestions_json(report, why)))
    return Output(tuple(sorted(files)), tuple(changed), tuple(problems))
