"""Changing keys of a YAML mapping inside its text, so that every other character stays as it was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rulegen.core.source import KeySpan
from rulegen.emit import scalar


class Refused(Exception):
    """A place that cannot be edited safely. ``line`` counts from 1; ``str()`` says why and what to do."""

    def __init__(self, line: int, message: str) -> None:
        super().__init__(message)
        self.line = line


@dataclass(frozen=True, slots=True, order=True)
class Splice:
    """``text[start:end]`` becomes ``new``."""

    start: int
    end: int
    new: str


def applied(text: str, splices: Iterable[Splice]) -> str:
    """``text`` with all of ``splices``, which must not overlap. Several at one place keep their order."""
    out: list[str] = []
    done = 0
    for splice in sorted(splices, key=lambda one: (one.start, one.end)):
        if splice.start < done:
            raise ValueError("two edits touch the same text")
        out += text[done : splice.start], splice.new
        done = splice.end
    return "".join([*out, text[done:]])


def line_start(text: str, at: int) -> int:
    """The offset of the first character of the line that holds ``at``."""
    return text.rfind("\n", 0, at) + 1


def line_end(text: str, at: int) -> int:
    """The offset behind the line end of the line that holds ``at``."""
    end = text.find("\n", at)
    return len(text) if end < 0 else end + 1


def value(text: str, key: KeySpan, written: str) -> Splice:
    """Puts ``written`` in the place of the key's value."""
    if key.anchor:
        raise Refused(
            key.line, f'"{key.key}" is an anchor (&{key.anchor}) that other places repeat; write it out first'
        )
    gap = "" if text[key.value_start - 1 : key.value_start] in (" ", "\t", "\n") else " "
    return Splice(key.value_start, key.value_end, gap + written)


def lines(text: str, newline: str, behind: KeySpan, indent: int, new: Sequence[str]) -> Splice:
    """Puts the lines ``new`` [without indentation] below the line on which ``behind`` ends."""
    end = line_end(text, max(behind.start, behind.end - 1))
    at = len(text[:end].rstrip("\r\n"))  # in front of the line end, which a last line may lack
    return Splice(at, at, "".join(newline + " " * indent + line for line in new))


def without_lines(text: str, key: KeySpan) -> Splice | None:
    """Takes the key's own lines away; None where it shares its first line with something else, such as the dash."""
    start, end = line_start(text, key.start), line_end(text, max(key.start, key.end - 1))
    if text[start : key.start].strip(" "):
        return None
    if end == len(text) and not text.endswith("\n") and start:
        start -= 2 if text[start - 2 : start] == "\r\n" else 1  # so that the file ends as it did, without a line end
    return Splice(start, end, "")


def pairs(text: str, newline: str, key: KeySpan, old: Mapping[str, str], new: Mapping[str, str]) -> list[Splice]:
    """Edits of ``key`` (``labels`` or ``annotations``) that turn ``old`` into ``new``, which is not empty.

    A name that goes and one that comes share a line, so that the order stays. Raises Refused for a mapping that is
    shared with other rules, and for a name to take out that is not written here.
    """
    if key.anchor or key.style == "alias":
        raise Refused(key.line, f'"{key.key}" is shared with other rules through an anchor; write it out first')
    flow, quoted = key.style != "mapping", text[key.start] == '"'
    if key.style not in ("mapping", "flow"):  # nothing there, or null
        return [value(text, key, _braces(_pair(name, new[name], flow, quoted) for name in new))]
    written = {child.key for child in key.keys}
    gone = [name for name in old if name not in new]
    if elsewhere := sorted(set(gone) - written):
        raise Refused(
            key.line, f'"{elsewhere[0]}" comes from the group or a merge, so this rule alone cannot lose it'
        )
    come = [name for name in new if name not in written and new[name] != old.get(name)]
    edits: dict[str, Splice] = {}  # by the name that stands there now
    for child in key.keys:
        if child.key in gone and come:
            gone.remove(child.key)
            edits[child.key] = Splice(child.start, child.end, _pair(name := come.pop(0), new[name], flow, quoted))
        elif child.key in new and new[child.key] != old.get(child.key):
            edits[child.key] = value(text, child, scalar.like(new[child.key], _raw(text, child), flow))
    if flow and gone:
        left = (child for child in key.keys if child.key not in gone)
        return [value(text, key, _braces(_edited(text, child, edits.get(child.key)) for child in left))]
    for child in key.keys:
        if child.key in gone:
            if (removal := without_lines(text, child)) is None:
                raise Refused(
                    child.line, f'"{child.key}" shares its line with something else; give it a line of its own'
                )
            edits[child.key] = removal
    return [*edits.values(), *_appended(text, newline, key, [_pair(name, new[name], flow, quoted) for name in come])]


def _appended(text: str, newline: str, key: KeySpan, parts: list[str]) -> list[Splice]:
    if not parts:
        return []
    if key.style == "mapping":
        column = key.keys[0].start - line_start(text, key.keys[0].start)
        return [lines(text, newline, key.keys[-1], column, parts)]
    at = key.keys[-1].end if key.keys else key.value_start + 1
    return [Splice(at, at, (", " if key.keys else "") + ", ".join(parts))]


def _edited(text: str, child: KeySpan, edit: Splice | None) -> str:
    edit = edit or Splice(child.end, child.end, "")
    return text[child.start : edit.start] + edit.new + text[edit.end : child.end]


def _raw(text: str, key: KeySpan) -> str:
    return text[key.value_start : key.value_end]


def _braces(parts: Iterable[str]) -> str:
    return "{" + ", ".join(parts) + "}"


def _pair(name: str, value: str, flow: bool, quoted: bool) -> str:
    if quoted:  # as in JSON
        return f"{scalar.double(name)}: {scalar.double(value)}"
    return f"{scalar.name(name)}: {scalar.scalar(value, flow)}"
