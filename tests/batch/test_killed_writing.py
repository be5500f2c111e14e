"""A night's writing, killed before each single thing that it does to the disk: never half of anything, and the next
run completes it."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from nights import dump, tree
from test_metrics import NIGHT
from test_publish import NEW, OLD
from test_state import HISTORY, ONE

from rulegen.batch.metrics import registry, write_metrics
from rulegen.batch.publish import Files, publish
from rulegen.batch.state import opened

TOUCHES = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.symlink", "sqlite3.connect")
FIRST = (OLD, replace(ONE, last_seen=1_000), 100.0)
SECOND = (NEW, replace(ONE, last_seen=2_000, pages=50), 200.0)


def written(home: Path, files: Files, one: object, now: float) -> None:
    """What a night writes, in its order."""
    publish(home / "out", files)
    with opened(home / "state.db") as state, state.night():
        state.see(HISTORY)
        state.make([one])  # type: ignore[list-item] # as the state has it
    write_metrics(home / "m.prom", registry(now, NIGHT))


def killed_at(number: int, home: Path) -> bool:
    """Whether a process that writes the second night was killed before its ``number``-th touch of the disk."""
    child = os.fork()
    if not child:
        left = number

        def hook(event: str, _: object) -> None:
            nonlocal left
            if event in TOUCHES:
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)

        sys.addaudithook(hook)
        with suppress(BaseException):
            written(home, *SECOND)
            os._exit(0)
        os._exit(1)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WIFSIGNALED(status)


def seen(home: Path) -> tuple[dict[str, bytes], list[str], str]:
    return tree(home / "out"), dump(home / "state.db"), (home / "m.prom").read_text()


def names(home: Path) -> list[str]:
    return sorted(path.name for path in home.iterdir())


def test_killed_before_each_touch_of_the_disk(tmp_path: Path) -> None:
    homes = [tmp_path / name for name in ("before", "after")]
    for home, nights in zip(homes, ((FIRST,), (FIRST, SECOND)), strict=True):
        home.mkdir()
        for one in nights:
            written(home, *one)
    before, after = map(seen, homes)
    number, states = 0, set[tuple[bool, ...]]()
    while True:
        home = tmp_path / f"killed-{number}"
        home.mkdir()
        written(home, *FIRST)
        killed = killed_at(number, home)
        now = seen(home)
        assert all(part in (old, new) for part, old, new in zip(now, before, after, strict=True)), number
        states.add(tuple(part == new for part, new in zip(now, after, strict=True)))
        written(home, *SECOND)
        assert seen(home) == after, number
        assert names(home) == names(homes[1]), number
        if not killed:
            break
        number += 1
    assert number > 20  # it was asked often
    assert {(False,) * 3, (True, False, False), (True, True, False), (True,) * 3} <= states  # and between all stages
