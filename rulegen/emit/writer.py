"""Writing the output directory so that it is never half of one: everything aside first, then renamed into place.

``suggestions.json`` goes away before anything is replaced and comes back last, so a directory that has it is whole.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from rulegen.emit.output import ALERTMANAGER, RULES, SUGGESTIONS, TESTS
from rulegen.errors import InputError, RulegenError

_FOLDERS = (RULES, TESTS, ALERTMANAGER)
_MARKS = (SUGGESTIONS, f".{SUGGESTIONS}.tmp")  # the second: a run that was killed while it wrote
_NOT_OURS = "is not empty and was not written by rulegen; name another directory for --out, or empty this one"
_USERS_TO_MEND = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENAMETOOLONG,
    errno.ELOOP,
)


def check(out: Path) -> None:
    """Raises InputError when ``out`` cannot become the output directory: call it before the long work starts."""
    try:
        if not out.exists():
            if out.is_symlink():
                raise InputError(f"{out}: is a link to nothing; name another directory for --out")
            above = next(parent for parent in out.parents if parent.exists())
            if not above.is_dir():
                raise InputError(f"{out}: {above} is not a directory; name another place for --out")
            return
        if not out.is_dir():
            raise InputError(f"{out}: is not a directory; name another place for --out")
        if any(out.iterdir()) and not any((out / name).is_file() for name in _MARKS):
            raise InputError(f"{out}: {_NOT_OURS}")
        if not os.access(out, os.W_OK | os.X_OK):
            raise InputError(f"{out}: no permission to write there")
    except OSError as error:
        raise _told(out, error) from None


def write(out: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Writes ``files`` [(relative path, content), as :class:`~rulegen.emit.output.Output` has them] below ``out``.

    What an earlier run left there is replaced, its whole ``rules/``, ``tests/`` and ``alertmanager/`` included; until
    everything new is on the disk it stays as it is. Raises InputError for a directory that is not rulegen's or not
    writable, RulegenError for a disk that is full or fails; neither leaves a partial output behind.
    """
    check(out)
    tops = sorted({path.split("/")[0] for path, _ in files} | set(_FOLDERS))
    made = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        _prepare(out, files)
        (out / SUGGESTIONS).unlink(missing_ok=True)
        for top in sorted(tops, key=lambda top: top == SUGGESTIONS):
            if (new := _aside(out, top)).exists():
                _swap(new, out / top)
            else:  # of an earlier run, and nothing takes its place
                shutil.rmtree(out / top, ignore_errors=True)
        _sync(out)
    except OSError as error:
        raise _told(out, error) from None
    finally:
        _tidy(out, tops, made)


def _aside(out: Path, top: str) -> Path:
    return out / f".{top}.tmp"


def _prepare(out: Path, files: Sequence[tuple[str, bytes]]) -> None:
    """Everything on the disk, under names that nobody takes for the output."""
    folders = [_aside(out, top) for top in _FOLDERS]
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)  # of a run that was killed
    # suggestions.json first: its temporary file marks the directory as ours if we are killed from here on.
    for path, content in sorted(files, key=lambda file: file[0] != SUGGESTIONS):
        top, _, rest = path.partition("/")
        target = _aside(out, top) / rest
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    folders[0].mkdir(exist_ok=True)
    for folder in folders:
        for inner, _, _ in os.walk(folder):
            _sync(Path(inner))


def _swap(new: Path, place: Path) -> None:
    """``new`` takes the place of what stands there. A directory cannot be renamed over another that has entries."""
    old = place.with_name(f".{place.name}.old")
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(old, ignore_errors=True)
        place.rename(old)
    new.replace(place)
    shutil.rmtree(old, ignore_errors=True)
    _sync(place.parent)


def _tidy(out: Path, tops: Sequence[str], made: bool) -> None:
    """Takes leftovers away. A directory that a failure left between old and new keeps the mark that it is ours."""
    broken = not (out / SUGGESTIONS).exists() and any((out / top).exists() for top in tops)
    for top in tops:
        path = _aside(out, top)
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        elif not (broken and top == SUGGESTIONS):
            with suppress(OSError):
                path.unlink(missing_ok=True)
    if made:
        with suppress(OSError):  # not empty: the output is in place
            out.rmdir()


def _sync(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _told(out: Path, error: OSError) -> RulegenError:
    path = error.filename if isinstance(error.filename, str) else str(out)
    reason = error.strerror or str(error)
    if error.errno in _USERS_TO_MEND:
        return InputError(f"{path}: cannot be written: {reason}; name another place for --out or mend it")
    return RulegenError(f"{path}: cannot be written: {reason}; no output was written, make room and run again")
