"""Alerts as Prometheus sends them, and the notifications that Alertmanager makes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from rulegen.core.labels import Labels
from rulegen.core.outcome import NEVER, Firings
from rulegen.core.spans import Times

# new: the first about its group; changed: alerts joined it; resolved: some or all are over; repeat: nothing changed
# for repeat_interval.
Reason = Literal["new", "changed", "resolved", "repeat"]


@dataclass(frozen=True, slots=True, eq=False)
class Alerts:
    """Firings as Alertmanager hears of them, in any order.

    ``labels`` [series] are distinct label sets, ``series`` [n] points into them. ``start`` [n] is the first
    evaluation at which the alert fired, ``resolved`` [n] the first at which it no longer did (``NEVER``: it outlives
    the history), ``interval`` [n] the evaluation interval of its rule, all ms. ``until`` is where the history ends.
    """

    labels: tuple[Labels, ...]
    series: Times
    start: Times
    resolved: Times
    interval: Times
    until: int

    def __len__(self) -> int:
        return len(self.start)


def sent(several: Sequence[Firings]) -> Alerts:
    """What Prometheus sends for the firings of rules, in their order: ``Alerts`` [n] is their concatenation.

    Prometheus (rules/alerting.go) tells that an alert is over at the first evaluation at which it no longer fires.
    Raises ValueError without any.
    """
    if not several:
        raise ValueError("no firings to send")
    ids: dict[Labels, int] = {}
    at = [np.array([ids.setdefault(labels, len(ids)) for labels in one.labels], dtype=np.int64) for one in several]
    over = [one.end + one.grid.step for one in several]
    return Alerts(
        tuple(ids),
        np.concatenate([place[one.series] for place, one in zip(at, several, strict=True)]),
        np.concatenate([one.start for one in several]),
        np.concatenate([np.where(o > one.grid.end, NEVER, o) for o, one in zip(over, several, strict=True)]),
        np.concatenate([np.full(len(one), one.grid.step, dtype=np.int64) for one in several]),
        max(one.grid.end for one in several),
    )


@dataclass(frozen=True, slots=True)
class Notification:
    """One message to one receiver, through ``integrations`` at once (their kinds).

    ``route`` and ``group`` are the two halves of Alertmanager's group key. ``firing`` and ``resolved`` hold sorted
    label sets; ``resolved`` is empty where no integration says that alerts are over. ``fresh`` are the firings
    (indices into the :class:`Alerts`) that no earlier notification to this receiver contained.
    """

    time: int  # ms
    receiver: str
    route: str
    group: Labels
    reason: Reason
    firing: tuple[Labels, ...]
    resolved: tuple[Labels, ...]
    integrations: tuple[str, ...]
    fresh: tuple[int, ...] = ()
