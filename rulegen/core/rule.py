"""Rules and rule groups, as Prometheus has them, with the place they were read from."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from rulegen.core.durations import MINUTE
from rulegen.core.labels import EMPTY, Labels


@dataclass(frozen=True, slots=True, order=True)
class RuleRef:
    """Where a rule stands: file as the user named it, group, position in the group (from 0)."""

    path: str
    group: str
    index: int

    def __str__(self) -> str:
        return f"{self.path}:{self.group}:{self.index}"


@dataclass(frozen=True, slots=True)
class Rule:
    """One alerting or recording rule.

    ``hold`` is ``for`` and ``keep_firing_for`` is itself, both ms. ``line`` is where the rule starts in its file
    (from 1; 0 for a rule that no file holds).
    """

    name: str
    expr: str
    kind: Literal["alert", "record"] = "alert"
    hold: int = 0
    keep_firing_for: int = 0
    labels: Labels = EMPTY
    annotations: Labels = EMPTY
    line: int = 0


@dataclass(frozen=True, slots=True)
class RuleGroup:
    """Rules evaluated in order at one interval. Times in ms; ``limit`` 0 is no limit.

    ``home`` is how ids name the file, however the user spelled ``path``: its path in the repository that holds it.
    """

    name: str
    rules: tuple[Rule, ...]
    path: str = ""
    interval: int = MINUTE
    limit: int = 0
    query_offset: int = 0
    home: str = ""  # "" is ``path``

    def ref(self, index: int) -> RuleRef:
        return RuleRef(self.path, self.name, index)


@dataclass(frozen=True, slots=True)
class RuleSet:
    """All groups of all files, in reading order."""

    groups: tuple[RuleGroup, ...] = field(default=())

    def __iter__(self) -> Iterator[tuple[RuleRef, RuleGroup, Rule]]:
        for group in self.groups:
            for index, rule in enumerate(group.rules):
                yield group.ref(index), group, rule

    def __len__(self) -> int:
        return sum(len(group.rules) for group in self.groups)

    def identities(self) -> dict[RuleRef, str]:
        """What tells each rule from all others, and stays when the path is spelled otherwise, when rules are added
        above, and when waits or annotations change. Rules alike in all that are counted."""
        seen: Counter[str] = Counter()
        found = {}
        for ref, group, rule in self:
            pairs = [list(pair) for pair in rule.labels.pairs]
            key = json.dumps([group.home or group.path, group.name, rule.name, rule.expr, pairs])
            seen[key] += 1
            found[ref] = key if seen[key] == 1 else f"{key}:{seen[key]}"
        return found
