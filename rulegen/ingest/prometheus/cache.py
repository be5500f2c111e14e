"""A directory that keeps bytes under keys between runs, bounded in size, and never in the way.

One file an entry, named by the SHA-256 of its key: a head line, the SHA-256 of key and content, the content. It is
written beside its place and renamed into it, so that readers (other processes too) see a whole entry or none. An
entry that does not say what it should is as good as none and is replaced. What does not fit any more pushes out
what was not used for longest; a file's modification time says when that was. A directory that cannot be written is
said once, in ``trouble``, and costs nothing but the keeping.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import threading
import time
from collections.abc import Callable
from errno import EPERM
from pathlib import Path

from rulegen.errors import Problem

FORMAT = 1  # of the entries and of what is in them; another format is another directory
LIMIT = 2 << 30  # bytes on disk
LARGEST = 256 << 20  # bytes of one entry
KEPT_SHARE = 0.9  # of the limit is left after clearing, so that not every entry clears again
BLOCK = 4096  # bytes: a small file takes as much
ABANDONED_S = 3600  # a file still being written after this belongs to a process that died
_HEAD = f"rulegen cache {FORMAT}\n".encode()
_NEW = ".new-"


class Cache:
    """``directory`` is made, for its owner alone, when the first entry is written. May be used by several threads.

    ``now`` (Unix seconds) is a seam for tests. ``answers`` holds what a server said of itself during this run.
    """

    def __init__(self, directory: Path, *, limit: int = LIMIT, now: Callable[[], float] = time.time) -> None:
        self.directory, self.limit, self.now = directory, limit, now
        self.trouble: Problem | None = None  # why nothing is kept any more
        self.answers: dict[str, str] = {}
        self._folder = directory / f"pages-{FORMAT}"
        self._lock = threading.Lock()
        self._unseen = limit  # bytes written since the files were last counted; not counted yet: count at once

    def get(self, key: str) -> bytes | None:
        """What was kept under ``key``; None where there is nothing, or not what was written."""
        path = self._path(key)
        try:
            if not _is_own(self._folder):
                return None
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        except OSError:
            return None
        with os.fdopen(handle, "rb") as file:
            try:
                found = os.fstat(handle)
                if not stat.S_ISREG(found.st_mode) or found.st_size > LARGEST:
                    return None
                text = file.read(LARGEST)
                with contextlib.suppress(OSError):  # a disk that cannot be written can still be read
                    os.utime(handle)
            except OSError:
                return None
        begin = len(_HEAD) + hashlib.sha256().digest_size
        content = text[begin:]
        return content if text[:begin] == _HEAD + _checksum(key, content) else None

    def put(self, key: str, content: bytes) -> None:
        """Keeps ``content`` under ``key``, or says why not in ``trouble``."""
        size = _on_disk(len(content))
        if self.trouble or size > min(self.limit, LARGEST):
            return
        path = self._path(key)
        try:
            self._prepare(path.parent)
            _write(path, _HEAD + _checksum(key, content) + content)
            with self._lock:
                self._unseen += size
                if self._unseen > self.limit // 20:
                    self._clear()
        except OSError as error:
            why = error.strerror or str(error)
            message = f"the cache cannot be written ({why}): going on without it"
            self.trouble = Problem(str(self.directory), 0, message)

    def _path(self, key: str) -> Path:
        name = hashlib.sha256(key.encode()).hexdigest()
        return self._folder / name[:2] / name[2:]

    def _prepare(self, shelf: Path) -> None:
        if not shelf.is_dir():
            self.directory.mkdir(0o700, parents=True, exist_ok=True)
            self._folder.mkdir(0o700, exist_ok=True)
        if not _is_own(self._folder):
            raise PermissionError(EPERM, f"{self._folder.name} in it is not a directory of this user's own")
        if stat.S_IMODE(self._folder.stat().st_mode) & 0o077:
            self._folder.chmod(0o700)
        shelf.mkdir(0o700, exist_ok=True)

    def _clear(self) -> None:
        """Counts the files anew, since other processes write too, and removes the longest unused above the limit."""
        found: list[tuple[int, int, str]] = []  # last use (ns), bytes on disk, path
        for shelf in os.scandir(self._folder):
            for entry in os.scandir(shelf.path) if shelf.is_dir(follow_symlinks=False) else ():
                with contextlib.suppress(FileNotFoundError):  # another process removed it
                    info = entry.stat(follow_symlinks=False)
                    if not entry.name.startswith(_NEW):
                        found.append((info.st_mtime_ns, _on_disk(info.st_size), entry.path))
                    elif time.time() - info.st_mtime > ABANDONED_S:
                        Path(entry.path).unlink(missing_ok=True)
        total = sum(size for _, size, _ in found)
        if total > self.limit:
            for _, size, path in sorted(found):
                Path(path).unlink(missing_ok=True)
                total -= size
                if total <= self.limit * KEPT_SHARE:
                    break
        self._unseen = 0


def _write(path: Path, text: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=_NEW, dir=path.parent)  # made with mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _is_own(folder: Path) -> bool:
    """Is it a directory, no link, and of the user who runs this? What another user put there is not believed."""
    info = folder.lstat()
    return stat.S_ISDIR(info.st_mode) and info.st_uid == os.getuid()


def _checksum(key: str, content: bytes) -> bytes:
    """Of the key as well: an entry that was moved to another name says nothing."""
    digest = hashlib.sha256(key.encode())
    digest.update(content)
    return digest.digest()


def _on_disk(size: int) -> int:
    return -(-size // BLOCK) * BLOCK
