"""Rules none of whose series are known, replayed from what was recorded of their alerts."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from rulegen.core.alert import Episode
from rulegen.core.history import History
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.series import Samples
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import Evaluator
from rulegen.replay.groups import replay_groups
from rulegen.replay.observed import series, stand_in
from rulegen.replay.recorded import OF_ALERTS, fixed_labels

T = TypeVar("T")
NOTHING = "there are no samples of what it reads, and no alert of this name was recorded"


@dataclass(frozen=True, slots=True, eq=False)
class StoodIn:
    """What the recorded alerts of such rules ``fired``; ``why`` that can't be told of others; and those that are
    ``unmatched``: they read nothing and nobody recorded an alert of them, while series were looked for."""

    fired: dict[RuleRef, tuple[Rule, Firings]] = field(default_factory=dict)
    why: dict[RuleRef, tuple[Rule, str]] = field(default_factory=dict)
    unmatched: dict[RuleRef, Rule] = field(default_factory=dict)

    def among(self, refs: Collection[RuleRef]) -> StoodIn:
        """Of the rules ``refs`` alone."""

        def some(rules: Mapping[RuleRef, T]) -> dict[RuleRef, T]:
            return {ref: one for ref, one in rules.items() if ref in refs}

        return StoodIn(some(self.fired), some(self.why), some(self.unmatched))


def stood_in(
    history: History, rules: RuleSet, unseen: Collection[RuleRef], interval: int, *, measured: bool
) -> StoodIn:
    """The rules ``unseen`` of ``rules``, each as a change of the history's rule of that name, of several the one at
    its place among them. ``interval`` (ms) is how often recorded alerts are taken to have been evaluated;
    ``measured`` says whether the history would have the series if there were any."""
    known: dict[str, list[Rule]] = defaultdict(list)
    for _, _, rule in history.rules:
        if rule.kind == "alert":
            known[rule.name].append(rule)
    recorded: dict[str, list[Episode]] = defaultdict(list)
    for one in history.episodes:
        recorded[one.name].append(one)
    places: dict[str, int] = defaultdict(int)
    found = StoodIn()
    for ref, group, rule in rules:
        if rule.kind != "alert":
            continue
        twins, place = known[rule.name], places[rule.name]
        places[rule.name] += 1
        if ref not in unseen:
            continue
        mine = _of(twins, place, recorded[rule.name])
        if mine:
            try:
                found.fired[ref] = rule, _fired(history, stand_in(rule, twins[place]), group, mine, interval)
            except UnsupportedError as error:
                found.why[ref] = rule, str(error)
        elif measured:
            found.unmatched[ref] = rule
        else:
            found.why[ref] = rule, NOTHING
    return found


def _of(twins: Sequence[Rule], place: int, episodes: Sequence[Episode]) -> Sequence[Episode]:
    """Those of the rule at ``place`` among its ``twins``, the rules of one name: labels that it fixes tell."""
    if place >= len(twins):
        return ()
    if len(twins) == 1:
        return episodes
    fixed = Labels(fixed_labels(twins[place]))
    return [one for one in episodes if one.labels.keep(fixed) == fixed]


def _fired(history: History, rule: Rule, group: RuleGroup, episodes: Sequence[Episode], interval: int) -> Firings:
    """What ``rule``, which reads recorded alerts, did. Raises QueryError."""
    engine = Evaluator(Samples.of(series(episodes, interval)), semantics=history.semantics)
    # Between two evaluations of a slower group a recorded alert would be overlooked.
    alone = replace(group, rules=(rule,), interval=min(group.interval, interval), limit=0, query_offset=0)
    (result,) = replay_groups(RuleSet((alone,)), engine, history.span, known=OF_ALERTS).results
    if result.firings is None:
        raise QueryError(result.error)
    return result.firings
