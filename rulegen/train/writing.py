"""How the series behind a rule are scraped, and the parts of an expression that every shape needs."""

from __future__ import annotations

import numpy as np

from rulegen.core.series import Values
from rulegen.train.canvas import Canvas
from rulegen.train.plot import Signal
from rulegen.train.vocabulary import Measure


def gauges(canvas: Canvas, name: str, values: Values, quantum: float, every: int = 0) -> tuple[Signal, ...]:
    """A gauge for each part of ``canvas`` with ``values`` [parts, n], scraped like the others or ``every`` ticks."""
    measure = Measure(name, "gauge", "A level.", quantum=quantum)
    return tuple(
        Signal(measure, part.target, row, every or canvas.stage.every, part.labels)
        for part, row in zip(canvas.parts, values.astype(np.float64), strict=True)
    )


def alike(level: Values) -> Values:
    """``level`` [parts, n] where what one part sees is mostly seen by all, so that their sum shows it."""
    shared: Values = np.maximum(level, 0.75 * np.nan_to_num(level).max(axis=0))
    return shared


def select(canvas: Canvas, metric: str, **more: str) -> str:
    """The selector of ``metric`` with what this team always writes in it, and ``more`` (``=~5..`` as the value)."""
    matchers: dict[str, str] = {**canvas.stage.scope, **more}
    inner = ", ".join(f"{name}{_matcher(value)}" for name, value in matchers.items())
    return f"{metric}{{{inner}}}" if inner else metric


def _matcher(value: str) -> str:
    for op in ("=~", "!~", "!="):
        if value.startswith(op):
            return f'{op}"{value.removeprefix(op)}"'
    return f'="{value}"'


def keys(canvas: Canvas) -> str:
    """The labels that an aggregation keeps: the service, and for every other metric the namespace.

    Which metrics is said by how long their names are, so that all parts of an expression agree.
    """
    dialect = canvas.stage.dialect
    shared = [name for name in canvas.parts[0].target.lives[0].labels if name not in (dialect.service, dialect.pod)]
    kept = [name for name in shared if (len(name) + len(canvas.family.name)) % 2]
    return ", ".join((*kept, dialect.service))


def op_or_equal(rng: np.random.Generator, op: str) -> str:
    """``>`` or ``<`` mostly, ``>=`` or ``<=`` at times."""
    return op if rng.random() < 0.85 else f"{op}="


def fine(scale: float) -> float:
    """What values of about ``scale`` are rounded to: a power of ten, a hundredth of it or less."""
    return float(10.0 ** np.floor(np.log10(max(scale, 1e-6)) - 2.5))
