"""What was really wrong, and for which time somebody kept a record of it."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.core.labels import EMPTY, Labels
from rulegen.core.spans import Span


@dataclass(frozen=True, slots=True)
class Incident:
    """Something that was really wrong: ``span`` in ms, ``labels`` from the record's other columns."""

    id: str
    span: Span
    labels: Labels = EMPTY


@dataclass(frozen=True, slots=True)
class IncidentRecord:
    """The incidents, sorted by start then id, and ``judged``: the time for which the record was kept."""

    incidents: tuple[Incident, ...]
    judged: tuple[Span, ...]
