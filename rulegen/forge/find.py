"""Where in the repository a claim's rule is written, and why it can't be edited where it is not written by hand."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.emit.expression import same
from rulegen.emit.rulefile import Edit, edited
from rulegen.emit.ruleitem import ordered
from rulegen.errors import InputError, RulegenError
from rulegen.forge.claim import Claim
from rulegen.forge.git import Repository
from rulegen.ingest.rulefile import source_in

_YAML = (".yml", ".yaml")
_JSONNET = (".jsonnet", ".libsonnet")
_MADE = re.compile(r"do not edit|@generated|generated (?:by|from|with|file)|auto-?generated", re.IGNORECASE)
_HEAD_LINES = 8  # where a generated file says so
_HELM = re.compile(r"^[ ]*(?:- +)?\{\{-?[ ]|\{\{-?[ ]*(?:include[ ]|\.Values|\.Release)|\{%", re.MULTILINE)


class Left(Exception):
    """A claim that can't be put into the repository. ``str()`` says why and what to do."""


class Done(Exception):
    """The repository has the change already."""


@dataclass(frozen=True, slots=True)
class Change:
    """One file of a commit: its path in the repository, what it holds before and after, and the ids of the claims."""

    path: str
    before: bytes
    after: bytes
    claims: tuple[str, ...]


def change(repository: Repository, commit: str, claims: Iterable[Claim]) -> dict[str, Change]:
    """The rule files that ``claims`` change at ``commit``, by path. Raises Left for a claim that can't be put there,
    and Done for one that is there already."""
    texts: dict[str, str] = {}
    before: dict[str, bytes] = {}
    ids: dict[str, list[str]] = {}
    for claim in claims:
        path = _path(repository, commit, claim)
        if path not in texts:
            content = repository.file(commit, path)
            if content is None:
                raise Left(f"{path}: is not in the repository's {commit[:9]}; was it moved?")
            before[path], texts[path] = content, _decoded(path, content)
        texts[path] = _edited(path, texts[path], claim)
        ids.setdefault(path, []).append(claim.id)
    return {path: Change(path, before[path], text.encode("utf-8"), tuple(ids[path])) for path, text in texts.items()}


def _path(repository: Repository, commit: str, claim: Claim) -> str:
    home = claim.replaces.home
    if home is not None:
        content = repository.file(commit, home)
        if content is not None:
            _by_hand(repository, commit, home, content, claim)
            return home
    return _searched(repository, commit, claim)


def _searched(repository: Repository, commit: str, claim: Claim) -> str:
    """The one rule file that holds the rule: for rules that came from a server, or whose file was moved."""
    name = claim.old.name
    paths = repository.holding(commit, name)
    holding = []
    for path in (path for path in paths if path.endswith(_YAML)):
        content = repository.file(commit, path)
        if content is None:
            continue
        try:
            rules = _listed(source_in(path, _decoded(path, content))[1])
        except (InputError, Left):
            continue
        if _places(rules, claim.old, claim.replaces.group) or _places(rules, claim.old, None):
            _by_hand(repository, commit, path, content, claim)
            holding.append(path)
    if len(holding) == 1:
        return holding[0]
    if holding:
        raise Left(f"{name} stands alike in {', '.join(sorted(holding)[:5])}: which one is meant can't be told")
    for path in paths:
        if path.endswith(_JSONNET):
            raise Left(f"{name} is written in {path}, which is jsonnet: change it there by hand")
        if path.endswith((*_YAML, ".tpl")) and _HELM.search(_decoded(path, repository.file(commit, path) or b"")):
            raise Left(f"{name} is written in {path}, which is a template (Helm?): change it there by hand")
    where = f" (it was read from {claim.replaces.path})" if claim.replaces.path else ""
    raise Left(f"{name}: no rule file of the repository holds it as it was read{where}")


def _by_hand(repository: Repository, commit: str, path: str, content: bytes, claim: Claim) -> None:
    """Raises Left for a file that something else writes."""
    text = _decoded(path, content)
    head = "\n".join(line for line in text.splitlines()[:_HEAD_LINES] if line.lstrip().startswith("#"))
    if _MADE.search(head):
        raise Left(f"{path}: says that it is generated; change what it is made from by hand")
    sources = [one for one in repository.holding(commit, claim.old.name) if one.endswith(_JSONNET)]
    if sources:
        raise Left(
            f"{path}: {claim.old.name} is also written in {sources[0]} (jsonnet), from which it seems to be made"
        )
    # Alert templates hold {{ too, inside of a value; Helm's actions stand where a key could.
    if _HELM.search(text):
        raise Left(f"{path}: is a template (Helm?), and what it renders to can't be edited: change it by hand")


def _edited(path: str, text: str, claim: Claim) -> str:
    try:
        source, found = source_in(path, text)
    except InputError as error:
        raise Left(f"{error}; the history was read with another text of it") from None
    rules = _listed(found)
    old = claim.old
    places = _places(rules, old, claim.replaces.group) or _places(rules, old, None)
    if not places:
        if _present(rules, claim):
            raise Done
        raise Left(
            f"{path}: {old.name} is not there as it was when the history was read (changed since, or not committed); "
            "run rulegen suggest again with the rules of the base"
        )
    ref = min(places, key=lambda one: abs(one.index - claim.replaces.index))
    try:
        result = edited(source, [Edit(ref, _at(rules, ref), ordered(claim.new), claim.note)])
    except RulegenError as error:
        raise Left(str(error)) from None
    if result.refused:
        raise Left(str(result.refused[0][1]))
    return result.text


def _listed(found: RuleSet) -> list[tuple[RuleRef, Rule]]:
    return [(ref, rule) for ref, _, rule in found]


def _places(rules: Iterable[tuple[RuleRef, Rule]], old: Rule, group: str | None) -> list[RuleRef]:
    """Where ``old`` stands as it was, in ``group`` (None: in any)."""
    return [ref for ref, rule in rules if (group is None or ref.group == group) and _alike(rule, old)]


def _at(rules: Iterable[tuple[RuleRef, Rule]], wanted: RuleRef) -> Rule:
    return next(rule for ref, rule in rules if ref == wanted)


def _present(rules: Iterable[tuple[RuleRef, Rule]], claim: Claim) -> bool:
    return bool(claim.new) and all(_places(rules, one, None) for one in claim.new)


def _alike(left: Rule, right: Rule) -> bool:
    bare = [replace(one, line=0, expr="") for one in (left, right)]
    return bare[0] == bare[1] and (left.expr == right.expr or same(left.expr, right.expr))


def _decoded(path: str, content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise Left(f"{path}: is not UTF-8") from None
