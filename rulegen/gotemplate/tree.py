"""The syntax tree of a Go text/template."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Operand:
    """One word of a command, with the ``.Fields`` that follow it.

    ``kind``: "dot", "nil", "bool", "number", "string", "variable" (``name`` with its ``$``), "function", "pipe".
    ``.A.B`` is a dot with fields.
    """

    kind: str
    name: str = ""
    value: str | int | float | bool | None = None
    pipe: Pipeline | None = None
    fields: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pipeline:
    """``commands`` feed one another; ``declared`` variables take the value, new ones unless ``assigns``."""

    commands: tuple[tuple[Operand, ...], ...]
    declared: tuple[str, ...] = ()
    assigns: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Action:
    pipe: Pipeline


@dataclass(frozen=True, slots=True)
class Branch:
    """``if``, ``with`` or ``range``."""

    kind: str
    pipe: Pipeline
    body: tuple[Node, ...]
    other: tuple[Node, ...] = ()


@dataclass(frozen=True, slots=True)
class Call:
    """``{{ template "name" pipeline }}``."""

    name: str
    pipe: Pipeline | None


@dataclass(frozen=True, slots=True)
class Jump:
    """``break`` or ``continue``."""

    kind: str


Node = Text | Action | Branch | Call | Jump


@dataclass(frozen=True, slots=True)
class Template:
    """The nodes of a text, and the templates that it defines by name."""

    nodes: tuple[Node, ...]
    defined: dict[str, tuple[Node, ...]] = field(default_factory=dict)
