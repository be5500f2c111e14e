"""Where standard error is no terminal: one line a stage, and now and then how far it is."""

from __future__ import annotations

import pytest

from rulegen.cli import progress


def test_a_long_stage_says_how_far_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter([0.0, 59.0, 61.0, 62.0, 122.0, 123.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with progress.watching(quiet=False) as tell:
        for done in range(5):
            tell("trying changes", done, 300)
        tell("cutting unit tests", 0, 1)
    assert capsys.readouterr().err.splitlines() == [
        "rulegen: trying changes …",
        "rulegen: trying changes … 2 of 300",
        "rulegen: trying changes … 4 of 300",
        "rulegen: cutting unit tests …",
    ]
