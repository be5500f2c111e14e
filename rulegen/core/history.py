"""A history: all that was read about a team's alerts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rulegen.core.alert import Episode
from rulegen.core.durations import MINUTE
from rulegen.core.incident import IncidentRecord
from rulegen.core.overview import Overview
from rulegen.core.rule import RuleSet
from rulegen.core.semantics import Semantics
from rulegen.core.series import Samples
from rulegen.core.spans import Span


@dataclass(frozen=True, slots=True)
class History:
    """``recordings`` are the spans without a longer hole; ``record`` is None where no incidents are known.
    ``repaired`` says what had to be mended in the input, or left out of it, and how often.
    ``overview`` is what all recorded alerts come to, those included that a run does not look at one by one."""

    span: Span
    recordings: tuple[Span, ...]
    rules: RuleSet
    samples: Samples
    episodes: tuple[Episode, ...] = ()
    record: IncidentRecord | None = None
    semantics: Semantics = "open"
    repaired: tuple[tuple[str, int], ...] = ()
    overview: Overview | None = None


def recordings(samples: Samples, hole: int = 30 * MINUTE) -> tuple[Span, ...]:
    """The spans of time in which no ``hole`` ms pass without a sample of any series."""
    stacked = [series.times for series in samples if len(series.times)]
    if not stacked:
        return ()
    times = np.unique(np.concatenate(stacked))
    cuts = np.flatnonzero(np.diff(times) > hole)
    starts, ends = np.concatenate(([0], cuts + 1)), np.concatenate((cuts, [len(times) - 1]))
    return tuple(Span(int(times[a]), int(times[b])) for a, b in zip(starts, ends, strict=True))
