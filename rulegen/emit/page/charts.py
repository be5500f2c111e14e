"""Charts as SVG: they stretch to any width, so no text stands in a stretched one; words are the page's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from rulegen.core.outcome import Point
from rulegen.core.spans import Span

_WIDE = 1200  # columns into which a history is cut: about what a screen can show
_ROW = 10  # of the upper half of a strip, the pages as they were, and of the lower, as changed


def strip(
    span: Span, targets: Iterable[Span], before: NDArray[np.int64], after: NDArray[np.int64], label: str
) -> Markup:
    """A strip over ``span``: the pages ``before`` [n, 2] above, those ``after`` [m, 2] below, ms, over ``targets``.

    ``label`` is what somebody hears who does not see it.
    """
    inner = Markup('<path class="target" d="{}"/>').format(_bars(_columns(span, _pairs(targets)), 0, 24))
    inner += Markup('<path class="was" d="{}"/>').format(_bars(_columns(span, before), 1, _ROW))
    inner += Markup('<path class="now" d="{}"/>').format(_bars(_columns(span, after), 13, _ROW))
    return _svg("strip", f"0 0 {_WIDE} 24", label, inner)


def hours(week: NDArray[np.int64], most: int, label: str) -> Markup:
    """168 hours of the week as columns, the fuller the nearer to ``most``, with a line before each day."""
    inner = Markup("").join(
        Markup('<rect x="{}" y="0" width="1" height="10" class="heat" fill-opacity="{}"/>').format(
            hour, _depth(int(count), most)
        )
        for hour, count in enumerate(week)
        if count
    )
    lines = "".join(f"M{24 * day} 0v10" for day in range(1, 7))
    return _svg("hours", "0 0 168 10", label, inner + Markup('<path class="day" d="{}"/>').format(lines))


def front(points: Sequence[Point], label: str) -> Markup:
    """``points`` as dots: noise left to the right, the added delay upwards; the chosen one is filled.

    Places are percentages, so that the dots stay round at any width.
    """
    pages = max([one.pages for one in points], default=0) or 1
    delay = max([one.delay for one in points], default=0) or 1
    dots = []
    for number, one in enumerate(points, 1):
        x, y = 6 + 88 * one.pages / pages, 90 - 76 * max(0, one.delay) / delay
        kind = "chosen" if one.chosen else "beaten" if not one.kept else "other"
        dots.append(
            Markup('<circle class="dot {}" cx="{}%" cy="{}%" r="6"/><text x="{}%" y="{}%" dy="-11">{}</text>').format(
                kind, f"{x:.2f}", f"{y:.2f}", f"{x:.2f}", f"{y:.2f}", number
            )
        )
    axes = Markup('<line class="axis" x1="3%" x2="98%" y1="94%" y2="94%"/>')
    axes += Markup('<line class="axis" x1="3%" x2="3%" y1="4%" y2="94%"/>')
    return _svg("front", "", label, axes + Markup("").join(dots))


def depths(week: NDArray[np.int64], most: int) -> tuple[tuple[str, ...], ...]:
    """[7][24] how full the cell of each day and hour is, from ``0`` to ``1``."""
    return tuple(tuple(_depth(int(count), most) for count in day) for day in week.reshape(7, 24))


def _depth(count: int, most: int) -> str:
    """By the square root: one page an hour is seen beside a hundred."""
    return f"{(count / most) ** 0.5:.2f}" if most else "0"


def _svg(kind: str, box: str, label: str, inner: Markup) -> Markup:
    stretched = Markup(' viewBox="{}" preserveAspectRatio="none"').format(box) if box else Markup("")
    return Markup('<svg class="{}" role="img" aria-label="{}"{}>{}</svg>').format(kind, label, stretched, inner)


def _pairs(spans: Iterable[Span]) -> NDArray[np.int64]:
    return np.array([(one.start, one.end) for one in spans], dtype=np.int64).reshape(-1, 2)


def _columns(span: Span, spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """[_WIDE] the columns that any of ``spans`` [n, 2] touches; what lies outside ``span`` is left out."""
    length = max(1, span.length)
    first, last = ((spans[:, side] - span.start) * _WIDE // length for side in (0, 1))
    some = (last >= 0) & (first < _WIDE)
    edge = np.zeros(_WIDE + 1, dtype=np.int64)
    np.add.at(edge, np.clip(first[some], 0, _WIDE - 1), 1)
    np.add.at(edge, np.clip(last[some], 0, _WIDE - 1) + 1, -1)
    filled: NDArray[np.bool_] = np.cumsum(edge[:-1]) > 0
    return filled


def _bars(filled: NDArray[np.bool_], top: int, height: int) -> str:
    """The runs of ``filled`` as one path of rectangles."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(np.int8)))
    runs = zip(change[::2].tolist(), change[1::2].tolist(), strict=True)
    return "".join(f"M{start} {top}h{end - start}v{height}H{start}z" for start, end in runs)
