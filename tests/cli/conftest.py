from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import small

from rulegen.cli.main import run

# llama.cpp's threads wait for one another many times a token. Where other programs want the processor too, waiting
# actively makes a model of a few bytes ten times slower. Read once, when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the small history in it."""
    small.put(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return tmp_path


@pytest.fixture
def rulegen(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs the command line as the console script does, in this process: (arguments) → exit code and output."""

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        argv = ["rulegen", *map(str, arguments)]
        monkeypatch.setattr(sys, "argv", argv)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(argv, ended.value.code, out, err)

    return call


@pytest.fixture(scope="session")
def better(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    """What `suggest` made of the demo: its rule file, and what it says of it."""
    demo = Path(__file__).resolve().parents[2] / "datasets" / "demo"
    out = tmp_path_factory.mktemp("better") / "out"
    given = (
        "--metrics",
        demo / "metrics.om.gz",
        "--incidents",
        demo / "incidents.csv",
        "--rules",
        demo / "rules.yml",
    )
    command = [sys.executable, "-m", "rulegen.cli.main", "suggest", "-q", *given, "--out", out]
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL, timeout=250)
    (rules,) = (out / "rules").rglob("*.yml")
    return rules, json.loads((out / "suggestions.json").read_text())
