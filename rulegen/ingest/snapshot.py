"""``GET /api/v2/alerts`` of Alertmanager → sightings of alerts.

The ``endsAt`` of a snapshot is no end: it is the time at which Alertmanager will give the alert up unless Prometheus
repeats it. So an alert is known to have fired until its ``updatedAt``, when Prometheus last sent it; only an
``endsAt`` that is not after ``updatedAt`` is an end that Prometheus told. Suppressed (silenced, inhibited) alerts
fire all the same and are taken like active ones.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ValidationError

from rulegen.ingest.problems import told
from rulegen.ingest.sightings import Sighting, alert_labels
from rulegen.ingest.times import parse_rfc3339


class _Status(BaseModel):
    state: Literal["active", "suppressed", "unprocessed"]


class _Alert(BaseModel):
    """Unknown keys are ignored here and above: the format is Alertmanager's, and grows."""

    labels: dict[str, str]
    startsAt: str
    updatedAt: str
    endsAt: str
    status: _Status


def read_snapshot(document: list[Any]) -> tuple[list[Sighting], list[str]]:
    """The alerts of one snapshot (JSON as Python values), and what is wrong with single alerts."""
    sightings, problems = [], []
    for number, item in enumerate(document, start=1):
        try:
            sightings.append(_sighting(_Alert.model_validate(item)))
        except ValidationError as error:  # a ValueError too
            problems.append(f"alert {number}: {told(error)}")
        except ValueError as error:
            problems.append(f"alert {number}: {error}")
    return sightings, problems


def _sighting(alert: _Alert) -> Sighting:
    labels = alert_labels(alert.labels)
    start, end, updated = (parse_rfc3339(text) for text in (alert.startsAt, alert.endsAt, alert.updatedAt))
    # The clocks of Prometheus (start) and Alertmanager (update) may differ a little.
    seen = max(start, updated)
    return Sighting(labels, start, seen, end if start <= end <= updated else None)
