"""Which labels the catches have and the noise lacks."""

from __future__ import annotations

import numpy as np
from histories import firings

from rulegen.cluster.telling import telling
from rulegen.core.durations import MINUTE
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.core.spans import Grid

RULE = Rule("Deep", "queue > 1", labels=Labels({"severity": "page"}))


def alert(env: str, pod: str) -> Labels:
    return Labels({"alertname": "Deep", "severity": "page", "cluster": "x", "env": env, "pod": pod})


def test_what_tells_them_apart_comes_by_how_much() -> None:
    rows = [("prod", "a"), ("prod", "b"), ("prod", "a"), ("test", "a"), ("test", "d"), ("test", "c")]
    found = firings(
        Grid(0, 60 * MINUTE, MINUTE),
        [(alert(*row), k * 5 * MINUTE, (k * 5 + 1) * MINUTE) for k, row in enumerate(rows)],
    )
    catching = np.array([True, True, True, False, False, False])
    assert telling(RULE, found, ~catching, catching) == (("env", "prod"), ("pod", "a"))  # b is one target
    nothing = np.zeros(6, dtype=np.bool_)
    assert telling(RULE, found, ~nothing, nothing) == ()
