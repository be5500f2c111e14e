"""The overview of recorded alerts: every alert of a cluster is linked, and nothing is lost."""

from __future__ import annotations

import numpy as np

from rulegen.cluster.overview import overview
from rulegen.core.alert import Episode
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.spans import Span


def episode(name: str, start: int, **labels: str) -> Episode:
    return Episode(Labels({"alertname": name, **labels}), Span(start, start + MINUTE))


def test_nothing_gives_nothing() -> None:
    assert overview(()) is None


def test_rows_lead_back_to_the_alerts() -> None:
    alerts = [
        *(episode(f"Backup_{k:02x}f3a9c2b7d", k * HOUR) for k in range(30)),
        *(episode("Slow", k * HOUR + 7 * MINUTE, pod=f"p{k % 3}") for k in range(20)),
        episode("Once", 5 * HOUR),
    ]
    order = np.random.default_rng(3).permutation(len(alerts))
    given = [alerts[at] for at in order]
    found = overview(given)
    assert found is not None and (found.alerts, found.names, found.alone) == (51, 32, 1)
    assert [(one.name, one.names) for one in found.repeated] == [("Backup_*", 30), ("Slow", 1)]
    for one, begin in zip(found.repeated, ("Backup_", "Slow"), strict=True):
        linked = [given[int(at)] for at in one.rows]
        assert linked == sorted((it for it in given if it.name.startswith(begin)), key=lambda it: it.span.start)
        assert one.examples == (linked[0], linked[len(linked) // 2], linked[-1])
        assert one.facts.episodes == len(linked)
