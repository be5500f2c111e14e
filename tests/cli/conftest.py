from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

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
