"""Where in an expression a parser's complaint is: promql-parser says what is wrong, seldom where."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

_QUOTED = re.compile(r'"(?:[^"\\\n]|\\.)*"|' + r"'(?:[^'\\\n]|\\.)*'|`[^`]*`|#[^\n]*", re.DOTALL)
_CALL = re.compile(r"[A-Za-z_]\w*(?=\s*(?:(?:by|without)\s*\([^()]*\)\s*)?\()")
_TRAILING = re.compile(r"(?:[-+*/%^]|[<>=!]=?|=~|!~|\b(?:and|or|unless|atan2|bool|by|without|on|ignoring))\s*$")
_PAIRS = {")": "(", "]": "[", "}": "{"}
_OPERATORS = {
    "comparisons between scalars": r"[<>]=?|[=!]=",
    "no grouping allowed": r"\bgroup_(?:left|right)\b",
    "ranges only allowed": r"\[",
}


def place(text: str, message: str, complaint: Callable[[str], str | None]) -> int | None:
    """The index of the character in ``text`` that ``message`` is about; None where that can't be told.

    ``complaint`` gives the parser's message about a text, None for one that it reads.
    """
    bare = _QUOTED.sub(lambda found: " " * len(found[0]), text)  # brackets in strings and comments are none
    if "end of input" in message or (message == "invalid promql query" and _TRAILING.search(bare)):
        return len(text.rstrip())
    if "unterminated quoted string" in message:
        return next((found.start() for found in re.finditer("[\"'`]", bare)), None)
    if "unclosed left parenthesis" in message:
        return _unmatched(bare, "(")
    if found := re.search(r"unexpected right \w+ '(.)'", message):
        return _unmatched(bare, found[1])
    if found := re.search(r"unexpected character(?: inside braces)?: '(.)'", message, re.DOTALL):
        return _only(bare, re.escape(found[1]))
    if found := re.search(r"illegal regex for (.*)", message, re.DOTALL):
        at = text.find(found[1])
        return at if at >= 0 and text.count(found[1]) == 1 else _quoted(text, found[1])
    if found := re.search(r"unknown function with name '(\w+)'", message):
        return next((one.start() for one in re.finditer(rf"(?<![\w:]){found[1]}\s*\(", bare)), None)
    if found := re.search(r"bad number or duration syntax: (\S+)", message):
        return _only(bare, re.escape(found[1]))
    if found := re.search(r"unexpected identifier '([^']+)'|operator after '([^']+)'", message):
        return _only(bare, rf"(?<![\w:]){re.escape(found[1] or found[2])}(?![\w:])")
    if found := re.search(r"set operator '(\w+)'", message):
        return _only(bare, rf"\b{found[1]}\b")
    for words, pattern in _OPERATORS.items():
        if words in message:
            return _only(bare, pattern)
    if "function '" in message or "aggregat" in message:
        return next((at for at, call in _calls(text, bare) if complaint(call) == message), None)
    return None


def _calls(text: str, bare: str) -> Iterator[tuple[int, str]]:
    """Position and text of each call and aggregation, the innermost first."""
    found = []
    for one in _CALL.finditer(bare):
        depth = 0
        for at in range(one.end(), len(bare)):
            depth += {"(": 1, ")": -1}.get(bare[at], 0)
            # after `by (…)` comes the argument itself
            if bare[at] == ")" and not depth and not re.match(r"\s*\(", bare[at + 1 :]):
                found.append((one.start(), text[one.start() : at + 1]))
                break
    yield from sorted(found, key=lambda call: len(call[1]))


def _unmatched(bare: str, bracket: str) -> int | None:
    """The last opening bracket that is not closed, or the first closing one that closes nothing."""
    opened: list[int] = []
    opening = _PAIRS.get(bracket, bracket)
    for at, char in enumerate(bare):
        if char == opening:
            opened.append(at)
        elif _PAIRS.get(char) == opening:
            if not opened:
                return at if bracket == char else None
            opened.pop()
    return opened[-1] if opened and bracket == opening else None


def _only(bare: str, pattern: str) -> int | None:
    found = [one.start() for one in re.finditer(pattern, bare)]
    return found[0] if len(found) == 1 else None


def _quoted(text: str, inner: str) -> int | None:
    found = [one.start() + 1 for one in _QUOTED.finditer(text) if one[0][1:-1] == inner]
    return found[0] if len(found) == 1 else None
