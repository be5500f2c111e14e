"""The output directory, swapped in whole: a link whose target is replaced in one step.

``OUT`` becomes a link to ``.OUT.<digest>`` beside it, which is complete on the disk before the link points there. The
digest is that of the content, so that the same content is the same directory, however often it is written.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from rulegen.batch.disk import told
from rulegen.emit.writer import check, write

Files = Sequence[tuple[str, bytes]]  # (path below the directory, content)


def publish(out: Path, files: Files) -> Path:
    """Makes ``out`` show exactly ``files``, and gives the directory behind it. What another run left half done goes.

    Raises InputError for a place that is not rulegen's or can't be written, RulegenError for a disk that is full or
    fails: ``out`` then shows what it showed before.
    """
    check(out)
    whole = out.with_name(f".{out.name}.{digest(files)}")
    try:
        if not whole.is_dir():
            fresh = out.with_name(f".{out.name}.tmp")
            shutil.rmtree(fresh, ignore_errors=True)
            write(fresh, files)
            fresh.rename(whole)
        _point(out, whole)
        for old in out.parent.glob(f".{_literal(out.name)}.*"):
            if old != whole and old.is_dir() and not old.is_symlink():
                shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise told(out, error) from None
    finally:
        shutil.rmtree(out.with_name(f".{out.name}.tmp"), ignore_errors=True)
    return whole


def digest(files: Files) -> str:
    """Of names and contents, as 16 hex digits."""
    made = hashlib.sha256()
    for path, content in sorted(files):
        made.update(f"{len(path.encode())} {path} {len(content)} ".encode())
        made.update(content)
    return made.hexdigest()[:16]


def _point(out: Path, whole: Path) -> None:
    if out.is_symlink() and out.readlink().name == whole.name:
        return
    link = out.with_name(f".{out.name}.link")
    link.unlink(missing_ok=True)
    link.symlink_to(whole.name)
    if out.is_dir() and not out.is_symlink():  # as `rulegen suggest` writes it: the one time that is two steps
        before = out.with_name(f".{out.name}.before")
        shutil.rmtree(before, ignore_errors=True)
        out.rename(before)
    link.replace(out)
    handle = os.open(out.parent, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _literal(name: str) -> str:
    return "".join(f"[{char}]" if char in "*?[" else char for char in name)
