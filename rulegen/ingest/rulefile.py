"""Prometheus rule files and PrometheusRule resources → :class:`~rulegen.core.rule.RuleSet`, and their text.

Checks what Prometheus' ``model/rulefmt`` checks and reports every error, not the first. A rule with an error is left
out and the others are used; a group whose own fields are wrong is left out whole, since it would not run as read.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rulegen.core.durations import MINUTE
from rulegen.core.rule import RuleGroup, RuleSet
from rulegen.core.source import RuleSource, RuleText
from rulegen.errors import InputError, Problem
from rulegen.ingest.home import home
from rulegen.ingest.problems import problem
from rulegen.ingest.rulegroup import GroupReader
from rulegen.ingest.ruletext import rule_text
from rulegen.ingest.text import FilePath, read_text
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode, YamlError, parse_documents

_SUFFIXES = (".yml", ".yaml")
_CR_ALONE = re.compile(r"\r(?!\n)")  # a line end to YAML, and to no editor: places in the text would be none
_TEMPLATE = re.compile(r"^[ ]*(?:- +)?\{\{|:[ ]+\{\{", re.MULTILINE)
_RESOURCE = "PrometheusRule"
_RESOURCE_API = "monitoring.coreos.com/"
# What often lies beside rules and is none: promtool's unit tests and the specifications of sloth.
_NOT_RULES = ("rule_files", "tests", "slos")
_FILE_FIELDS = ("groups", "namespace")  # namespace is mimirtool's, which reads every document of a file


def read_rules(
    paths: Iterable[FilePath], default_interval_ms: int = MINUTE
) -> tuple[RuleSet, tuple[RuleSource, ...], tuple[Problem, ...]]:
    """The rules of every file in ``paths``; of a directory, of each ``*.yml`` and ``*.yaml`` below that is not
    hidden.

    Returns the rules, the text of each file that holds groups (with the same ``RuleRef``s) and the problems. A group
    without an interval has ``default_interval_ms``. ``home`` is as :func:`~rulegen.ingest.home.home` has it. Where
    two PrometheusRule resources (or mimirtool namespaces) of one file name a group alike, the later one is called
    ``name (namespace/resource)``.

    Raises InputError, with every error, when a file named in ``paths`` cannot be used or no rule is found at all.
    """
    names = [os.fspath(path) for path in paths]
    groups: list[RuleGroup] = []
    sources: list[RuleSource] = []
    problems: list[Problem] = []
    fatal: list[str] = []
    for found in _files(names, problems, fatal):
        try:
            file = _File(found.path, read_text(found.path), found.named, default_interval_ms)
            file.read()
        except InputError as error:
            if found.named:
                fatal += error.messages
            else:
                problems += [_as_problem(found.path, message) for message in error.messages]
            continue
        problems += sorted(file.reader.problems)
        known = home(found.path, names)
        groups += (replace(group, home=known) for group in file.groups)
        if file.holds_groups:  # also without a usable rule: it goes out as it came in
            sources.append(RuleSource(found.path, file.text, tuple(file.texts), known))
    if not any(source.rules for source in sources) and not fatal:
        fatal.append(f"{', '.join(names) or 'no path given'}: no rule that can be used")
    if fatal:
        raise InputError(*fatal, *map(str, problems))
    return RuleSet(tuple(groups)), tuple(sources), tuple(problems)


def rules_in(path: str, text: str, default_interval_ms: int = MINUTE) -> tuple[RuleSet, tuple[Problem, ...], bool]:
    """The rules in the ``text`` of a rule file, what is wrong with it, and whether it has the form that Prometheus
    itself loads: groups, and no resource. Raises InputError for a text that is no rule file."""
    file = _File(path, text, named=True, default_interval=default_interval_ms)
    file.read()
    return RuleSet(tuple(file.groups)), tuple(sorted(file.reader.problems)), file.plain


def source_in(path: str, text: str) -> tuple[RuleSource, RuleSet]:
    """The ``text`` of a rule file with the place of each rule that can be used, and those rules. Raises InputError
    for a text that is no rule file."""
    file = _File(path, text, named=True, default_interval=MINUTE)
    file.read()
    return RuleSource(path, text, tuple(file.texts), path), RuleSet(tuple(file.groups))


@dataclass(frozen=True, slots=True)
class _Found:
    path: str
    named: bool  # by the user, so that it must be a rule file


def _files(paths: Iterable[str], problems: list[Problem], fatal: list[str]) -> Iterator[_Found]:
    """The files to read in order, each once."""
    seen: set[Path] = set()
    for path in paths:
        if not Path(path).is_dir():
            candidates = [_Found(path, named=True)]
        else:
            candidates = [_Found(inner, named=False) for inner in _below(path, problems)]
            if not candidates:
                fatal.append(f"{path}: no *.yml or *.yaml file in this directory")
        for found in candidates:
            real = Path(found.path).resolve()
            if real not in seen:
                seen.add(real)
                yield found


def _below(root: str, problems: list[Problem]) -> Iterator[str]:
    def refused(error: OSError) -> None:
        problems.append(Problem(str(error.filename), 0, f"cannot be read: {error.strerror}"))

    for folder, inner, names in os.walk(root, onerror=refused):
        inner[:] = sorted(name for name in inner if not name.startswith("."))
        for name in sorted(names):
            if name.endswith(_SUFFIXES) and not name.startswith("."):
                yield f"{folder.rstrip('/')}/{name}"


def _as_problem(path: str, message: str) -> Problem:
    """An InputError's message, which starts with ``path:`` or ``path:line:``, as a problem."""
    rest = message.removeprefix(f"{path}:")
    line, colon, tail = rest.partition(": ")
    return Problem(path, int(line), tail) if colon and line.isdecimal() else Problem(path, 0, rest.lstrip())


@dataclass(slots=True)
class _File:
    """One file while it is read: :meth:`read` fills ``groups``, ``texts`` and the reader's problems."""

    path: str
    text: str
    named: bool
    default_interval: int
    reader: GroupReader = field(init=False)
    groups: list[RuleGroup] = field(default_factory=list)
    texts: list[RuleText] = field(default_factory=list)
    holds_groups: bool = False
    plain: bool = True  # no resource, no namespace
    taken: dict[str, str] = field(default_factory=dict)  # group name → the resource that has it

    def __post_init__(self) -> None:
        self.reader = GroupReader(self.path, self.default_interval)

    def read(self) -> None:
        """Raises InputError when the file is no YAML or no rule file."""
        if self.path.endswith((".jsonnet", ".libsonnet")):
            raise InputError(f"{self.path}: jsonnet source; build the rules and give the YAML")
        if alone := _CR_ALONE.search(self.text):
            line = self.text.count("\n", 0, alone.start()) + 1
            raise self._unusable(line, "a line that ends in CR alone; write LF or CR LF (tr '\\r' '\\n' does it)")
        try:
            documents = parse_documents(self.text)
        except YamlError as error:
            line, message = error.line, str(error)
            if template := _TEMPLATE.search(self.text):
                line = self.text.count("\n", 0, template.end()) + 1
                message = "a template ({{ … }} outside of a string); render it first (helm template), give the result"
            raise self._unusable(line, message) from None
        for number, document in enumerate(documents):
            if not (isinstance(document, ScalarNode) and document.null):
                self._document(document, first=number == 0)

    def _document(self, node: Node, first: bool) -> None:
        if not isinstance(node, MappingNode):
            raise self._unusable(node.line, f"not a rule file: {node.kind} where groups: is expected")
        self.plain = self.plain and node.get("kind") is None and node.get("namespace") is None
        if node.get("kind") is not None:
            self._resource(node)
        elif node.get("groups") is None:
            self._without_groups(node)
        else:
            if not first and node.get("namespace") is None:
                self._problem(node.line, "Prometheus reads only the first document of a rule file; split this file")
            if any(key.text == "groups" for key in node.repeated()):
                raise self._unusable(node.line, '"groups" is given twice')
            for key, _ in node.fields().values():
                if key.text not in _FILE_FIELDS:
                    self._problem(key.line, f'unknown field "{key.text}" (a rule file has groups)')
            self._groups(node.get("groups"), node.line, _text(node.get("namespace")))

    def _without_groups(self, node: MappingNode) -> None:
        names = tuple(node.fields())
        if names == ("groups",) or not names:  # nothing in it, which Prometheus takes as well
            return
        if self.named or not any(name in _NOT_RULES for name in names):
            raise self._unusable(node.line, f"not a rule file: no groups: (it has {', '.join(names[:8])})")

    def _resource(self, node: MappingNode) -> None:
        kind = _text(node.get("kind"))
        if kind == "List" or kind == f"{_RESOURCE}List":
            items = node.get("items")
            for item in items.items if isinstance(items, SequenceNode) else ():
                if isinstance(item, MappingNode):
                    self._resource(item)
        elif kind == _RESOURCE and _text(node.get("apiVersion")).startswith(_RESOURCE_API):
            meta, spec = node.get("metadata"), node.get("spec")
            parts = [_text(meta.get(name)) for name in ("namespace", "name")] if isinstance(meta, MappingNode) else []
            if not isinstance(spec, MappingNode):
                self._problem(node.line, f"a {_RESOURCE} needs a spec with groups")
                return
            self._groups(spec.get("groups"), spec.line, "/".join(part for part in parts if part))

    def _groups(self, node: Node | None, line: int, owner: str) -> None:
        if node is not None and not isinstance(node, SequenceNode):
            self._problem(line, f"groups should be a list, not {node.kind}")
        self.holds_groups = True
        for item in node.items if isinstance(node, SequenceNode) else ():
            read = self.reader.read(item)
            if read is not None:
                self._group(*read, item.line, owner)

    def _group(self, group: RuleGroup, nodes: tuple[MappingNode, ...], line: int, owner: str) -> None:
        if group.name in self.taken:
            longer = f"{group.name} ({owner})"
            if self.taken[group.name] == owner or longer in self.taken:
                self._problem(line, f'group "{group.name}": the name is repeated in this file')
                return
            group = replace(group, name=longer)
        self.taken[group.name] = owner
        self.groups.append(group)
        self.texts += [rule_text(self.text, group.ref(index), node) for index, node in enumerate(nodes)]

    def _problem(self, line: int, message: str) -> None:
        self.reader.problems.append(problem(self.path, line, message))

    def _unusable(self, line: int, message: str) -> InputError:
        return InputError(str(problem(self.path, line, message)))


def _text(node: Node | None) -> str:
    return node.text if isinstance(node, ScalarNode) else ""
