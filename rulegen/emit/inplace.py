"""One rule turned into another by changing its keys where they stand."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from rulegen.core.durations import format_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.source import KeySpan, RuleSource, RuleText
from rulegen.emit import scalar
from rulegen.emit.expression import flush, merged, same
from rulegen.emit.recheck import Query
from rulegen.emit.ruleitem import mapping
from rulegen.emit.splice import Refused, Splice, line_end, lines, pairs, value, without_lines

_ORDER = ("alert", "record", "expr", "for", "keep_firing_for", "labels", "annotations")
_WIDTH = 100  # an expression longer than this is better read on the lines that the parser prints it on
_HEADER = re.compile(r"[|>][^\r\n]*\r?\n")  # a block scalar's first line


def rewritten(source: RuleSource, place: RuleText, old: Rule, new: Rule) -> tuple[list[Splice], dict[str, object]]:
    """The edits that turn ``old``, written at ``place``, into ``new`` of the same kind, and what they should come to:
    key → value as it should be read again, None for a key that should be gone.

    Raises Refused for a place that cannot be edited alone.
    """
    rewriting = _Rewriting(source, place, old)
    rewriting.name(new)
    rewriting.expression(flush(new.expr))
    rewriting.duration("for", old.hold, new.hold)
    rewriting.duration("keep_firing_for", old.keep_firing_for, new.keep_firing_for)
    rewriting.pairs("labels", old.labels, new.labels)
    rewriting.pairs("annotations", old.annotations, new.annotations)
    return rewriting.splices + rewriting.insertions(), rewriting.expected


@dataclass(slots=True)
class _Rewriting:
    source: RuleSource
    place: RuleText
    old: Rule
    splices: list[Splice] = field(default_factory=list)
    expected: dict[str, object] = field(default_factory=dict)
    added: list[tuple[str, list[str]]] = field(default_factory=list)  # key → its lines, without indentation
    removed: list[str] = field(default_factory=list)

    @property
    def flow(self) -> bool:
        return self.place.style == "flow"

    @property
    def merges(self) -> bool:
        """Whether a merge brings keys in: taking one away here would uncover it."""
        return self.place.key("<<") is not None

    def name(self, new: Rule) -> None:
        if self.old.name != new.name:
            self.expected[new.kind] = new.name
            self._set(self._key(new.kind), new.name)

    def expression(self, new: str) -> None:
        if not same(self.old.expr, new):
            self.expected["expr"] = Query(new)
            key = self._key("expr")
            self.splices.append(value(self.source.text, key, self._expression(key, new)))

    def duration(self, name: str, was: int, now: int) -> None:
        if was == now:
            return
        self.expected[name] = format_duration(now) if now else None
        key = self.place.key(name)
        if key is None:
            self.added.append((name, [f"{name}: {format_duration(now)}"]))
        elif now or self.flow or self.merges or not self._removed(key):
            self._set(key, format_duration(now))

    def pairs(self, name: str, was: Labels, now: Labels) -> None:
        if was == now:
            return
        changed = {label: text for label, text in now.items() if was.get(label) != text}
        self.expected[name] = {**changed, **dict.fromkeys(was.keys() - now.keys())}
        key, text = self.place.key(name), self.source.text
        if key is None:
            if was.keys() - now.keys() or self.merges:
                raise Refused(self.old.line, f'"{name}" comes from the group or a merge; write it out first')
            self.added.append((name, mapping(name, changed, self.place.indent, self.source.newline)))
        elif now or self.flow or self.merges or key.style != "mapping" or key.anchor:
            self.splices += pairs(text, self.source.newline, key, was, now)
        elif was.keys() - {child.key for child in key.keys} or not self._removed(key):
            raise Refused(key.line, f'"{name}" cannot be taken out here; give it a line of its own')

    def insertions(self) -> list[Splice]:
        """Missing keys below the nearest key that comes before them, in the order in which people write them."""
        out: list[Splice] = []
        left = [key for key in self.place.keys if key.key in _ORDER and key.key not in self.removed]
        for name, new in self.added:
            before = [key for key in left if _ORDER.index(key.key) < _ORDER.index(name)] or left[:1]
            behind = max(before, key=lambda key: _ORDER.index(key.key))
            if not self.flow:
                out.append(lines(self.source.text, self.source.newline, behind, self.place.indent, new))
            elif len(new) == 1:
                out.append(Splice(behind.end, behind.end, ", " + self._in_flow(new[0], behind)))
            else:
                raise Refused(self.old.line, f'"{name}" is missing in a rule in braces; add it first')
        return out

    def _key(self, name: str) -> KeySpan:
        found = self.place.key(name)
        if found is None:
            raise Refused(self.old.line, f'"{name}" comes from a merge (<<); write it out first')
        return found

    def _set(self, key: KeySpan, new: str) -> None:
        written = scalar.like(new, self._raw(key), self.flow)
        self.splices.append(value(self.source.text, key, written))

    def _removed(self, key: KeySpan) -> bool:
        removal = without_lines(self.source.text, key)
        if removal is not None:
            self.removed.append(key.key)
            self.splices.append(removal)
        return removal is not None

    def _raw(self, key: KeySpan) -> str:
        return self.source.text[key.value_start : key.value_end]

    def _in_flow(self, pair: str, beside: KeySpan) -> str:
        if self.source.text[beside.start] != '"':
            return pair
        name, _, text = pair.partition(": ")  # as in JSON
        return f"{scalar.double(name)}: {scalar.double(text)}"

    def _expression(self, key: KeySpan, new: str) -> str:
        """``new`` as the value of ``key``: in the layout of what stands there if possible, else in its style."""
        raw, old, flow = self._raw(key), self.old.expr, self.flow
        header = _HEADER.match(raw)
        printable = all(line.replace("\t", " ").isprintable() for line in new.split("\n"))
        if (header or key.style == "plain") and printable:
            inside = _laid(raw[header.end() :] if header else raw, old, new)
            if inside is not None and (header or scalar.is_plain(" ".join(inside.split()), flow)):
                return (header[0] if header else "") + inside
        laid = _laid(old, old, new) or new
        quoted = key.style == "quoted" and raw[0] in "'\""  # a tag may stand before the quotes
        if quoted and "\n" in old:
            return scalar.like(laid, raw, flow)
        behind = self.source.text[key.value_end : line_end(self.source.text, key.value_end - 1)].strip()
        if ("\n" in laid or header) and not (flow or behind):
            first = header[0].rstrip() if header else "|-"
            block = scalar.literal(laid, self.place.indent + 2, self.source.newline, first)
            if block is not None:
                return block
        flat = " ".join(laid.split())
        laid = flat if same(flat, new) else laid  # not the same: a comment or a string with spaces in a row
        return scalar.like(laid, raw, flow) if quoted else scalar.scalar(laid, flow)


def _laid(written: str, old: str, new: str) -> str | None:
    """``new`` in the layout of ``written``; None where it does not fit, or only as one line too long to read."""
    found = merged(written, old, new)
    too_long = found is not None and "\n" in new and "\n" not in old and len(found.strip()) > _WIDTH
    return None if too_long else found
