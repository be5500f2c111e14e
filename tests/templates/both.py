"""A rule over a history, to be changed by templates and replayed on both sides."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from histories import firing_at, history, ref, series

from rulegen.cluster.describe import describe
from rulegen.core.candidate import Slots
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.series import Series
from rulegen.propose.search import enumerate_proposals
from rulegen.replay.replay import Replayer
from rulegen.templates import TEMPLATES

LENGTH = 240  # minutes
PAGE = Labels({"severity": "page"})
PODS = [(f"p{k}", "north" if k < 3 else "south") for k in range(5)]


def level(seed: int, pod: str, zone: str, name: str = "queue") -> Series:
    """Mostly low, with runs that are high."""
    chance = np.random.default_rng(seed)
    values = chance.uniform(20, 90, LENGTH)
    for start in chance.integers(0, LENGTH - 20, 9):
        values[start : start + chance.integers(1, 16)] = chance.uniform(105, 240)
    return series(name, values.round(1).tolist(), pod=pod, zone=zone)


QUEUES = [level(k, *pod) for k, pod in enumerate(PODS)]


@dataclass(frozen=True)
class Both:
    """A rule over a history, with its cluster, to be changed by templates."""

    replayer: Replayer
    cluster: Cluster
    fired: Firings

    @classmethod
    def of(cls, rule: Rule, given: list[Series]) -> Both:
        return cls.at(Replayer(history(given, rule), MINUTE), ref(), rule)

    @classmethod
    def at(cls, replayer: Replayer, place: RuleRef, rule: Rule) -> Both:
        (fired,) = replayer.replay(place, (rule,), MINUTE)
        assert len(fired) >= 2
        noisy, peaks = np.ones(len(fired), dtype=np.bool_), replayer.peaks(place, fired)
        grade = replayer.grade(place)
        return cls(
            replayer,
            describe(place, rule, fired, noisy, peaks, grade=grade, weeks=1.0, incidents_touched=0),
            fired,
        )

    def changes(self, name: str, limit: int = 48) -> Iterator[tuple[Slots, tuple[Rule, ...], tuple[Firings, ...]]]:
        """Slots, rules and what these do, for what the search proposes from one template."""
        (template,) = [one for one in TEMPLATES if one.name == name]
        proposals = list(enumerate_proposals(self.cluster, [template], limit))
        assert proposals
        for proposal in proposals:
            try:
                rules = template.render(self.cluster, proposal.slots)
            except ValueError:
                continue
            yield proposal.slots, rules, self.replayer.replay(self.cluster.ref, rules, MINUTE)

    def before(self) -> dict[int, set[Labels]]:
        return firing_at([self.fired])


DEEP = Rule("Deep", "queue > 100", labels=PAGE)
