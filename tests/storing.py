"""A store as ``rulegen listen`` keeps it, for tests that need no server."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from rulegen.core.labels import Labels
from rulegen.listen.reading import canonical
from rulegen.store.journal import Journal, Sighting

Kept = tuple[Mapping[str, str], int, int]  # labels, from and to in Unix seconds


def keep(path: Path, alerts: Iterable[Kept]) -> Path:
    """The store at ``path`` with ``alerts``, each of which is over."""
    journal = Journal(path)
    try:
        journal.write([Sighting(canonical(Labels(labels)), 1000 * a, 1000 * b, 0) for labels, a, b in alerts])
    finally:
        journal.close()
    return path
