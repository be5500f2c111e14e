"""Labelled clusters: answers that read back as what was proposed, the same bytes from a seed, nothing twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from rulegen.core.candidate import Provenance
from rulegen.core.cluster import Grade
from rulegen.errors import InputError
from rulegen.propose.answer import read_answer, write_answer
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.templates import TEMPLATES
from rulegen.train.label.__main__ import main
from rulegen.train.label.lines import Line, label_world
from rulegen.train.label.ranking import EQUAL, PRIOR, likeliest
from rulegen.train.label.reword import Rewording, clusters_of
from rulegen.train.label.shards import read_shards, run, shards
from rulegen.train.label.tries import first_tries
from rulegen.train.wild import draw_world

SEED = 0  # small, and also seen from its alerts alone


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return list(label_world(SEED))


def test_a_line_says_what_is_asked_and_what_is_right(lines: list[Line]) -> None:
    assert lines
    assert any(line["answer"] for line in lines)
    for line in lines:
        assert line["world"] == SEED
        tried = {answer: (accepted, pages) for answer, accepted, pages, _, _ in line["tried"]}
        assert len(tried) == len(line["tried"]), "nothing is tried twice"
        if line["answer"] is not None:
            assert tried[line["answer"]][0] == 1, "what is to be learned was accepted"
            assert line["left"] < 1
        for answer, accepted, pages, minutes, reason in line["tried"]:
            assert bool(reason) != bool(accepted)
            assert set(json.loads(answer)) == {"template", "slots"}
            assert pages <= 1 and minutes <= 1
        assert line["facts"]["pattern"] == line["pattern"]
        assert all(isinstance(value, (str, float, int)) for value in line["facts"].values())


def test_prompts_and_answers_are_those_of_the_product(lines: list[Line]) -> None:
    clusters = list(clusters_of(draw_world(SEED)))
    assert [line["cluster"] for line in lines] == [cluster.id for cluster in clusters]
    by_search = Provenance("search")
    for line, cluster in zip(lines, clusters, strict=True):
        offers = offers_for(cluster, TEMPLATES)
        assert line["prompt"] == build_prompt(cluster, offers)
        proposals = list(first_tries(cluster))
        assert len({(one.template, one.slots.pairs) for one in proposals}) == len(proposals)
        for proposal in proposals:
            assert read_answer(write_answer(proposal, offers), offers, by_search) == proposal


def test_alerts_alone_are_seen_too(lines: list[Line]) -> None:
    grades = [line["facts"]["grade"] for line in lines]
    assert set(grades) == {"metrics", "alerts"}
    known = {one.name for one in TEMPLATES if Grade.ALERTS in one.grades}
    for line in lines:
        names = {json.loads(answer)["template"] for answer, *_ in line["tried"]}
        assert (names <= known) == (line["facts"]["grade"] == "alerts")


def test_prompts_can_be_made_again(lines: list[Line]) -> None:
    old = [{**line, "prompt": "the wording of last year"} for line in lines]
    assert list(map(Rewording(), old)) == lines
    with pytest.raises(InputError, match="of another version"):
        Rewording()({**lines[0], "cluster": "c-0000000000"})
    with pytest.raises(InputError, match="of another version"):
        Rewording()({**lines[0], "answer": '{"template":"gone","slots":{}}'})


def test_among_equals_the_change_that_people_make_wins() -> None:
    assert likeliest([0.10, 0.10 + EQUAL / 2, 0.10 + 2 * EQUAL], ["burn_rate", "retune", "hold"]) == 1
    assert likeliest([0.10, 0.10 + 2 * EQUAL], ["burn_rate", "hold"]) == 0
    assert likeliest([0.2, 0.1], ["hold", "hold"]) == 1
    assert likeliest([1.0, 1.2], ["hold", "retune"]) is None
    assert likeliest([0.98, 1.01], ["burn_rate", "hold"]) == 0, "what leaves more than all is none"
    assert likeliest([], []) is None
    assert set(PRIOR) == {one.name for one in TEMPLATES}


def test_shards_are_the_same_bytes_again_whatever_the_hashes(tmp_path: Path) -> None:
    for name, seed in (("a", "1"), ("b", "2")):
        subprocess.run(
            [sys.executable, "-m", "rulegen.train.label", "--seeds", "0..1", "--per-shard", "1", "--out", name],
            cwd=tmp_path,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": str(Path(__file__).parents[2])},
            check=True,
            capture_output=True,
            timeout=120,
        )
    first, second = ({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("a", "b"))
    assert set(first) == {"shard-00000.jsonl.gz"}
    assert first == second


def test_what_is_there_is_not_made_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wanted = shards("0..2", 1)
    kept = tmp_path / wanted[0].name
    kept.write_bytes(b"kept")
    (tmp_path / f".{wanted[1].name}.1.part").write_bytes(b"cut off")
    assert run(wanted, tmp_path, workers=1) == []
    assert "1 of 2 shards are there" in capsys.readouterr().out
    assert kept.read_bytes() == b"kept"
    kept.unlink()
    assert {line["world"] for line in read_shards(tmp_path)} == {1}


def test_what_can_not_be_written_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    taken = tmp_path / "file"
    taken.write_text("")
    assert main(["--seeds", "0..20", "--out", str(taken)]) == 2
    assert capsys.readouterr().err == f"{taken}: File exists\n"


@pytest.mark.parametrize("text", ["5", "3..2", "1..1", "0..30", "a..b", "-20..0", "7..40"])
def test_seeds_that_are_no_shards(text: str) -> None:
    with pytest.raises(InputError, match="two multiples of 20"):
        shards(text)
