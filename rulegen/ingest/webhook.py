"""Alertmanager's webhook payload, version 4 → sightings of alerts.

https://prometheus.io/docs/alerting/latest/configuration/#webhook_config. A payload does not say when it was sent.
Where the receiver added a ``receivedAt`` or ``timestamp`` (Unix seconds or RFC 3339), an alert that still fires is
known to have fired until then; without one only its start is known.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import AliasChoices, BaseModel, Field, ValidationError

from rulegen.ingest.problems import told
from rulegen.ingest.sightings import Sighting, alert_labels
from rulegen.ingest.times import parse_rfc3339, parse_time

VERSION = "4"
_UNSET = parse_rfc3339("0001-01-01T00:00:00Z")  # Go's zero time: an alert that still fires has no end


class _Alert(BaseModel):
    """Unknown keys are ignored here and below: the format is Alertmanager's, and grows."""

    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    startsAt: str
    endsAt: str = "0001-01-01T00:00:00Z"


class _Payload(BaseModel):
    version: str
    alerts: list[Any]
    truncatedAlerts: int = 0
    received: str | float | None = Field(None, validation_alias=AliasChoices("receivedAt", "timestamp"))


def read_payload(document: Any) -> tuple[list[Sighting], list[str]]:
    """The alerts of one payload (JSON as Python values), and what is wrong with it or with single alerts."""
    try:
        payload = _Payload.model_validate(document)
    except ValidationError as error:
        return [], [f"webhook payload: {told(error)}"]
    if payload.version != VERSION:
        return [], [f'webhook payload: version "{payload.version}" is not supported (only {VERSION})']
    sightings, problems, received = [], [], _UNSET
    if payload.truncatedAlerts > 0:
        problems.append(f"webhook payload: Alertmanager left out {payload.truncatedAlerts} alerts (max_alerts)")
    if payload.received is not None:
        try:
            received = parse_time(str(payload.received))
        except ValueError as error:
            problems.append(f"webhook payload: receivedAt: {error}; left out")
    for number, item in enumerate(payload.alerts, start=1):
        try:
            sightings.append(_sighting(_Alert.model_validate(item), received))
        except ValidationError as error:  # a ValueError too
            problems.append(f"alert {number}: {told(error)}")
        except ValueError as error:
            problems.append(f"alert {number}: {error}")
    return sightings, problems


def _sighting(alert: _Alert, received: int) -> Sighting:
    labels = alert_labels(alert.labels)
    start, end = parse_rfc3339(alert.startsAt), parse_rfc3339(alert.endsAt)
    if start == _UNSET:
        raise ValueError(f'"{labels["alertname"]}": no startsAt')
    if alert.status == "firing":
        return Sighting(labels, start, max(start, received))
    if end == _UNSET:
        raise ValueError(f'"{labels["alertname"]}": resolved, without endsAt')
    if end < start:
        raise ValueError(f'"{labels["alertname"]}": ends ({alert.endsAt}) before it starts ({alert.startsAt})')
    return Sighting(labels, start, end, end)
