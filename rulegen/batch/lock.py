"""One run at a time for each state: the second waits, or leaves with a message that names the first."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rulegen.batch.disk import told
from rulegen.errors import RulegenError

POLL_S = 0.2


class BusyError(RulegenError):
    """Another run holds the lock."""

    exit_code = 4


@contextmanager
def locked(
    path: Path,
    wait_s: float = 0,
    *,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[None]:
    """Holds the lock file ``path``, which names the process that holds it; waits for at most ``wait_s`` seconds.

    The kernel lets go of the lock when its holder ends, however it ends, so that none is ever stale: the file that a
    killed run left is taken over. Raises BusyError when the time is up, and what :func:`told` makes of a disk that
    does not let us write. ``sleep`` and ``clock`` are seams for tests.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise told(path, error) from None
    try:
        deadline = clock() + wait_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if clock() >= deadline:
                    raise BusyError(_busy(path, wait_s)) from None
                sleep(POLL_S)
            except OSError as error:  # a file system without locks
                raise told(path, error) from None
        try:
            os.ftruncate(handle, 0)
            os.pwrite(handle, f"{os.getpid()}\n".encode(), 0)
        except OSError as error:
            raise told(path, error) from None
        yield
        os.ftruncate(handle, 0)
    finally:
        os.close(handle)


def _busy(path: Path, wait_s: float) -> str:
    holder = path.read_text(errors="replace").strip()
    who = f"process {holder}" if holder.isdecimal() else "another process"
    waited = f" after {wait_s:g} s" if wait_s else ""
    return f"{path}: {who} is at work on this state{waited}; wait for it (--wait), or give another --state"
