"""A new expression in the old one's layout: what did not change keeps its place, spacing and comments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from difflib import SequenceMatcher

import promql_parser as pp

_TOKEN = re.compile(
    r"""\#[^\n]*
    | "(?:[^"\\]|\\.)*" | '(?:[^'\\]|\\.)*' | `[^`]*`
    | [0-9]+(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+|[a-zA-Z0-9]+)? | \.[0-9]+(?:[eE][+-]?[0-9]+)?
    | [A-Za-z_:][A-Za-z0-9_:]*
    | =~ | !~ | == | != | >= | <= | \S""",
    re.VERBOSE,
)
_QUOTES = "\"'`"
_NUMBER = re.compile(r"[0-9.]+(?:[eE][+-]?[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Token:
    """``text[start:end]``; ``key`` is equal for tokens that mean the same, however they are written."""

    key: str
    start: int
    end: int


def tokens(expr: str) -> tuple[Token, ...]:
    """The tokens of a PromQL expression; comments and white space are left out."""
    return tuple(
        Token(_key(match[0]), match.start(), match.end())
        for match in _TOKEN.finditer(expr)
        if not match[0].startswith("#")
    )


def same(left: str, right: str) -> bool:
    """Whether two expressions have one syntax tree. False when one does not parse."""
    try:
        return left == right or canonical(left) == canonical(right)
    except ValueError:
        return False


def canonical(expr: str) -> str:
    """``expr`` as promql-parser prints it. Raises ValueError when it does not parse."""
    return pp.parse(expr).prettify()


def flush(expr: str) -> str:
    """``expr`` without surrounding space. The parser prints an operand deeper than its operator, so its first line
    may be indented, which a YAML block cannot hold: then every line moves left by as much as it can."""
    if "\n" not in expr.strip():
        return expr.strip()
    with suppress(ValueError):
        printed = canonical(expr)
        if printed.split() == expr.split():  # not laid out by a person
            expr = printed
    lines = expr.strip("\n").rstrip().split("\n")
    margin = len(lines[0]) - len(lines[0].lstrip())
    return "\n".join(line[:margin].lstrip() + line[margin:] for line in lines)


def merged(written: str, old: str, new: str) -> str | None:
    """``written`` with what changed from ``old`` to ``new`` put in, or None where the change does not fit into it.

    ``written`` is ``old`` with the layout of its file (indented lines, comments). The parser prints an expression in
    its own order and spacing, so this merges three ways: the changes from the printed old to the new are carried over
    to ``written``; the result has the syntax tree of ``new``.
    """
    try:
        base = canonical(old)
    except ValueError:
        return None
    theirs, ours, mine = tokens(base), tokens(written), tokens(new)
    if not ours:
        return None
    place = _alignment(theirs, ours)
    out: list[str] = []
    done = 0
    for left, right, first, last in _hunks(theirs, mine):
        found = _place(place, left, right, len(theirs), len(ours))
        if found is None or found[0] < done:
            return None
        start, stop = found
        out += (
            _gap(written, ours, index) + written[ours[index].start : ours[index].end] for index in range(done, start)
        )
        out.append(_changed(written, ours, start, stop, new, mine, first, last))
        done = stop
        if stop < len(ours):  # the gap behind the hunk is settled, its token is kept
            out.append(written[ours[stop].start : ours[stop].end])
            done += 1
    out += (
        _gap(written, ours, index) + written[ours[index].start : ours[index].end] for index in range(done, len(ours))
    )
    text = written[: ours[0].start] + "".join(out).strip() + written[ours[-1].end :]
    return text if same(text, new) else None


def _key(text: str) -> str:
    if text[0] in _QUOTES:
        return '"' + (text[1:-1] if text[0] != "'" else text[1:-1].replace("\\'", "'").replace('"', '\\"'))
    return repr(float(text)) if _NUMBER.fullmatch(text) and text != "." else text


def _hunks(left: Sequence[Token], right: Sequence[Token]) -> Iterator[tuple[int, int, int, int]]:
    for tag, i1, i2, j1, j2 in _matcher(left, right).get_opcodes():
        if tag != "equal":
            yield i1, i2, j1, j2


def _alignment(left: Sequence[Token], right: Sequence[Token]) -> dict[int, int]:
    blocks = _matcher(left, right).get_matching_blocks()
    return {block.a + offset: block.b + offset for block in blocks for offset in range(block.size)}


def _matcher(left: Sequence[Token], right: Sequence[Token]) -> SequenceMatcher[str]:
    return SequenceMatcher(None, [token.key for token in left], [token.key for token in right], autojunk=False)


def _place(place: dict[int, int], left: int, right: int, bases: int, ours: int) -> tuple[int, int] | None:
    """Base tokens ``left:right`` → the same range of our tokens, when they stand together there too."""
    if left < right:
        found = [place.get(index) for index in range(left, right)]
        start = found[0]
        if start is None or found != list(range(start, start + len(found))):
            return None
        return start, start + len(found)
    before = -1 if left == 0 else place.get(left - 1)
    after = ours if left == bases else place.get(left)
    if after is not None and (before is None or left == 0 or after == before + 1):
        return after, after
    return None if before is None else (before + 1, before + 1)


def _gap(text: str, found: Sequence[Token], index: int) -> str:
    """What stands in front of token ``index``: spaces, line ends, comments."""
    return text[found[index - 1].end : found[index].start] if 0 < index < len(found) else ""


def _narrow(text: str, found: Sequence[Token], index: int) -> str:
    """The gap in front of token ``index``, on one line."""
    gap = _gap(text, found, index)
    if "\n" not in gap:
        return gap
    return "" if found[index - 1].key in "([" or found[index].key in ")]" else " "


def _changed(
    written: str, ours: Sequence[Token], start: int, stop: int, new: str, mine: Sequence[Token], first: int, last: int
) -> str:
    """New tokens ``first:last`` in the place of ours ``start:stop``, up to where our token ``stop`` begins."""
    before, behind = _gap(written, ours, start), _gap(written, ours, stop)
    wanted, wanted_behind = _narrow(new, mine, first), _narrow(new, mine, last)
    inner = "".join(
        ("" if index == first else _narrow(new, mine, index)) + new[mine[index].start : mine[index].end]
        for index in range(first, last)
    )
    if first == last:  # a deletion
        keep = before or behind
        return keep if wanted or "\n" in keep else ""
    if start < stop:  # a replacement stands as the old one stood
        return before + inner + behind
    if before and not wanted:
        return inner + before
    return (before or wanted) + inner + wanted_behind
