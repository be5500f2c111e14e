"""The kinds of plots, by name. One kind of noise a file; ``quiet`` holds the rules with which nothing is wrong."""

from __future__ import annotations

from rulegen.train.plot import Kind
from rulegen.train.plots import (
    chronic,
    error_rate,
    flapping,
    low_traffic,
    missing_data,
    noisy_few,
    quiet,
    restarts,
    seasonal,
    short_lived,
    slow_histogram,
    storm_effect,
    storm_single,
    tight_threshold,
)

KINDS: dict[str, Kind] = {
    kind.name: kind
    for kind in (
        chronic.KIND,
        error_rate.KIND,
        flapping.KIND,
        low_traffic.KIND,
        missing_data.KIND,
        noisy_few.KIND,
        restarts.KIND,
        seasonal.KIND,
        short_lived.KIND,
        slow_histogram.KIND,
        storm_effect.KIND,
        storm_single.KIND,
        tight_threshold.KIND,
        *quiet.KINDS,
    )
}
