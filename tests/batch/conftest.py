from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import nights
import pytest
from nights import Night

from rulegen.cli.main import run


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Night:
    """Runs a night on the history of :mod:`nights` in ``tmp_path``, in this process: (arguments) → what it did."""
    nights.put(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    given = ("--metrics", "metrics.om", "--rules", "rules.yml", "--incidents", "incidents.csv")

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        options = ("-q", *given, "--judged", nights.JUDGED, "--out", "out", "--state", "state.db", *arguments)
        argv = ["rulegen", "nightly", *map(str, options)]
        monkeypatch.setattr(sys, "argv", argv)
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        assert isinstance(ended.value.code, int)
        return subprocess.CompletedProcess(argv, ended.value.code, out, err)

    return call
