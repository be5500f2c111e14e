"""Changes that people made, read as pairs to learn from."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from rulegen.errors import InputError
from rulegen.propose.tune import Tuned, read_tuned
from rulegen.train.tunings import Tuning, folds, main, pairs, read_tunings

DATA = Path(__file__).parents[3] / "shared/data/human-tunings/tunings.jsonl"


def record(repo: str, families: list[str], details: list[Any], **before: Any) -> str:
    rule = {"alert": "A", "expr": "up == 0", "for": "5m", "keep_firing_for": None, "labels": {}, **before}
    return json.dumps({"repo": repo, "before": rule, "after": rule, "families": families, "details": details})


def read(tmp_path: Path, *lines: str) -> tuple[Tuning, ...]:
    (tmp_path / "some.jsonl").write_text("\n".join(lines))
    return read_tunings(tmp_path / "some.jsonl")


def test_all_changes_made_at_once_are_right(tmp_path: Path) -> None:
    details = [["for", 300.0, 900.0], ["threshold", ">", 0.1, ">", 0.5, "loosen"], ["window", 300.0, 60.0]]
    families = ["hold: for up/added", "threshold looser", "window longer", "something new"]
    (one,) = read(tmp_path, record("r", families, details))
    assert one.changes == (Tuned("hold", "15m"), Tuned("threshold", "0.5"), Tuned("other"))


def test_what_a_program_fills_in_is_no_wait(tmp_path: Path) -> None:
    (one,) = read(tmp_path, record("r", ["retired (deleted/disabled)"], [], **{"for": "<%= wait %>"}))
    assert one.rule.hold == 0
    assert one.changes == (Tuned("retire"),)


def test_every_line_that_is_wrong_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError) as error:
        read(tmp_path, "{}", record("r", [], []), "no")
    assert "some.jsonl:1: repo" in str(error.value)
    assert "some.jsonl:3:" in str(error.value)


def test_a_repository_lies_in_one_fold_and_folds_are_as_even_as_it_lets_them(tmp_path: Path) -> None:
    sizes = {"a": 9, "b": 4, "c": 3, "d": 2, "e": 1, "f": 1}
    tunings = read(tmp_path, *(record(name, ["no such"], []) for name, size in sizes.items() for _ in range(size)))
    assert folds(tunings, 3) == {"a": 0, "b": 1, "c": 2, "d": 2, "e": 1, "f": 1}
    assert {pair.fold for pair in pairs(tunings)} == set(folds(tunings).values())


def test_pairs_are_written_as_lines_to_train_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "some.jsonl", tmp_path / "pairs.jsonl"
    source.write_text(record("r", ["hold: for up/added"], [["for", 300.0, 900.0]]))
    assert main([str(source), str(target)]) == 0
    (line,) = map(json.loads, target.read_text().splitlines())
    assert (line["answer"], line["repository"], line["fold"]) == ('{"kind":"hold","to":"15m"}', "r", 0)
    assert main([str(tmp_path / "nothing"), str(target)]) == InputError.exit_code
    assert "nothing" in capsys.readouterr().err


@pytest.mark.skipif(not DATA.exists(), reason="the changes that people made are not beside the repository")
def test_the_pairs_of_the_real_changes() -> None:
    tunings = read_tunings(DATA)
    found = pairs(tunings)
    assert len(tunings) == 729
    assert len(found) == sum(len(one.changes) for one in tunings)
    assert {read_tuned(pair.answer) for pair in found} == {change for one in tunings for change in one.changes}
    assert max(len(pair.prompt) for pair in found) < 1000
