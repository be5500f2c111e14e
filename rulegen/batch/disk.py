"""What a disk that does not do as it should is told as."""

from __future__ import annotations

import errno
from pathlib import Path

from rulegen.errors import InputError, RulegenError

_USERS_TO_MEND = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOENT, errno.EEXIST)


def told(path: Path, error: OSError) -> RulegenError:
    """The error to raise for ``error`` at ``path``: InputError for what the user can mend (a read-only place), else
    RulegenError (a disk that is full or failing)."""
    where = error.filename if isinstance(error.filename, str) else str(path)
    text = f"{where}: {error.strerror or error}"
    if error.errno in _USERS_TO_MEND:
        return InputError(f"{text}; name another place, or mend it")
    return RulegenError(f"{text}; nothing was lost: make room and run again")
