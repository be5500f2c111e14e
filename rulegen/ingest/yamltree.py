"""YAML → a tree of nodes that know their place in the text.

Built from ruamel.yaml's parse events, since its own nodes forget where an alias stood and where a block value ends.
Reads what Prometheus' YAML library reads: scalars stay text, merges (``<<``) count, a tab may separate tokens.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError
from ruamel.yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
    StreamEndEvent,
)
from ruamel.yaml.reader import ReaderError
from ruamel.yaml.scanner import Scanner

from rulegen.core.source import Style

MAX_DEPTH = 100
MAX_NODES = 500_000  # with every alias written out: ten nested anchors must not become a billion nodes
_NULLS = frozenset(("", "~", "null", "Null", "NULL"))


class YamlError(Exception):
    """The text is not YAML, or not a kind that is safe to read. ``line`` counts from 1."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True)
class Node:
    """``text[start:end]`` is what is written here (``*name`` for an alias). ``size``: nodes, aliases unfolded."""

    kind: ClassVar[str]
    start: int
    end: int
    line: int
    style: Style
    anchor: str = ""
    size: int = 1


@dataclass(frozen=True, slots=True)
class ScalarNode(Node):
    kind: ClassVar[str] = "a single value"
    text: str = ""
    null: bool = False


@dataclass(frozen=True, slots=True)
class SequenceNode(Node):
    kind: ClassVar[str] = "a list"
    items: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class MappingNode(Node):
    kind: ClassVar[str] = "a mapping"
    items: tuple[tuple[ScalarNode, Node], ...] = ()

    def repeated(self) -> tuple[ScalarNode, ...]:
        """The keys that were written before in this mapping."""
        first: dict[str, ScalarNode] = {}
        return tuple(key for key, _ in self.items if first.setdefault(key.text, key) is not key)

    def fields(self) -> Mapping[str, tuple[ScalarNode, Node]]:
        """Key text → key and value, merges applied: a key written here wins, then the first merge that has it."""
        found = {key.text: (key, value) for key, value in self.items if not _is_merge(key)}
        for key, value in self.items:
            if _is_merge(key):
                sources = value.items if isinstance(value, SequenceNode) else (value,)
                for source in sources:
                    if isinstance(source, MappingNode):
                        found = {**source.fields(), **found}
        return found

    def get(self, name: str) -> Node | None:
        """The value of a key; None where it is missing or null, which is the same to Prometheus."""
        pair = self.fields().get(name)
        return None if pair is None or (isinstance(pair[1], ScalarNode) and pair[1].null) else pair[1]


def parse_documents(text: str) -> tuple[Node, ...]:
    """The documents of ``text`` as trees; one that holds nothing is a null scalar.

    Raises YamlError for text that is no YAML, for aliases that nest or repeat without bound, for keys that are not
    single values, and for nesting deeper than 100.
    """
    try:
        return tuple(_Composer(text).documents())
    except ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        character = error.character if isinstance(error.character, str) else chr(error.character)
        raise YamlError(line, f"not YAML: the character {character!a} is not allowed") from None
    except YAMLError as error:
        raise YamlError(*_told(error)) from None
    except (ValueError, OverflowError) as error:  # an escape such as "\UFFFFFFFF" in a quoted string
        raise YamlError(1, f"not YAML: {error}") from None


def _told(error: YAMLError) -> tuple[int, str]:
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    parts = (getattr(error, "context", None), getattr(error, "problem", None))
    return (mark.line + 1 if mark else 1), "not YAML: " + (", ".join(part for part in parts if part) or str(error))


def _is_unicode(text: str) -> bool:
    """Whether it can be written as UTF-8; the escape ``"\\ud800"`` alone can not."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_merge(key: ScalarNode) -> bool:
    return key.text == "<<" and key.style == "plain"


class _TabScanner(Scanner):
    """libyaml, and so Prometheus, lets a tab stand where a space may, except in front of a block's first token."""

    def scan_to_next_token(self) -> None:
        reader = self.reader
        if reader.index == 0 and reader.peek() == "\ufeff":
            reader.forward()
        while True:
            while reader.peek() == " " or (
                reader.peek() == "\t" and (self.flow_level > 0 or not self.allow_simple_key)
            ):
                reader.forward()
            if reader.peek() == "#":
                while reader.peek() not in "\0\r\n\x85\u2028\u2029":
                    reader.forward()
            if not self.scan_line_break():
                return
            if not self.flow_level:
                self.allow_simple_key = True


@dataclass(slots=True)
class _Composer:
    text: str
    events: Iterator[Any] = field(init=False)
    anchors: dict[str, Node] = field(default_factory=dict)

    def documents(self) -> Iterator[Node]:
        yaml = YAML(typ="safe", pure=True)
        yaml.Scanner = _TabScanner
        self.events = yaml.parse(self.text)
        for event in self.events:
            if isinstance(event, DocumentStartEvent):
                self.anchors.clear()
                yield self._node(next(self.events), 0)
            elif isinstance(event, StreamEndEvent):
                return

    def _node(self, event: Any, depth: int) -> Node:
        line = event.start_mark.line + 1
        if isinstance(event, AliasEvent):
            return self._alias(event, line)
        if depth > MAX_DEPTH:
            raise YamlError(line, f"nested deeper than {MAX_DEPTH} levels")
        node: Node
        if isinstance(event, ScalarEvent):
            node = self._scalar(event, line)
        elif isinstance(event, SequenceStartEvent):
            node = self._sequence(event, line, depth)
        else:
            node = self._mapping(event, line, depth)
        if node.size > MAX_NODES:
            raise YamlError(line, f"more than {MAX_NODES:,} nodes once its aliases are written out")
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def _alias(self, event: AliasEvent, line: int) -> Node:
        target = self.anchors.get(event.anchor)
        if target is None:
            raise YamlError(line, f'"*{event.anchor}": no such anchor before this place (or it holds itself)')
        start, end = event.start_mark.index, event.end_mark.index
        return replace(target, start=start, end=end, line=line, style="alias", anchor="")

    def _scalar(self, event: ScalarEvent, line: int) -> ScalarNode:
        start, end = event.start_mark.index, event.end_mark.index
        style: Style = "plain"
        if event.style in ("|", ">"):
            style = "block-scalar"
            end = start + len(self.text[start:end].rstrip())
        elif event.style:
            style = "quoted"
        elif start == end:
            style = "empty"
        if not _is_unicode(event.value):
            raise YamlError(line, "not YAML: half of a surrogate pair in a string")
        null = style in ("plain", "empty") and event.value in _NULLS
        return ScalarNode(start, end, line, style, event.anchor or "", text=event.value, null=null)

    def _sequence(self, event: SequenceStartEvent, line: int, depth: int) -> SequenceNode:
        items = []
        while not isinstance(each := next(self.events), SequenceEndEvent):
            items.append(self._node(each, depth + 1))
        end = each.end_mark.index if event.flow_style else max(items[-1].end, event.end_mark.index)
        style: Style = "flow" if event.flow_style else "sequence"
        size = 1 + sum(item.size for item in items)
        return SequenceNode(event.start_mark.index, end, line, style, event.anchor or "", size, tuple(items))

    def _mapping(self, event: MappingStartEvent, line: int, depth: int) -> MappingNode:
        items: list[tuple[ScalarNode, Node]] = []
        while not isinstance(each := next(self.events), MappingEndEvent):
            key = self._node(each, depth + 1)
            if not isinstance(key, ScalarNode):
                raise YamlError(key.line, f"a key should be a single value, not {key.kind}")
            items.append((key, self._value(key, next(self.events), depth)))
        end = each.end_mark.index if event.flow_style else items[-1][1].end
        style: Style = "flow" if event.flow_style else "mapping"
        size = 1 + sum(key.size + value.size for key, value in items)
        return MappingNode(event.start_mark.index, end, line, style, event.anchor or "", size, tuple(items))

    def _value(self, key: ScalarNode, event: Any, depth: int) -> Node:
        value = self._node(event, depth + 1)
        if value.style != "empty":
            return value
        # The parser places a missing value where the next token starts; it belongs right behind the colon.
        colon = self.text.find(":", key.end, value.start)
        place = colon + 1 if colon >= 0 else key.end
        return replace(value, start=place, end=place, line=key.line)
