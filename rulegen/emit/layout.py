"""Where a rule file stands below ``rules/``: as it stood below what the user named."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from rulegen.errors import InputError

_NEW = "rulegen"


def placed(paths: Sequence[str], roots: Sequence[str]) -> dict[str, str]:
    """Each of ``paths`` [rule files] → its path below ``rules/``, with ``/`` between parts.

    Paths are taken from the deepest directory that holds all ``roots`` (the files and directories that the user
    named), so one directory keeps its inner layout, and two files of one name in two directories stay two.
    Raises InputError when two paths are one file.
    """
    if not paths:
        return {}
    homes = {root if root.is_dir() else root.parent for root in map(_absolute, roots)}
    homes |= {path.parent for path in map(_absolute, paths) if not any(path.is_relative_to(home) for home in homes)}
    base = Path(os.path.commonpath(homes))
    out: dict[str, str] = {}
    taken: dict[str, str] = {}
    for path in paths:
        place = _absolute(path).relative_to(base).as_posix()
        if place in taken:
            raise InputError(f"{path}: the same file as {taken[place]}; name it once")
        taken[place] = path
        out[path] = place
    return out


def free(taken: Collection[str]) -> str:
    """A name for the file of new rules that no rule file of the user's has."""
    names = (f"{_NEW}{number or ''}.yml" for number in range(len(taken) + 1))
    return next(name for name in names if name not in taken)


def _absolute(path: str) -> Path:
    """Without ``..``, and with links as they are: the user named them."""
    return Path(os.path.normpath(Path(path).absolute()))
