"""A whole rule as an item of a YAML list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule
from rulegen.emit import scalar
from rulegen.emit.expression import flush


def item(rule: Rule, dash: int, indent: int, newline: str, note: str = "") -> str:
    """``rule`` written out, its ``-`` at column ``dash`` and its keys at column ``indent`` [both from 0].

    ``note`` becomes a comment line above it. The text ends with a ``newline``.
    """
    lines = [line for pair in _lines(rule, indent, newline) for line in pair]
    first = " " * dash + "-" + " " * (indent - dash - 1) + lines[0]
    rest = (" " * indent + line for line in lines[1:])
    comment = [" " * dash + f"# {note}"] if note else []
    return newline.join([*comment, first, *rest]) + newline


def ordered(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """Recording rules first: within a group Prometheus evaluates in order, and the alerts read what they record."""
    return tuple(sorted(rules, key=lambda rule: rule.kind != "record"))


def _lines(rule: Rule, indent: int, newline: str) -> Iterator[list[str]]:
    yield [f"{rule.kind}: {scalar.scalar(rule.name)}"]
    yield ["expr: " + text(flush(rule.expr), indent + 2, newline)]
    if rule.hold:
        yield [f"for: {format_duration(rule.hold)}"]
    if rule.keep_firing_for:
        yield [f"keep_firing_for: {format_duration(rule.keep_firing_for)}"]
    yield mapping("labels", rule.labels, indent, newline)
    yield mapping("annotations", rule.annotations, indent, newline)


def mapping(key: str, pairs: Mapping[str, str], indent: int, newline: str) -> list[str]:
    """The lines of ``key: {pairs}`` in block style, without the indentation of ``key`` itself; none without pairs."""
    if not pairs:
        return []
    inner = (f"  {scalar.name(name)}: {text(value, indent + 4, newline)}" for name, value in pairs.items())
    return [f"{key}:", *inner]


def text(value: str, indent: int, newline: str) -> str:
    """A scalar in block style: several lines as a literal block at column ``indent`` where a block can hold them."""
    block = scalar.literal(value, indent, newline) if "\n" in value and not value.endswith("\n") else None
    return block if block is not None else scalar.scalar(value)
