"""YAML nodes of a rule → where each of its keys stands in the text."""

from __future__ import annotations

from rulegen.core.rule import RuleRef
from rulegen.core.source import KeySpan, RuleText
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode


def rule_text(text: str, ref: RuleRef, node: MappingNode) -> RuleText:
    """The place of the rule ``node`` [at least one key] and of its keys in ``text``."""
    block = node.style == "mapping"
    start = node.items[0][0].start if block else node.start
    line_start = text.rfind("\n", 0, start) + 1
    indent = start - line_start
    dash = _dash(text, line_start, indent) if block else indent
    return RuleText(ref, start, node.end, indent, dash, node.style, node.anchor, _keys(node))


def _keys(node: Node) -> tuple[KeySpan, ...]:
    if not isinstance(node, MappingNode) or node.style == "alias":
        return ()
    return tuple(_key(key, value) for key, value in node.items)


def _key(key: ScalarNode, value: Node) -> KeySpan:
    return KeySpan(
        key=key.text,
        start=key.start,
        end=value.end,
        value_start=value.start,
        value_end=value.end,
        line=key.line,
        style=value.style,
        anchor=value.anchor,
        keys=_keys(value),
    )


def _dash(text: str, line_start: int, indent: int) -> int:
    """The column of the ``-`` in front of a block mapping; it may stand on an earlier line than the first key."""
    line = text[line_start : line_start + indent]
    while line_start and not line.lstrip(" ").startswith("-"):
        end = line_start - 1
        line_start = text.rfind("\n", 0, end) + 1
        line = text[line_start:end]
    return max(0, line.split("#")[0].rfind("-"))
