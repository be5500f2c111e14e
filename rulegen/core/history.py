"""A history: all that was read about a team's alerts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rulegen.core.alert import Episode
from rulegen.core.incident import IncidentRecord
from rulegen.core.rule import RuleSet
from rulegen.core.series import Samples
from rulegen.core.spans import Span

Semantics = Literal[
    "open", "closed"
]  # are range windows and lookback open on the left (Prometheus 3) or closed (2.x)?


@dataclass(frozen=True, slots=True)
class History:
    """``recordings`` are the spans without a longer hole; ``record`` is None where no incidents are known."""

    span: Span
    recordings: tuple[Span, ...]
    rules: RuleSet
    samples: Samples
    episodes: tuple[Episode, ...] = ()
    record: IncidentRecord | None = None
    semantics: Semantics = "open"
