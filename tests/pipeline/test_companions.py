"""Companions as the pipeline finds them: of other rules, in the part that may be learned from, and not by design."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from histories import history, ref, series

from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster, Pattern, Relation
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.incident import Incident
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.series import Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk
from rulegen.score.parts import Parts

PAGE = Labels({"severity": "page"})
MINUTES = 8 * DAY // MINUTE
HIGHS = [at + (at * 7) % 60 for at in range(50, MINUTES - 100, 180)]
INCIDENT = [Incident("i", Span(0, MINUTE)), Incident("j", Span((MINUTES - 2) * MINUTE, (MINUTES - 1) * MINUTE))]


def levels(name: str, highs: Iterable[int]) -> Series:
    values = np.full(MINUTES, 10.0)
    for at in highs:
        values[at : at + 10] = 150.0
    return series(name, values.tolist(), service="a")


def nothing(_: Cluster) -> tuple[Proposal, ...]:
    return ()


def clusters(samples: list[Series], *rules: Rule, until: float = 1.0) -> dict[int, Cluster]:
    """Clusters by the rule's index, learned from the first part of the history."""
    given = history(samples, *rules, incidents=INCIDENT)
    desk = Desk.of(given, Settings(), nothing, MINUTE, lambda *_: None)
    fit = np.arange(desk.judge.blocks) < until * desk.judge.blocks
    none = np.zeros_like(fit)
    return {one.ref.index: one for one in desk.select(Parts(fit, ~fit, none)).clusters}


def test_two_rules_that_say_the_same_are_named() -> None:
    two = Rule("One", "queue > 100", labels=PAGE), Rule("Two", "queue > 120", labels=PAGE)
    found = clusters([levels("queue", HIGHS)], *two)
    for index, other in ((0, 1), (1, 0)):
        (one,) = found[index].companions
        assert (one.ref, one.relation, one.equal) == (ref(other), Relation.DUPLICATE, ("service",))
        assert found[index].pattern is Pattern.DUPLICATE


def test_what_fires_by_design_is_no_companion() -> None:
    watchdog = Rule("Watchdog", "queue > 100", labels=PAGE)
    found = clusters([levels("queue", HIGHS)], Rule("One", "queue > 100", labels=PAGE), watchdog)
    assert found[0].companions == ()


def test_what_came_together_later_is_not_known_yet() -> None:
    half = MINUTES // 2
    apart = [at if at > half else (at * 13) % (half - 20) for at in HIGHS]
    two = Rule("One", "queue > 100", labels=PAGE), Rule("Two", "errors > 100", labels=PAGE)
    samples = [levels("queue", HIGHS), levels("errors", apart)]
    known = clusters(samples, *two, until=0.49)
    assert known[0].companions == () and known[0].facts.episodes > 10
    together = [levels("queue", HIGHS), levels("errors", HIGHS)]
    assert clusters(together, *two, until=0.49)[0].companions != ()
