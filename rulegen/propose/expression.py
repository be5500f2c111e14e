"""The PromQL that a model may write for one cluster, in GBNF: a comparison, or two of them joined.

Metrics, labels and values are those of a vocabulary and stand in it as they are; strings are in single quotes, so
that the text can stand in JSON unescaped. The language is a part of PromQL that rulegen evaluates.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from rulegen.core.candidate import Vocabulary
from rulegen.templates.free_form import AGGREGATIONS, FUNCTIONS

ROOT = "written"
MOST_CHARACTERS = 400

_DURATIONS = ("1m", "2m", "5m", "10m", "15m", "30m", "1h", "2h", "6h", "1d")
_DIGIT = " | ".join(f'"{digit}"' for digit in range(10))


def expression(known: Vocabulary) -> Iterator[tuple[str, str]]:
    """The rules of the language as (name, body); it starts at ``ROOT``, and every other name begins with it."""
    yield ROOT, f"{ROOT}-compared ( {ROOT}-join {ROOT}-compared )?"
    on = f'( "on (" {ROOT}-labels ") " )?' if known.labels else ""
    yield f"{ROOT}-join", f'( " and " | " unless " ) {on}'.rstrip()
    yield f"{ROOT}-compared", f"{ROOT}-value {ROOT}-op {ROOT}-number"
    yield f"{ROOT}-op", " | ".join(f'" {op} "' for op in (">", ">=", "<", "<=", "==", "!="))
    yield f"{ROOT}-value", f'{ROOT}-term ( ( " / " | " * " | " - " | " + " ) {ROOT}-term )?'
    yield f"{ROOT}-term", f'{ROOT}-instant | {ROOT}-range | {ROOT}-aggregate | "(" {ROOT}-value ")"'
    by = f'( "by (" {ROOT}-labels ") " )?' if known.labels else ""
    yield f"{ROOT}-aggregate", f'( {_any(AGGREGATIONS)} ) " " {by} "(" {ROOT}-value ")"'
    yield f"{ROOT}-range", f'( {_any(FUNCTIONS)} ) "(" {ROOT}-selector "[" {ROOT}-duration "])"'
    yield f"{ROOT}-instant", f'{ROOT}-selector ( " offset " {ROOT}-duration )?'
    matchers = f'( "{{" {ROOT}-matcher ( "," {ROOT}-matcher )? "}}" )?' if known.pairs else ""
    yield f"{ROOT}-selector", f"( {_any(known.metrics)} ) {matchers}".rstrip()
    if known.pairs:
        yield f"{ROOT}-matcher", " | ".join(_matchers(known.pairs))
    if known.labels:
        yield f"{ROOT}-label", _any(known.labels)
        yield f"{ROOT}-labels", f'{ROOT}-label ( "," {ROOT}-label )?'
    yield f"{ROOT}-duration", _any(_DURATIONS)
    yield f"{ROOT}-number", f'"-"? {ROOT}-digit{{1,9}} ( "." {ROOT}-digit{{1,6}} )?'
    yield f"{ROOT}-digit", _DIGIT


def _matchers(pairs: Iterable[tuple[str, str]]) -> Iterator[str]:
    for name, value in pairs:
        yield f'"{name}" ( "=" | "!=" ) "\'{value}\'"'


def _any(words: Iterable[str]) -> str:
    """One of ``words``; they hold no character that GBNF would want escaped."""
    return " | ".join(f'"{word}"' for word in words)
