"""One run at a time, whoever ended how."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from nights import environment

from rulegen.batch.lock import BusyError, locked

HOLD = """
import sys, time
from pathlib import Path
from rulegen.batch.lock import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(path: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    assert process.stdout is not None and process.stdout.readline() == "held\n"
    return process


def test_the_second_is_told_who_holds_it(tmp_path: Path) -> None:
    process = holding(tmp_path / "lock")
    try:
        with (
            pytest.raises(BusyError, match=re.escape(f"process {process.pid} is at work")),
            locked(tmp_path / "lock"),
        ):
            pass
    finally:
        process.kill()
        process.communicate(timeout=20)


def test_a_killed_holder_holds_nothing(tmp_path: Path) -> None:
    process = holding(tmp_path / "lock")
    process.kill()
    process.communicate(timeout=20)
    assert (tmp_path / "lock").read_text() == f"{process.pid}\n"  # the file is stale, the lock is not
    with locked(tmp_path / "lock"):
        assert (tmp_path / "lock").read_text() == f"{os.getpid()}\n"
    assert (tmp_path / "lock").read_text() == ""


def test_waiting_until_it_is_free(tmp_path: Path) -> None:
    process = holding(tmp_path / "lock")
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            process.communicate(timeout=20)  # its input ends, and so does it

    with locked(tmp_path / "lock", 60, sleep=sleep):
        assert len(waits) == 3
    process = holding(tmp_path / "lock")
    try:
        with pytest.raises(BusyError, match="after 1 s"), locked(tmp_path / "lock", 1):
            pass
    finally:
        process.communicate(timeout=20)
