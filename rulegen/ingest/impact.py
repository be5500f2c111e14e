"""Incidents from an expression: the windows in which it held."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import METRIC_NAME
from rulegen.core.series import Series
from rulegen.core.spans import Span


def held(series: Iterable[Series], step: int, span: Span) -> IncidentRecord:
    """One incident for each run of evaluations, ``step`` ms apart, at which a series of the result exists.

    Its labels are the series'. The record was kept for all of ``span``.
    """
    found = []
    for one in series:
        if not len(one.times):
            continue
        cuts = np.flatnonzero(np.diff(one.times) > step)
        starts = one.times[np.concatenate(([0], cuts + 1))]
        ends = one.times[np.concatenate((cuts, [len(one.times) - 1]))]
        labels = one.labels.drop((METRIC_NAME,))
        found += [(Span(int(start), int(end)), labels) for start, end in zip(starts, ends, strict=True)]
    found.sort()
    incidents = tuple(Incident(f"IMPACT-{n:03d}", span, labels) for n, (span, labels) in enumerate(found, 1))
    return IncidentRecord(incidents, (span,))
