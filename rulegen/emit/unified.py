"""What a suggestion changes, as a unified diff that a person reads."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

from rulegen.core.outcome import Suggestion
from rulegen.emit.rulefile import Changed
from rulegen.emit.ruleitem import item, ordered

_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")


def unified(one: Suggestion, changed: Changed | None) -> Iterator[str]:
    """The lines of a unified diff of the rule: in the user's file where it was ``changed`` there, else of the rule
    written out. Nothing is escaped."""
    path = one.candidate.replaces.path
    if changed is not None:
        before, after, line = changed.before, changed.after, changed.line
    else:
        before = item(one.cluster.rule, 0, 2, "\n")
        after = "".join(item(rule, 0, 2, "\n") for rule in ordered(one.candidate.rules))
        line = 1
    old, new = before.splitlines(), after.splitlines()
    for text in difflib.unified_diff(old, new, path, path, n=2, lineterm=""):
        yield _HUNK.sub(lambda match: _moved(match, line - 1), text) if text.startswith("@@") else text


def _moved(match: re.Match[str], by: int) -> str:
    old, size, new, new_size = match.groups()
    return f"@@ -{int(old) + by}{size or ''} +{int(new) + by}{new_size or ''} @@"
