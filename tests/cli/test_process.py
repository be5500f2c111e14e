"""How the process starts and ends: fast help, faults of our own, Ctrl-C, and readers that go away."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import small
from conftest import Run
from servers import Reply, Request, answering

FILES = ("--metrics", "metrics.om", "--rules", "rules.yml", "--out", "out")
# Typer itself imports pydantic; nothing else may be heavy.
HEAVY = (
    "pydantic_settings",
    "prometheus_client",
    "sqlite3",
    "numpy",
    "llama_cpp",
    "httpx",
    "ruamel.yaml",
    "promql_parser",
    "rich.progress",
    "rulegen.pipeline",
)
START = "import sys\nfrom rulegen.cli.main import run\nsys.argv[0] = 'rulegen'\n"


def python(code: str, *arguments: str, cwd: Path | None = None) -> subprocess.Popen[str]:
    env = {**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path)), "COLUMNS": "80"}
    return subprocess.Popen(
        [sys.executable, "-c", START + code, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=cwd,
        env=env,
    )


@pytest.mark.parametrize("arguments", [("--help",), ("suggest", "--help"), ("--version",), ()])
def test_help_waits_for_nothing_heavy(arguments: tuple[str, ...]) -> None:
    code = f"""
try:
    run()
finally:
    print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
"""
    process = python(code, *arguments)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "[]\n")
    assert out


def test_help_is_readable_at_80_columns() -> None:
    process = python("run()", "suggest", "--help")
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert max(map(len, out.splitlines())) <= 80
    for option in ("--prometheus", "--ignore-shorter-than", "--allow-losing-lucky", "--demote"):
        assert option in out
    # A name that is cut ends in an ellipsis; only defaults may.
    assert not [line for line in out.splitlines() if "…" in line and "page|crit" not in line]


def test_a_fault_of_our_own_is_one_line(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise KeyError("no such\nthing \x1b[31m")

    monkeypatch.setattr("rulegen.cli.perform.study", fault)
    done = rulegen("suggest", "-q", *FILES)
    (line,) = done.stderr.splitlines()
    assert done.returncode == 1 and done.stdout == "" and not (home / "out").exists()
    assert line.startswith("rulegen: internal error: KeyError: ") and "please report" in line
    assert "\x1b" not in line

    monkeypatch.setenv("RULEGEN_DEBUG", "1")
    done = rulegen("suggest", "-q", *FILES)
    assert done.returncode == 1 and "Traceback" in done.stderr and "in fault" in done.stderr


def test_too_little_memory_is_told(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr("rulegen.cli.perform.study", fault)
    done = rulegen("suggest", "-q", *FILES)
    assert done.returncode == 1 and done.stderr.startswith("rulegen: out of memory")


def test_a_file_name_cannot_steer_the_terminal(home: Path, rulegen: Run) -> None:
    done = rulegen("suggest", "-q", "--metrics", "a\x1b[2Jb", "--rules", "rules.yml", "--out", "out")
    assert done.returncode == 2
    assert done.stderr == "rulegen: a\\x1b[2Jb: no such file\n"


def test_a_reader_that_goes_away_ends_it_quietly(tmp_path: Path) -> None:
    small.put(tmp_path)
    process = python("run()", "suggest", "-q", *FILES, cwd=tmp_path)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == ""
    assert process.wait(timeout=60) == 1
    assert (tmp_path / "out/suggestions.json").exists()  # what was found is there all the same
    process.stderr.close()


def test_control_c_leaves_nothing_behind(tmp_path: Path) -> None:
    small.put(tmp_path)
    asked, over = threading.Event(), threading.Event()

    def answer(_: Request) -> Reply:
        asked.set()
        over.wait(60)
        return Reply(raw=b"")

    with answering(answer) as url:
        options = ("--prometheus", url, "--rules", "rules.yml", "--out", "out", "-q")
        process = python("run()", "suggest", *options, cwd=tmp_path)
        try:
            assert asked.wait(60)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        finally:
            over.set()
            process.kill()
    assert (process.returncode, out, err) == (130, "", "rulegen: stopped\n")
    assert not (tmp_path / "out").exists()
