"""What whoever sends alerts does alike over gRPC and HTTP: tries again, says how far it came, trusts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path

from rulegen.errors import InputError, UpstreamError

TRIES = 20  # in a row without anything new acknowledged: some forty seconds
MOST = 3.0  # seconds from one try to the next, where the server names no time


@dataclass(slots=True)
class Patience:
    """How long what is refused for now is tried again."""

    tries: int = 0

    def pause(self, progress: bool, wanted: float, why: str) -> float:
        """The seconds until the next try: ``wanted`` by the server, or more. ``progress``: something was acknowledged
        since the last one. Raises UpstreamError with ``why`` when it was tried often enough."""
        self.tries = 1 if progress else self.tries + 1
        if self.tries >= TRIES:
            raise UpstreamError(f"tried {TRIES} times in a row: {why}")
        return max(wanted, min(MOST, 0.25 * self.tries))


def so_far(kept: int, total: int) -> str:
    return f"{kept} of {total} alerts were acknowledged; push again, what is kept already is not counted twice"


def trusting(authority: Path) -> ssl.SSLContext:
    """A context that trusts the certificates in the PEM file. Raises InputError for a file without any."""
    try:
        return ssl.create_default_context(cafile=authority)
    except ssl.SSLError:
        raise InputError(f"--ca: {authority}: no certificate in PEM form in this file") from None
    except OSError as error:
        raise InputError(f"--ca: {authority}: cannot be read: {error.strerror}") from None
