"""Which conditions are found, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from histories import firings

from rulegen.cluster.conditions import LEAST_TELLING, MOST, Seen, conditions, signals
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Firings
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid
from rulegen.promql import Matrix

GRID = Grid(0, 999 * MINUTE, MINUTE)
PAGE = Labels({"severity": "page"})
SLOW = Rule("Slow", 'latency{quantile="0.9"} > 2', labels=PAGE)
NOISE = [10 * k for k in range(20, 60)]  # minutes
CAUGHT = [10 * k for k in range(60, 70)]


def alerts(rule: Rule, at: Sequence[int], length: int = 2, **labels: str) -> Firings:
    full = Labels({"alertname": rule.name, **rule.labels, **labels})
    return firings(GRID, [(full, minute * MINUTE, (minute + length - 1) * MINUTE) for minute in at])


def seen(**labels: str) -> Seen:
    fired = alerts(SLOW, [*NOISE, *CAUGHT], pod="a", quantile="0.9", **labels)
    caught = fired.start >= 600 * MINUTE
    return Seen(SLOW, fired, ~caught, caught)


def nothing(_: str) -> Matrix | None:
    return None


def found(
    one: Seen, *others: tuple[str, Sequence[int], Mapping[str, str]]
) -> list[tuple[str, tuple[str, ...] | None]]:
    rules = [(Rule(f"R{k}", expr, labels=PAGE), at, labels) for k, (expr, at, labels) in enumerate(others)]
    company = signals([(rule, alerts(rule, at, **labels)) for rule, at, labels in rules])
    return [(condition.expr, condition.on) for condition in conditions(one, company, {}, nothing)]


def test_what_tells_most_comes_first() -> None:
    some = found(
        seen(),
        ("weak > 1", [*CAUGHT, *NOISE[:20]], {"pod": "a"}),
        ("strong > 1", [*CAUGHT, *NOISE[:4]], {"pod": "a"}),
        ("coin > 1", [*CAUGHT, *NOISE[:-2]], {"pod": "a"}),
        ("wrong > 1", NOISE, {"pod": "a"}),
    )
    assert some == [("strong > 1", ("pod",)), ("weak > 1", ("pod",))]


def test_a_catch_that_only_a_weaker_one_keeps_is_kept() -> None:
    strong = [(f"s{k} > 1", CAUGHT[:8], {"pod": "a"}) for k in range(MOST + 2)]
    last = ("last > 1", [*CAUGHT[5:], *NOISE[:4]], {"pod": "a"})
    some = [expr for expr, _ in found(seen(), *strong, last)]
    assert len(some) == MOST and some[:2] == ["s0 > 1", "last > 1"]


@pytest.mark.parametrize(
    ("labels", "on"),
    [
        ({"pod": "a"}, ("pod",)),
        ({"pod": "a", "quantile": "0.99"}, ("pod",)),  # another quantile of the same target
        ({"pod": "a", "zone": "z"}, ("pod",)),
        ({"pod": "b"}, None),  # another target
        ({"pod": "b", "quantile": "0.9"}, None),
        ({"zone": "z"}, None),  # nothing in common
    ],
)
def test_both_sides_are_about_the_same_target(labels: Mapping[str, str], on: tuple[str, ...] | None) -> None:
    some = found(seen(), ("cpu > 1", CAUGHT, labels))
    assert some == ([("cpu > 1", on)] if on else [])


def test_a_shared_surrounding_is_no_shared_target() -> None:
    assert found(seen(namespace="n"), ("cpu > 1", CAUGHT, {"pod": "b", "namespace": "n"})) == []


def test_a_rule_that_caught_nothing_has_no_second_signal() -> None:
    one = seen()
    blind = Seen(SLOW, one.firings, np.ones_like(one.noisy), np.zeros_like(one.noisy))
    assert found(blind, ("cpu > 1", NOISE[:3], {"pod": "a"})) == []


def test_only_whole_comparisons_are_signals() -> None:
    rules = [Rule("A", "cpu > 1 and on (pod) up == 1"), Rule("B", "absent(up)"), Rule("C", "cpu > 1")]
    assert [one.rule.name for one in signals([(rule, alerts(rule, [1], pod="a")) for rule in rules])] == ["C"]


def test_metrics_are_known_by_their_names() -> None:
    """What is down throughout the noise, and rolled out throughout it, excuses it; requests tell it apart."""
    noisy = np.zeros(len(GRID), dtype=np.bool_)
    for at in NOISE:
        noisy[at - 1 : at + 3] = True
    asked: list[str] = []

    def level(expr: str) -> Matrix:
        asked.append(expr)
        values = np.where(noisy, 0.5, 90.0)[None]
        return Matrix((Labels({"pod": "a"}),), values, np.ones_like(noisy)[None] if "rate" in expr else noisy[None])

    pod = (Labels({"pod": "a"}),)
    names = (
        "up", "http_requests_total", "http_requests_failed_total", "http_request_duration_seconds_count",
        "process_start_time_seconds", "kube_deployment_status_observed_generation", "node_in_maintenance",
        "latency", "up{odd} requests_total",
    )  # fmt: skip
    some = conditions(seen(), (), dict.fromkeys(names, pod), level)
    assert {(one.kind, one.join, " ".join(one.expr.split())) for one in some} == {
        ("target down", "unless", "up == 0"),
        ("traffic", "and", "sum by (pod) (rate(http_requests_total[5m])) > 45"),
        ("rollout", "unless", "time() - process_start_time_seconds < 600"),
        ("rollout", "unless", "changes(kube_deployment_status_observed_generation[10m]) > 0"),
        ("maintenance", "unless", "node_in_maintenance > 0"),
    }
    assert all(one.on == ("pod",) for one in some) and not any("failed" in expr or "odd" in expr for expr in asked)


def test_a_condition_that_holds_in_incidents_too_is_not_offered() -> None:
    everywhere = np.ones((1, len(GRID)), dtype=np.bool_)

    def level(_: str) -> Matrix:
        return Matrix((Labels({"pod": "a"}),), np.zeros(everywhere.shape), everywhere)

    assert conditions(seen(), (), {"up": (Labels({"pod": "a"}),)}, level) == ()
    assert 0 < LEAST_TELLING < 1
