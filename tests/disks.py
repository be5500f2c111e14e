"""Disks of their own for tests: small enough to be filled, and read-only at will."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Disk:
    path: Path

    def fill(self) -> Path:
        """Leaves no byte, and gives the file to be removed for room."""
        filler = self.path / "filler"
        with filler.open("wb", buffering=0) as file:
            for size in (65_536, 1):
                try:
                    while file.write(b"x" * size):
                        pass
                except OSError:
                    continue
        return filler

    def read_only(self, so: bool) -> None:
        _mount("-o", "remount,ro" if so else "remount,rw", str(self.path))


@contextmanager
def disk(path: Path, megabytes: int) -> Iterator[Disk]:
    """A file system in memory at ``path``; the test is skipped where nobody may mount one."""
    path.mkdir()
    try:
        _mount("-t", "tmpfs", "-o", f"size={megabytes}m", "none", str(path))
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting a disk needs rights that are not here")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True, timeout=20)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True, timeout=20)
