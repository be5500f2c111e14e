"""How ids name a file: by its path in the repository that holds it, so that it doesn't matter from where, or through
which spelling of its path, it was read."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def home(path: str, roots: Iterable[str]) -> str:
    """The path of the file ``path`` below the top of its git work tree, with ``/`` between parts.

    Outside of any work tree: below that of ``roots`` (what the user named) that holds it, or its name alone. Links in
    directories are followed, since a repository may be reached through one; a file that is a link has its own name.
    """
    real = _real(path)
    top = repository(real.parent)
    if top is not None:
        return real.relative_to(top).as_posix()
    for root in roots:
        above = Path(os.path.realpath(root))
        if above.is_dir() and real.is_relative_to(above):
            return real.relative_to(above).as_posix()
    return real.name


def repository(folder: Path) -> Path | None:
    """The top of the git work tree that holds ``folder`` (absolute); None where there is none."""
    for above in (folder, *folder.parents):
        if (above / ".git").exists():  # a directory, or in a linked work tree a file
            return above
    return None


def _real(path: str) -> Path:
    return Path(os.path.realpath(Path(path).parent), Path(path).name)
