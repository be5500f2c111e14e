"""A patch that puts back what a suggestion replaced."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from rulegen.batch.aftermath import standing
from rulegen.batch.rulejson import rules_from
from rulegen.batch.state import Became, Made
from rulegen.core.rule import RuleSet
from rulegen.core.source import RuleSource
from rulegen.emit.rulefile import Edit, edited
from rulegen.emit.words import MARK, one_line


def revert(one: Made, became: Became, rules: RuleSet, sources: Sequence[RuleSource]) -> tuple[str, str]:
    """The patch as a unified diff of the user's file (``patch -p0`` applies it from where rulegen ran), and why there
    is none, one of them empty."""
    where = standing(rules, one)
    if not where.merged or not where.new:
        return "", "nothing stands in its place that could be turned back"
    source = next((each for each in sources if each.path == where.new[0].path), None)
    if source is None:
        return "", "the rule files were not given"
    (old,) = rules_from(one.old)
    by_ref = {ref: rule for ref, _, rule in rules}
    alert = next((ref for ref in reversed(where.new) if by_ref[ref].kind == old.kind), where.new[-1])
    note = one_line(f"{MARK} {one.id} reverted: {became.why}")
    edits = [Edit(ref, by_ref[ref], (old,) if ref == alert else (), note) for ref in where.new]
    done = edited(source, edits)
    if done.refused:
        return "", str(done.refused[0][1])
    before, after = source.text.splitlines(keepends=True), done.text.splitlines(keepends=True)
    return "".join(difflib.unified_diff(before, after, source.path, source.path)), ""
