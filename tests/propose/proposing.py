"""Clusters and templates to propose with, and a model that answers from a queue."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Facts, Grade, Inventory, Pattern
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.templates.template import Template

INVENTORY = Inventory(
    metrics=("queue_depth",),
    labels=(("instance", 12), ("job", 2), ("zone", 3)),
    values=(("instance", "a:9100"), ("instance", "b:9100"), ("zone", "north")),
    thresholds=(120.0, 150.0, 200.0),
)


def cluster(
    expr: str = 'queue_depth{job="api"} > 100',
    inventory: Inventory = INVENTORY,
    grade: Grade = Grade.METRICS,
    rule: Rule | None = None,
    margin: float = 0.25,
    id: str = "c1",
) -> Cluster:
    facts = Facts(
        episodes=124,
        minutes=468.4,
        per_week=62.04,
        series=12,
        duration_median=2 * MINUTE,
        duration_p90=12 * MINUTE + 400,
        gap_median=4 * MINUTE,
        flapping_share=0.7,
        together_share=0.1,
        top_share=0.45,
        firing_share=0.02,
        margin=margin,
        incidents_touched=3,
    )
    rule = rule or Rule("QueueDeep", expr, hold=MINUTE, labels=Labels({"severity": "page"}))
    ref = RuleRef("rules.yml", "queues", 2)
    return Cluster(id, rule, ref, MINUTE, grade, Pattern.FLAPPING, facts, inventory, ())


def template(*slots: Slot, name: str = "probe") -> Template:
    return Template(
        name, "for the test", "tuning", frozenset({Grade.METRICS}), lambda _: slots, lambda c, _: (c.rule,)
    )


def retuning(*slots: Slot, name: str = "retuning") -> Template:
    """A template that writes what is in its slot ``for`` into the rule: a number waits so many minutes, a word is a
    label."""

    def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
        rule, value = cluster.rule, filled["for"]
        if isinstance(value, int):
            return (replace(rule, hold=value * MINUTE),)
        return (replace(rule, labels=rule.labels.updated({"note": str(value)})),)

    return Template(name, "for the test", "tuning", frozenset({Grade.METRICS}), lambda _: slots, render)


def numbers(*values: int) -> tuple[Choice, ...]:
    return tuple(Choice(f"{value}m", value) for value in values)


def choices(*tokens: str) -> tuple[Choice, ...]:
    return tuple(Choice(token, token) for token in tokens)


@dataclass
class FakeModel:
    """Gives the ``answers`` in turn (an exception is raised) and keeps what it was asked."""

    answers: deque[str | Exception]
    asked: list[dict[str, object]] = field(default_factory=list)
    name: str = "fake"
    sha256: str = "f" * 64

    def complete(self, prompt: str, grammar: str, **options: object) -> str:
        self.asked.append({"prompt": prompt, "grammar": grammar, **options})
        answer = self.answers.popleft()
        if isinstance(answer, Exception):
            raise answer
        return answer
