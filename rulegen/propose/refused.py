"""A proposal, or an answer, that comes to nothing."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing came of it, in one line that is safe to print."""

    reason: str
