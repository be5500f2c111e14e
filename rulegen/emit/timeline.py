"""The pages of a changed rule over time, before and after, as counts: what a text can draw."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import DAY, HOUR, MINUTE, format_duration
from rulegen.core.picture import Picture
from rulegen.emit.times import time_text

COLUMNS = 60  # at most: as wide as a quoted block of text is on a phone, or a little more
_STEPS = (MINUTE, 5 * MINUTE, 15 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 6 * HOUR, 12 * HOUR, DAY)


def timelines(picture: Picture) -> dict[str, dict[str, Any]]:
    """By suggestion id: ``start``, ``step`` and for each step how many pages the rule began ``before`` and ``after``
    the change, and how many targets began. The step is the shortest round one with which no more than ``COLUMNS`` are
    needed."""
    length = picture.span.length
    step = next((one for one in _STEPS if length < one * COLUMNS), -(-length // (DAY * COLUMNS)) * DAY + DAY)
    start = picture.span.start // step * step
    bins = (picture.span.end - start) // step + 1

    def counted(times: NDArray[np.int64]) -> list[int]:
        inside = times[(times >= start) & (times <= picture.span.end)]
        counts: list[int] = np.bincount((inside - start) // step, minlength=bins).tolist()
        return counts

    targets = counted(np.array([span.start for _, span in picture.targets], dtype=np.int64))
    return {
        lane.suggestion: {
            "start": time_text(start),
            "step": format_duration(step),
            "before": counted(lane.before.spans[:, 0]),
            "after": counted(lane.after.spans[:, 0]),
            "targets": targets,
        }
        for lane in picture.lanes
        if lane.suggestion
    }
