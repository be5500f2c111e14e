"""What is a counter: by name and by behaviour."""

from __future__ import annotations

import math

import numpy as np
import pytest
from histories import series

from rulegen.cluster.counters import counters
from rulegen.core.series import STALE, Samples

GROWING = [0.0, 1, 1, 4, 9, 9, 12, 20, 21, 25, 30, 31]


@pytest.mark.parametrize(
    ("name", "values", "is_one"),
    [
        ("a_total", GROWING, True),
        ("a_count", GROWING, True),
        ("a", GROWING, False),  # nobody calls it one
        ("a_total", [5.0] * 12, False),  # it may be one, and nothing happened
        ("a_total", [*GROWING, 0.0, 2, 5, 7], True),  # a restart
        ("a_total", [*GROWING, 29.0, 33.0], False),  # no restart takes back two
        ("a_total", [9.0, 1, 8, 0, 7, 1, 9, 2], False),  # up and down all the time
        ("a_sum", [-5.0, -3.0, 1.0], False),
        ("a_total", [*GROWING, STALE, math.nan, 1.0, 2.0], True),
        ("a_total", [], False),
    ],
)
def test_one_series(name: str, values: list[float], is_one: bool) -> None:
    assert counters([name], Samples.of([series(name, values)])) == ((name,) if is_one else ())


def test_all_series_of_the_name_must_be() -> None:
    rising = np.cumsum(np.ones(20)).tolist()
    both = Samples.of([series("a_total", rising, pod="a"), series("a_total", [20 - v for v in rising], pod="b")])
    assert counters(["a_total"], both) == ()
    assert counters(["b_total", "a_total"], Samples.of([series(n, rising) for n in ("a_total", "b_total")])) == (
        "a_total",
        "b_total",
    )
    assert counters(["gone_total"], both) == ()
