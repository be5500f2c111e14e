"""Whether the files of a store still stand where they were opened.

Somebody may move, replace or delete a store while it is written. SQLite goes on with the files that it has open; but
whoever opens the store by its name then finds another file beside its log, or takes the log away.
"""

from __future__ import annotations

import os
from pathlib import Path


class Place:
    """The database at ``path`` and its log, as they stand there now."""

    def __init__(self, path: Path) -> None:
        real = path.resolve()  # SQLite puts the log beside what a link leads to
        self._path, self._log = path, real.with_name(f"{real.name}-wal")
        self._was, self._log_was = _which(path), _which(self._log)
        # A handle that leads to the file wherever it goes. Any other kind would, closed, end SQLite's locks on it.
        self._handle = os.open(path, os.O_PATH | os.O_CLOEXEC) if hasattr(os, "O_PATH") else -1

    def left(self) -> str:
        """What became of it, in words; "" while all is where it was."""
        if _which(self._path) != self._was:
            where = str(Path(f"/proc/self/fd/{self._handle}").readlink()) if self._handle >= 0 else ""
            if not where or where.endswith(" (deleted)"):
                return "it was deleted or replaced while it was written"
            return f"it was moved while it was written, and is {where} now"
        log = _which(self._log)
        if self._log_was is None:
            self._log_was = log  # it is made with the first commit
        if log != self._log_was:
            return f"its log {self._log.name} was moved, deleted or replaced while it was written"
        return ""

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)


def _which(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
