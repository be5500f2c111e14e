"""The user's own rule file with accepted rules spliced into its text.

Only the touched keys change; comments, order, quoting and line ends of everything else stay byte for byte.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rulegen.core.outcome import Suggestion
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.source import RuleSource, RuleText
from rulegen.emit.inplace import rewritten
from rulegen.emit.recheck import Expected, differs
from rulegen.emit.ruleitem import item, ordered
from rulegen.emit.splice import Refused, Splice, applied, line_end, line_start
from rulegen.emit.words import MARK, brief, note
from rulegen.errors import Problem, RulegenError


@dataclass(frozen=True, slots=True)
class Edit:
    """``rules`` take the place of ``old``, the rule at ``ref``; ``note`` is the comment above, without ``# ``."""

    ref: RuleRef
    old: Rule
    rules: tuple[Rule, ...]
    note: str

    @classmethod
    def of(cls, suggestion: Suggestion, mode: str) -> Edit:
        """``mode`` is the report's: "incidents" or "bursts"."""
        cluster, candidate = suggestion.cluster, suggestion.candidate
        return cls(candidate.replaces, cluster.rule, ordered(candidate.rules), note(suggestion, mode))


@dataclass(frozen=True, slots=True)
class Changed:
    """An edit that was made: the ``before`` and ``after`` lines of its rule [line ends as in the file].

    ``line`` is where ``before`` starts in the old file, from 1.
    """

    edit: Edit
    line: int
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Edited:
    """The file's new text, what was changed in it, and which edits could not be made and why."""

    text: str
    changed: tuple[Changed, ...]
    refused: tuple[tuple[Edit, Problem], ...]


def edited(source: RuleSource, edits: Sequence[Edit]) -> Edited:
    """``source`` with ``edits`` made, read again to prove that exactly the intended rules have changed.

    An edit that cannot be made safely (flow style around several rules, a value shared through an anchor) is refused
    and the others are made. Without edits the text is the same object. Raises RulegenError when two edits want the
    same rule, or when edits that are right alone are not right together.
    """
    wanted = [edit.ref for edit in edits]
    if twice := next((ref for ref in wanted if wanted.count(ref) > 1), None):
        raise RulegenError(f"{twice}: two suggestions want to change the same rule")
    made: list[_Made] = []
    refused: list[tuple[Edit, Problem]] = []
    for edit in edits:
        try:
            made.append(_made(source, edit))
        except Refused as error:
            refused.append((edit, _problem(source, edit, error.line, str(error))))
    if _wrong(source, made):
        for one in tuple(made):
            if wrong := _wrong(source, [one]):
                made.remove(one)
                refused.append((one.edit, _problem(source, one.edit, one.edit.old.line, wrong)))
        if wrong := _wrong(source, made):
            raise RulegenError(f"{source.path}: {wrong}; nothing was written")
    return Edited(_joined(source, made), tuple(_changed(source, one) for one in made), tuple(refused))


@dataclass(frozen=True, slots=True)
class _Made:
    edit: Edit
    place: RuleText
    splices: tuple[Splice, ...]
    expected: Expected


def _made(source: RuleSource, edit: Edit) -> _Made:
    place = source.rule(edit.ref)
    if place is None:
        raise Refused(0, "the rule is not in this file")
    line = source.text.count("\n", 0, place.start) + 1
    start = line_start(source.text, place.start)
    prefix = source.text[start : place.start]
    if place.style == "alias" or place.anchor:
        raise Refused(line, "the rule is shared with others through an anchor; write it out first")
    if prefix.replace("-", "", 1).strip(" "):
        raise Refused(line, "the rule shares its line with something else; give it a line of its own")
    comment = _comment(source, place, edit.note)
    if len(edit.rules) == 1 and edit.rules[0].kind == edit.old.kind:
        splices, changed = rewritten(source, place, edit.old, edit.rules[0])
        return _Made(edit, place, (comment, *splices), Expected(place.start, changed=changed))
    if place.style != "mapping" or "-" not in prefix:
        raise Refused(
            line, "several rules can only take the place of a rule written as `- alert: …` on lines of its own"
        )
    # A rule that stays is compared as it was written: `for: 300s` is no `for: 5m` to a reader of text.
    expected = tuple(None if rule == edit.old else rule for rule in edit.rules)
    return _Made(edit, place, (_replaced(source, place, edit, comment),), Expected(place.start, rules=expected))


def _comment(source: RuleSource, place: RuleText, text: str) -> Splice:
    """The note above the rule, in the place of an older one."""
    end = line_start(source.text, place.start)
    start = end
    while start and _is_note(source.text[(above := line_start(source.text, start - 1)) : start]):
        start = above
    prefix = source.text[end : place.start]
    indent = prefix[: len(prefix) - len(prefix.lstrip(" "))]
    return Splice(start, end, f"{indent}# {text}{source.newline}")


def _is_note(line: str) -> bool:
    return line.strip().startswith(f"# {MARK}")


def _replaced(source: RuleSource, place: RuleText, edit: Edit, comment: Splice) -> Splice:
    end = line_end(source.text, max(place.start, place.end - 1))
    if not edit.rules:
        old = source.text[line_start(source.text, place.start) : end]
        off = "".join(f"{' ' * place.dash}# {line[place.dash :]}" for line in old.splitlines(keepends=True))
        return Splice(comment.start, end, comment.new + off)
    notes = [edit.note, *[brief(edit.note)] * (len(edit.rules) - 1)]
    written = [
        item(rule, place.dash, place.indent, source.newline, text)
        for rule, text in zip(edit.rules, notes, strict=True)
    ]
    if edit.old in edit.rules:  # it stays, to the byte
        kept = source.text[comment.start : end]
        written[edit.rules.index(edit.old)] = kept if kept.endswith("\n") else kept + source.newline
    new = "".join(written)
    if not source.text[:end].endswith("\n"):
        new = new.removesuffix(source.newline)
    return Splice(comment.start, end, new)


def _wrong(source: RuleSource, made: Sequence[_Made]) -> str:
    return differs(source.text, _joined(source, made), [one.expected for one in made]) if made else ""


def _joined(source: RuleSource, made: Sequence[_Made]) -> str:
    return applied(source.text, [splice for one in made for splice in one.splices]) if made else source.text


def _changed(source: RuleSource, one: _Made) -> Changed:
    text = source.text
    start = line_start(text, min(one.place.start, *(splice.start for splice in one.splices)))
    end = line_end(text, max(one.place.end - 1, *(splice.end - 1 for splice in one.splices)))
    shifted = [Splice(each.start - start, each.end - start, each.new) for each in one.splices]
    before = text[start:end]
    return Changed(one.edit, text.count("\n", 0, start) + 1, before, applied(before, shifted))


def _problem(source: RuleSource, edit: Edit, line: int, message: str) -> Problem:
    return Problem(source.path, line, f'group "{edit.ref.group}", rule "{edit.old.name}": not edited: {message}')
