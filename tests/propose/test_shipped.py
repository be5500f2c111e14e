from __future__ import annotations

from pathlib import Path

import pytest

from rulegen import shipped as module
from rulegen.errors import RulegenError
from rulegen.shipped import shipped


def test_found_in_the_checkout() -> None:
    assert shipped("prompts/propose-v1.txt").read_text(encoding="utf-8").startswith("You tune Prometheus")


def test_what_the_wheel_brings_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "prompts").mkdir()
    (tmp_path / "prompts" / "propose-v1.txt").write_text("wheel")
    monkeypatch.setattr(module, "_ROOTS", (tmp_path, *module._ROOTS))
    assert shipped("prompts/propose-v1.txt").read_text() == "wheel"


def test_missing() -> None:
    with pytest.raises(RulegenError, match="missing from this installation"):
        shipped("prompts/none.txt")
