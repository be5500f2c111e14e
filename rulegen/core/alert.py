"""Alerts as they fired."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.core.labels import ALERT_NAME, Labels
from rulegen.core.spans import Span


@dataclass(frozen=True, slots=True)
class Episode:
    """One active period of one label set: from the first evaluation firing to the last (ms).

    ``labels`` hold ``alertname``. ``open`` is true when the source ended before the alert did.
    """

    labels: Labels
    span: Span
    open: bool = False

    @property
    def name(self) -> str:
        return self.labels.get(ALERT_NAME, "")
