"""A night on a real history, killed at random moments: is the end the same?

``python -m evals.nightly_kill [DATA] [--kills N] [--rules DIR…]`` runs ``rulegen nightly --prometheus`` against a
real Prometheus that serves a copy of the history ``alertops-tsdb``, with the rules of ``rules/awesome``: once
undisturbed; then, on a state and an output of its own, it is begun until it was killed N times (default 10) with
``kill -9``, each after a random share of the time that a run takes (seed 20260806), and at last left alone; and once
more. After each kill the output has to be whole or absent, and at the end the state, the output and what lies beside
them have to be those of the undisturbed run. A run that ended before its moment is shown and counts as none, and says
how long the next takes at most. Needs Debian's ``prometheus``. DATA is the directory that holds both (default:
../shared/data).
"""

from __future__ import annotations

import argparse
import hashlib
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from evals.independent import serving

START, END = 1785997230, 1786017600  # seconds
SEED = 20260806


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", nargs="?", type=Path, default=Path(__file__).parents[2] / "shared/data")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--rules", nargs="+", default=["rules/awesome"], help="below DATA")
    options = parser.parse_args()
    rng = random.Random(SEED)
    rules = [options.data / name for name in options.rules]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(options.data / "alertops-tsdb/tsdb", home / "tsdb", copy_function=shutil.copyfile)
        with serving(home / "tsdb", home) as url:
            assert _begun(url, rules, home / "warm").wait() == 0  # compiles, where nothing is compiled yet
            began = time.monotonic()
            assert _begun(url, rules, home / "whole").wait() == 0
            took = time.monotonic() - began
            expected = _all_of(home / "whole")
            rows = _rows(home / "whole/state.db")
            print(f"undisturbed: {took:.1f} s, state {expected[0][:12]} ({rows} rows), output {expected[1][:12]}")
            print("| killed after s | share of the run | output then | rows of the state then |")
            print("|---|---|---|---|")
            kills = 0
            while kills < options.kills:
                share, began = rng.uniform(0.02, 1.0), time.monotonic()
                process = _begun(url, rules, home / "killed")
                try:
                    process.wait(timeout=share * took)
                    how, took = "ended before", min(took, time.monotonic() - began)
                except subprocess.TimeoutExpired:
                    process.send_signal(signal.SIGKILL)
                    process.wait()
                    how, kills = f"{share * took:.1f}", kills + 1
                output = home / "killed/out"
                seen = "none" if not output.exists() else "whole" if _tree(output) == expected[1] else "BROKEN"
                print(f"| {how} | {share:.0%} | {seen} | {_rows(home / 'killed/state.db')} |", flush=True)
            for name in ("next run", "and again"):
                assert _begun(url, rules, home / "killed").wait() == 0
                same = _all_of(home / "killed") == expected
                print(f"{name}: {'the same' if same else 'DIFFERENT'} state, output and leftovers", flush=True)


def _begun(url: str, rules: Sequence[Path], home: Path) -> subprocess.Popen[bytes]:
    home.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "rulegen.cli.main", "nightly", "--prometheus", url]
    command += [part for path in rules for part in ("--rules", str(path))]
    command += ["--start", str(START), "--end", str(END), "--quiet", "--out", str(home / "out")]
    command += ["--state", str(home / "state.db"), "--cache", str(home / "cache")]
    command += ["--metrics-file", str(home / "rulegen.prom")]
    kept = {**os.environ, "NO_PROXY": "127.0.0.1,localhost"}
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=kept)


def _all_of(home: Path) -> tuple[str, str, list[str]]:
    """Digests of the state and of the output, and the names of what lies beside them."""
    with sqlite3.connect(home / "state.db") as database:
        dump = "\n".join(database.iterdump())
    database.close()
    names = sorted(path.name for path in home.iterdir())
    return hashlib.sha256(dump.encode()).hexdigest(), _tree(home / "out"), names


def _tree(out: Path) -> str:
    made = hashlib.sha256()
    for path in sorted(out.rglob("*")):
        if path.is_file():
            made.update(f"{path.relative_to(out)} {hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return made.hexdigest()


def _rows(state: Path) -> int:
    if not state.exists():
        return 0
    database = sqlite3.connect(state)
    try:
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return sum(database.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in tables)
    finally:
        database.close()


if __name__ == "__main__":
    main()
