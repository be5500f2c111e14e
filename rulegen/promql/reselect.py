"""Changing what an expression's selectors select: matchers, offsets, and counters taken as increases.

A selector is meant by its place in reading order, from 0; without places all of them are.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass

import promql_parser as pp

from rulegen.core.labels import quote
from rulegen.errors import QueryError
from rulegen.promql.regex import compile_regex
from rulegen.promql.rewrite import alternatives, checked_label, comparison, selector_text
from rulegen.promql.tree import nodes

_NEGATIVE = (pp.MatchOp.NotEqual, pp.MatchOp.NotRe)
Places = Collection[int] | None


@dataclass(frozen=True, slots=True)
class Target:
    """Values of one label: exactly ``text``, or all that the RE2 expression ``text`` matches (``family``)."""

    label: str
    text: str
    family: bool = False

    @property
    def pattern(self) -> str:
        return self.text if self.family else alternatives([self.text])


def target(word: str) -> Target:
    """``pod=p-1`` means one value of a label, ``pod~p-.*`` a family of them. Raises ValueError for other words."""
    label = word.split("=", 1)[0].split("~", 1)[0]
    if len(label) == len(word):
        raise ValueError(f"a target is label=value or label~pattern, not {word!r}")
    return Target(checked_label(label), word[len(label) + 1 :], word[len(label)] == "~")


def count_selectors(expr: str) -> int:
    """How many selectors ``expr`` has."""
    return sum(isinstance(node, pp.VectorSelector | pp.MatrixSelector) for node, _ in nodes(pp.parse(expr)))


def measured(expr: str) -> int:
    """How many of the selectors belong to the deciding comparison's left side; they come first, or after a number."""
    found = comparison(expr)
    return count_selectors(expr) if found is None else count_selectors(found.left)


def excluding(expr: str, targets: Sequence[Target], places: Places = None) -> str:
    """``expr`` with ``targets``, all of one label, left out of its selectors.

    A list that a selector has already grows, or loses what it names; else a matcher is added.
    """
    return _each(expr, places, lambda node, _: _without(node, targets))


def only(expr: str, targets: Sequence[Target], places: Places = None) -> str:
    """``expr`` with its selectors narrowed to ``targets``, all of one label."""
    return _each(expr, places, lambda node, _: _narrowed(node, targets))


def shifted(expr: str, offset: int, places: Places = None) -> str:
    """``expr`` with its selectors looking ``offset`` ms further back."""

    def back(node: pp.VectorSelector, _: bool) -> str:
        old = round(node.offset.total_seconds() * 1000) if node.offset is not None else 0
        return selector_text(node, offset=old + offset)

    return _each(expr, places, back)


def bare(expr: str) -> tuple[str, ...]:
    """The metric names of the selectors without a range, each once; "" for one without a name."""
    found = (node for node, _ in nodes(pp.parse(expr)) if isinstance(node, pp.VectorSelector))
    return tuple(sorted({node.name or "" for node in found}))


def increased(expr: str, window: int) -> str:
    """``expr`` with each selector without a range taken as its increase over ``window`` ms."""

    def grow(node: pp.VectorSelector, ranged: bool) -> str | None:
        return None if ranged else f"increase({selector_text(node, window=window)})"

    return _each(expr, None, grow)


def _each(expr: str, places: Places, change: Callable[[pp.VectorSelector, bool], str | None]) -> str:
    """``change`` gets each selector, and whether it has a range, which stays."""
    top, ranged, seen = pp.parse(expr), list[bool](), -1

    def look(node: pp.Expr) -> pp.Expr | None:
        """A range comes right before the selector that it is of."""
        if isinstance(node, pp.MatrixSelector):
            ranged.append(True)
        elif isinstance(node, pp.VectorSelector) and not (last and isinstance(last[-1], pp.MatrixSelector)):
            ranged.append(False)
        last.append(node)
        return None

    last: list[pp.Expr] = []
    pp.transform(top, look)

    def place(node: pp.Expr) -> pp.Expr | None:
        nonlocal seen
        if not isinstance(node, pp.VectorSelector):
            return None
        seen += 1
        text = change(node, ranged[seen]) if places is None or seen in places else None
        return None if text is None else pp.parse(text)

    return pp.transform(top, None, place).prettify()


def _matcher(targets: Sequence[Target], ops: tuple[str, str]) -> str:
    """``ops`` for one value, and for a pattern."""
    labels = {one.label for one in targets}
    if len(labels) != 1:
        raise ValueError("targets must differ in one label only")
    (label,) = labels
    if len(targets) == 1 and not targets[0].family:
        return f"{label}{ops[0]}{quote(targets[0].text)}"
    return f"{label}{ops[1]}{quote('|'.join(one.pattern for one in targets))}"


def _without(node: pp.VectorSelector, targets: Sequence[Target]) -> str:
    fresh = _matcher(targets, ("!=", "!~"))
    matchers = list(node.matchers.matchers)
    for at, old in enumerate(matchers):
        if old.name != targets[0].label or "(?" in old.value:
            continue  # a flag at its start would rule the new part too
        kept = pp.Matchers([*matchers[:at], *matchers[at + 1 :]])
        if any(old.op == op for op in _NEGATIVE) and old.value:
            known = branches(old.value) if old.op == pp.MatchOp.NotRe else (alternatives([old.value]),)
            more = [one.pattern for one in targets if one.pattern not in known]
            if not more:
                return selector_text(node)
            longer = (*known, *more)
            return _with(node, kept, f"{old.name}!~{quote('|'.join(longer))}")
        if old.op == pp.MatchOp.Re:
            listed = branches(old.value)
            rest = tuple(one for one in listed if one not in {two.pattern for two in targets})
            if rest and len(rest) == len(listed) - len(targets) and not _still_matched(rest, targets):
                return _with(node, kept, f"{old.name}=~{quote('|'.join(rest))}")
    return selector_text(node, (fresh,))


def _narrowed(node: pp.VectorSelector, targets: Sequence[Target]) -> str:
    """A pattern that all the targets match gives way to them."""
    fresh = _matcher(targets, ("=", "=~"))
    matchers = list(node.matchers.matchers)
    for at, old in enumerate(matchers):
        if old.name == targets[0].label and old.op == pp.MatchOp.Re and _all_matched(old.value, targets):
            return _with(node, pp.Matchers([*matchers[:at], *matchers[at + 1 :]]), fresh)
    return selector_text(node, (fresh,))


def _all_matched(pattern: str, targets: Sequence[Target]) -> bool:
    try:
        matches = compile_regex(pattern).fullmatch
    except QueryError:
        return False
    return all(not one.family and matches(one.text) is not None for one in targets)


def _still_matched(rest: Sequence[str], targets: Sequence[Target]) -> bool:
    """Whether a list without the targets would still let one of them through."""
    try:
        matches = compile_regex("|".join(rest)).fullmatch
    except QueryError:
        return True  # nobody here can tell
    return any(not one.family and matches(one.text) is not None for one in targets)


def _with(node: pp.VectorSelector, kept: pp.Matchers, matcher: str) -> str:
    fresh = pp.parse(selector_text(node))
    assert isinstance(fresh, pp.VectorSelector)
    fresh.matchers = kept
    return selector_text(fresh, (matcher,))


def branches(pattern: str) -> tuple[str, ...]:
    """The alternatives of an RE2 expression at its top level, one group around them all taken off."""
    marks = list(_marks(pattern))
    if pattern.startswith("(") and not pattern.startswith("(?"):
        closed = next((at for at, char, depth in marks if char == ")" and depth == 0), -1)
        if closed == len(pattern) - 1:
            return branches(pattern[1:-1])
    cuts = [at for at, char, depth in marks if char == "|" and depth == 0]
    starts, ends = [0, *(at + 1 for at in cuts)], [*cuts, len(pattern)]
    return tuple(pattern[start:end] for start, end in zip(starts, ends, strict=True))


def _marks(pattern: str) -> Iterator[tuple[int, str, int]]:
    """Place, character and depth of each bar and bracket that means what it says: not escaped, and in no class."""
    depth, klass, escaped = 0, False, False
    for at, char in enumerate(pattern):
        if escaped:
            escaped = False
        elif char == "\\":
            escaped = True
        elif klass:
            klass = char != "]"
        elif char == "[":
            klass = True
        elif char in "()|":
            depth += {"(": 1, ")": -1}.get(char, 0)
            yield at, char, depth
