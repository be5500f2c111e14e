"""All recorded alerts at once, over their names: what repeats a pattern, and what leads to what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.alert import Episode
from rulegen.core.cluster import Facts, Pattern


@dataclass(frozen=True, slots=True, eq=False)
class Repeated:
    """Alerts of one name, or of ``names`` names that differ only in identifiers (``Backup_*``), and their pattern.

    ``rows`` [alerts] is where each stood in what was given, by start: the link to the alerts. ``examples`` are the
    first, the middle and the last of them.
    """

    name: str
    names: int
    pattern: Pattern
    facts: Facts
    rows: NDArray[np.int64]
    examples: tuple[Episode, ...]


@dataclass(frozen=True, slots=True)
class Led:
    """Alerts of ``first`` bring on the share ``brought`` of those of ``then``, a median of ``lag`` ms later; ``seen``
    of these come within reach of one of ``first``. ``p``: the chance of as clear a pair if there were none."""

    first: str
    then: str
    lag: int
    seen: int
    brought: float
    p: float


@dataclass(frozen=True, slots=True, eq=False)
class Overview:
    """``alerts`` alerts of ``names`` names, of which ``alone`` came once and repeat nothing. ``repeated`` has most
    alerts first, ``led`` the clearest pair first."""

    alerts: int
    names: int
    alone: int
    repeated: tuple[Repeated, ...]
    led: tuple[Led, ...]
