"""The text that rules were read from, with the place of every rule and key, so that an edit can touch nothing else.

Offsets count characters of :attr:`RuleSource.text` from 0 and ends are exclusive: ``text[start:end]``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rulegen.core.rule import RuleRef

Style = Literal["plain", "quoted", "block-scalar", "mapping", "sequence", "flow", "alias", "empty"]
"""How a value is written. ``empty``: nothing is there. ``flow``: in ``{}`` or ``[]``. ``alias``: as ``*name``."""


@dataclass(frozen=True, slots=True)
class KeySpan:
    """One key with its value. ``text[start:end]`` is ``key: value``; the comment and newline after it are not in it.

    ``text[value_start:value_end]`` is the value as written (an anchor or tag before it included; an alias is the
    ``*name`` alone). ``anchor`` names the anchor: other places repeat this value, so an edit here changes them too.
    ``line`` counts from 1. ``keys`` holds the keys of a mapping value written here (none for an alias).
    """

    key: str
    start: int
    end: int
    value_start: int
    value_end: int
    line: int
    style: Style
    anchor: str = ""
    keys: tuple[KeySpan, ...] = ()

    def child(self, key: str) -> KeySpan | None:
        return next((one for one in self.keys if one.key == key), None)


@dataclass(frozen=True, slots=True)
class RuleText:
    """One rule's mapping: ``text[start:end]`` runs from its first key to its last value, trailing comments left out.

    ``indent`` is the column of its keys, ``dash`` that of the ``-`` before it (0-based; in flow style both say where
    the mapping itself starts). ``style`` is ``mapping``, ``flow`` or ``alias`` (the rule repeats an anchored one).
    Keys that a merge (``<<``) brings in are not in ``keys``; the ``<<`` is.
    """

    ref: RuleRef
    start: int
    end: int
    indent: int
    dash: int
    style: Style
    anchor: str = ""
    keys: tuple[KeySpan, ...] = ()

    def key(self, name: str) -> KeySpan | None:
        return next((one for one in self.keys if one.key == name), None)


@dataclass(frozen=True, slots=True)
class RuleSource:
    """One rule file: ``path`` as the user named it (or as found under a directory the user named), its whole ``text``
    with its own line ends (and byte order mark, where it has one), the rules in it that could be used, and its
    ``home``, the path in the repository that holds it."""

    path: str
    text: str
    rules: tuple[RuleText, ...]
    home: str = ""

    @property
    def newline(self) -> str:
        return "\r\n" if "\r\n" in self.text else "\n"

    def rule(self, ref: RuleRef) -> RuleText | None:
        return next((one for one in self.rules if one.ref == ref), None)


@dataclass(frozen=True, slots=True)
class Insertion:
    """Where new items of a list go: ``text[start:end]`` becomes ``head`` and the items' lines. ``dash`` is the column
    of the items' ``-``. Of several at one place those further right come first."""

    start: int
    end: int
    dash: int
    head: str = ""


@dataclass(frozen=True, slots=True)
class RoutingSource:
    """An Alertmanager configuration as text, and where new parts go: after the last inhibition and time interval, and
    for each route, in the order of its tree, before the first child. None: written so that nothing can be added."""

    path: str
    text: str
    inhibitions: Insertion | None
    intervals: Insertion | None
    routes: tuple[Insertion | None, ...]
