"""What whoever sends alerts does alike over gRPC and HTTP: tries again, says how far it came."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.errors import UpstreamError

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
