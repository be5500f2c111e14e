"""Bad input at the command line: one clear message, the right exit code, no traceback, nothing left behind."""

from __future__ import annotations

from pathlib import Path

import pytest
from commandcase import Case, cases, matches, prepared
from conftest import Run

ALL = [
    pytest.param(case, id=f"{file}: {case.name}")
    for file in ("files", "options", "servers")
    for case in cases(f"{file}.yaml")
]


@pytest.mark.parametrize("case", ALL)
def test_bad_input(case: Case, home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulegen.ingest.prometheus.connection.BACKOFF_S", 0.01)
    for name, value in case.env.items():
        monkeypatch.setenv(name, value)
    with prepared(case, home) as (arguments, url):
        before = _tree(home)
        done = rulegen(*arguments)
    stderr = done.stderr.replace(url, "URL")
    assert stderr == case.stderr or matches(case.stderr, stderr)
    assert done.returncode == case.exit
    assert done.stdout == ""
    assert _tree(home) == before


def _tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): None if path.is_dir() else path.read_bytes() for path in folder.rglob("*")}
