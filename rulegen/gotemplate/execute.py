"""Executes a template's tree (Go, text/template/exec.go), within bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from rulegen.errors import UnsupportedError
from rulegen.gotemplate.functions import Function
from rulegen.gotemplate.parse import TemplateError
from rulegen.gotemplate.tree import Action, Branch, Call, Jump, Node, Operand, Pipeline, Template, Text
from rulegen.gotemplate.values import AnyMap, Data, Sample, StringMap, Time, kind, shown

MAX_OUTPUT = 1 << 18  # characters
MAX_WORK = 50_000  # nodes and calls
MAX_CALLS = 30  # templates that execute templates

SHORT_CIRCUIT = ("and", "or")
_NOTHING = object()  # no value comes down the pipeline


class _Jumped(Exception):
    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(slots=True)
class Execution:
    """One run of ``template``. ``output`` gathers what it writes."""

    template: Template
    functions: Mapping[str, Function]
    output: list[str] = field(default_factory=list)
    size: int = 0
    work: int = 0

    def run(self, data: object) -> str:
        """Raises TemplateError where Go fails, UnsupportedError for what is not done here and for runaways."""
        self._walk(self.template.nodes, data, [("$", data)], 0)
        return "".join(self.output)

    def _walk(self, nodes: Sequence[Node], dot: object, scope: list[tuple[str, object]], calls: int) -> None:
        for node in nodes:
            self._count()
            if isinstance(node, Text):
                self._write(node.text)
            elif isinstance(node, Action):
                value = self._pipe(node.pipe, dot, scope)
                if not node.pipe.declared:
                    self._write(shown(value))
            elif isinstance(node, Branch):
                self._branch(node, dot, scope, calls)
            elif isinstance(node, Call):
                if node.name not in self.template.defined:
                    raise TemplateError(f"template {node.name!r} not defined")
                if calls >= MAX_CALLS:
                    raise UnsupportedError(f"templates that execute one another more than {MAX_CALLS} deep")
                given = None if node.pipe is None else self._pipe(node.pipe, dot, scope)
                self._walk(self.template.defined[node.name], given, [("$", given)], calls + 1)
            else:
                assert isinstance(node, Jump)
                raise _Jumped(node.kind)

    def _branch(self, node: Branch, dot: object, scope: list[tuple[str, object]], calls: int) -> None:
        mark = len(scope)
        try:
            if node.kind == "range":
                self._range(node, dot, scope, calls)
                return
            value = self._pipe(node.pipe, dot, scope)
            if _true(value):
                self._walk(node.body, value if node.kind == "with" else dot, scope, calls)
            else:
                self._walk(node.other, dot, scope, calls)
        finally:
            del scope[mark:]

    def _range(self, node: Branch, dot: object, scope: list[tuple[str, object]], calls: int) -> None:
        declared = node.pipe.declared
        value = self._commands(node.pipe, dot, scope)
        items: list[tuple[object, object]]
        if isinstance(value, StringMap | AnyMap):
            items = [(key, value[key]) for key in sorted(value)]
        elif isinstance(value, list):
            items = list(enumerate(value))
        elif value is None:
            items = []
        else:
            raise TemplateError(f"range can't iterate over {shown(value, top=False)}")
        mark = len(scope)
        for key, element in items:
            pair = [element] if len(declared) == 1 else [key, element]
            for name, one in zip(declared, pair, strict=False):
                self._set(scope, name, one, assigns=node.pipe.assigns)
            try:
                self._walk(node.body, element, scope, calls)
            except _Jumped as jumped:
                if jumped.kind == "break":
                    break
            finally:
                del scope[mark:]
        if not items:
            self._walk(node.other, dot, scope, calls)

    def _pipe(self, pipe: Pipeline, dot: object, scope: list[tuple[str, object]]) -> object:
        value = self._commands(pipe, dot, scope)
        for name in pipe.declared:
            self._set(scope, name, value, assigns=pipe.assigns)
        return value

    def _commands(self, pipe: Pipeline, dot: object, scope: list[tuple[str, object]]) -> object:
        value: object = _NOTHING
        for command in pipe.commands:
            value = self._command(command, value, dot, scope)
        return value

    def _set(self, scope: list[tuple[str, object]], name: str, value: object, *, assigns: bool) -> None:
        if not assigns:
            scope.append((name, value))
            return
        for at in range(len(scope) - 1, -1, -1):
            if scope[at][0] == name:
                scope[at] = (name, value)
                return
        raise TemplateError(f"undefined variable {name!r}")

    def _command(
        self, words: tuple[Operand, ...], last: object, dot: object, scope: list[tuple[str, object]]
    ) -> object:
        self._count()
        first = words[0]
        if first.kind == "function":
            value = self._call(first.name, words[1:], last, dot, scope)
            return _fields(value, first.fields)
        if len(words) > 1 or last is not _NOTHING:
            if first.fields:
                raise TemplateError(f"{first.fields[-1]} is not a method but has arguments")
            raise TemplateError("can't give argument to non-function")
        if first.kind == "nil":
            raise TemplateError("nil is not a command")
        return self._operand(first, dot, scope)

    def _operand(self, word: Operand, dot: object, scope: list[tuple[str, object]]) -> object:
        if word.kind == "dot":
            return _fields(dot, word.fields)
        if word.kind == "variable":
            for name, value in reversed(scope):
                if name == word.name:
                    return _fields(value, word.fields)
            raise TemplateError(f"undefined variable {word.name!r}")
        if word.kind == "pipe":
            assert word.pipe is not None
            return _fields(self._pipe(word.pipe, dot, scope), word.fields)
        if word.kind == "function":
            return _fields(self._call(word.name, (), _NOTHING, dot, scope), word.fields)
        return word.value

    def _call(
        self, name: str, words: tuple[Operand, ...], last: object, dot: object, scope: list[tuple[str, object]]
    ) -> object:
        self._count()
        if name in SHORT_CIRCUIT:
            return self._and_or(name, words, last, dot, scope)
        arguments = [self._operand(word, dot, scope) for word in words]
        if last is not _NOTHING:
            arguments.append(last)
        try:
            value = self.functions[name](*arguments)
        except TypeError:
            raise TemplateError(f"wrong number of args for {name}: got {len(arguments)}") from None
        if isinstance(value, str) and len(value) > MAX_OUTPUT:
            raise UnsupportedError(f"a template that makes more than {MAX_OUTPUT} characters")
        return value

    def _and_or(
        self, name: str, words: tuple[Operand, ...], last: object, dot: object, scope: list[tuple[str, object]]
    ) -> object:
        value: object = _NOTHING
        for word in words:
            value = self._operand(word, dot, scope)
            if _true(value) == (name == "or"):
                return value
        value = last if last is not _NOTHING else value
        if value is _NOTHING:
            raise TemplateError(f"wrong number of args for {name}: want at least 1 got 0")
        return value

    def _write(self, text: str) -> None:
        self.size += len(text)
        if self.size > MAX_OUTPUT:
            raise UnsupportedError(f"a template that makes more than {MAX_OUTPUT} characters")
        self.output.append(text)

    def _count(self) -> None:
        self.work += 1
        if self.work > MAX_WORK:
            raise UnsupportedError(f"a template that takes more than {MAX_WORK} steps")


def _fields(value: object, names: Sequence[str]) -> object:
    for name in names:
        if isinstance(value, StringMap):
            value = value.get(name, "")
        elif isinstance(value, AnyMap):
            value = value.get(name)
        elif isinstance(value, Data | Sample) and name in value.__slots__:
            value = getattr(value, name)
        elif isinstance(value, Time):
            raise UnsupportedError(f"the method {name} of a time in a template")
        else:
            raise TemplateError(f"can't evaluate field {name} in type {kind(value)}")
    return value


def _true(value: object) -> bool:
    return bool(value) if isinstance(value, bool | int | float | str | list | dict) else value is not None
