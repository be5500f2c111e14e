from __future__ import annotations

from pathlib import Path

import pytest

from rulegen.emit.layout import free, placed
from rulegen.errors import InputError


def test_one_directory_keeps_its_inner_layout(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    root = f"{tmp_path}/rules"
    paths = [f"{root}/a.yml", f"{root}/sub/a.yml"]
    assert placed(paths, [root]) == {paths[0]: "a.yml", paths[1]: "sub/a.yml"}
    assert placed(paths[1:], [root]) == {paths[1]: "sub/a.yml"}


def test_same_names_in_two_places_stay_two(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b").mkdir()
    assert placed(["a/r.yml", "b/r.yml"], ["a/r.yml", "b"]) == {"a/r.yml": "a/r.yml", "b/r.yml": "b/r.yml"}
    assert placed(["r.yml"], ["r.yml"]) == {"r.yml": "r.yml"}
    assert placed(["../x/r.yml", "r.yml"], ["../x/r.yml", "r.yml"]) == {
        "../x/r.yml": "x/r.yml",
        "r.yml": f"{tmp_path.name}/r.yml",
    }


def test_nothing_leaves_the_output_directory(tmp_path: Path) -> None:
    for place in placed(["/etc/../r.yml", f"{tmp_path}/r.yml"], []).values():
        assert ".." not in place.split("/")
        assert not place.startswith("/")


def test_a_file_named_twice_is_an_error() -> None:
    with pytest.raises(InputError, match=r"the same file as r\.yml; name it once"):
        placed(["r.yml", "./r.yml"], ["r.yml"])


def test_no_files_and_a_free_name() -> None:
    assert placed([], []) == {}
    assert free([]) == "rulegen.yml"
    assert free(["rulegen.yml", "rulegen1.yml"]) == "rulegen2.yml"
