"""What is read to learn from, and in which order it is shown."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from rulegen.errors import InputError
from rulegen.train.model.again import asked_again
from rulegen.train.model.batches import Encoded, Epochs, Row, padded
from rulegen.train.model.examples import Example, Source, Tried, read_material, read_source
from rulegen.train.model.worth import worth


def shard(folder: Path, number: int, *lines: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"shard-{number:05d}.jsonl.gz"
    path.write_bytes(gzip.compress("".join(f"{json.dumps(one)}\n" for one in lines).encode()))
    return path


def asked(world: int, **more: object) -> dict[str, object]:
    return {"world": world, "prompt": f"question {world}", "answer": f"answer {world}", **more}


def test_shards_are_read_in_order_and_lines_without_an_answer_are_counted(tmp_path: Path) -> None:
    shard(tmp_path / "v1", 1, asked(3))
    shard(tmp_path / "v1", 0, asked(1), {**asked(2), "answer": None})
    read = read_material([Source(tmp_path / "v1", 2.0)], 0)
    assert [one.answer for one in read.train] == ["answer 1", "answer 3"]
    assert (read.test, read.left, read.weights) == ((), 1, {"v1": 2.0})


def test_worlds_are_whole_on_one_side_and_stay_there_when_more_come(tmp_path: Path) -> None:
    shard(tmp_path / "v1", 0, *(asked(n // 3, prompt=f"question {n}") for n in range(600)))
    few = read_material([Source(tmp_path / "v1")], 0.2)
    assert {one.group for one in few.train}.isdisjoint(one.group for one in few.test)
    assert 0.1 < len(few.test) / 600 < 0.3
    shard(tmp_path / "v1", 1, *(asked(n) for n in range(1000, 1100)))
    more = read_material([Source(tmp_path / "v1")], 0.2)
    assert set(few.test) < set(more.test) and set(few.train) < set(more.train)
    assert few.sha256 != more.sha256


def test_a_question_of_the_training_is_none_of_the_test(tmp_path: Path) -> None:
    shard(tmp_path / "v1", 0, *(asked(n, prompt="the same", answer="the same") for n in range(100)))
    read = read_material([Source(tmp_path / "v1")], 0.3)
    assert len(read.train) == 1 and not read.test


def test_lines_are_left_out_by_a_key(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text("".join(json.dumps({**asked(n), "fold": n % 5}) + "\n" for n in range(20)))
    read = read_material([Source(path)], 0.5, ("fold", "2"))
    assert [one.answer for one in read.test] == [f"answer {n}" for n in range(20) if n % 5 == 2]
    assert len(read.train) == 16


def test_what_is_no_example_is_named_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "pairs.jsonl"
    path.write_text('{"prompt": 1, "answer": ""}\nnothing\n' + json.dumps(asked(1)) + '\n{"prompt": "x"}\n')
    with pytest.raises(InputError) as caught:
        read_material([Source(path)], 0)
    assert [message.split(": ")[0] for message in caught.value.messages] == [f"{path}:{n}" for n in (1, 2, 4)]


@pytest.mark.parametrize("content", [b"", b"\x1f\x8b\x08\x00torn", gzip.compress(b"\xff\xfe", mtime=0)])
def test_a_damaged_shard_is_one_message(tmp_path: Path, content: bytes) -> None:
    shard(tmp_path, 0).write_bytes(content)
    with pytest.raises(InputError):
        read_material([Source(tmp_path)], 0)


def test_sources_and_weights() -> None:
    assert read_source("a/b") == Source(Path("a/b"), 1.0)
    assert read_source("a=b/c=0.5") == Source(Path("a=b/c"), 0.5)
    for wrong in ("a=", "a=0", "a=-1", "a=nan", "a=inf"):
        with pytest.raises(InputError):
            read_source(wrong)
    with pytest.raises(InputError):
        read_material([Source(Path("x/a")), Source(Path("y/a"))], 0)


def test_equals_are_what_was_accepted_and_cuts_as_much() -> None:
    cuts = (("b", True, 0.89), ("right", True, 0.9), ("c", False, 0.95), ("d", True, 0.5))
    tried = tuple(Tried(answer, accepted, cut, cut) for answer, accepted, cut in cuts)
    assert Example("q", "right", "g", "s", tried).equals() == ("right", "b")
    assert Example("q", "unseen", "g", "s", tried).equals() == ("unseen",)


def test_asking_again_tells_what_came_of_worse_answers() -> None:
    """In the words and the order in which a run tells it, and never the right answer or its equals."""
    tried = (
        Tried("lost", False, 0.95, 0.85, "loses INC-7"),
        Tried("right", True, 0.9, 0.9),
        Tried("equal", True, 0.89, 0.91),
        Tried("weak", True, 0.5, 0.3),
        Tried("broken", False, 0.0, 0.0, "renders what is not PromQL"),
    )
    asked_first = Example("facts\n=\n", "right", "g", "s", tried)
    alone = Example("facts\n=\n", "right", "g", "s", (tried[1],))
    found = asked_again([asked_first] * 200 + [alone] * 10, 0.5, 3)
    assert 60 < len(found) < 140 and found == asked_again([asked_first] * 200 + [alone] * 10, 0.5, 3)
    assert {(one.answer, one.group) for one in found} == {("right", "g")}
    assert all(tried[1] in one.tried and tried[2] in one.tried for one in found)
    longest = max(found, key=lambda one: len(one.prompt))
    assert longest.tried == tried[1:3]  # what was heard is not taught any more
    assert longest.prompt == (
        'facts\ntried weak "passed, pages -50%, minutes -30%"\n'
        'tried lost "loses INC-7, pages -95%, minutes -85%"\n'
        'tried broken "renders what is not PromQL"\n='
    )
    assert not asked_again([asked_first], 0, 3)


def encoded(count: int, source: str = "a", answers: int = 1) -> list[Encoded]:
    return [
        Encoded((0, *range(n % 17)), tuple((100 + k, n, 1) for k in range(answers)), source, (1 / answers,) * answers)
        for n in range(count)
    ]


def test_an_epoch_shows_each_example_as_often_as_its_source_weighs() -> None:
    some = encoded(40, "a") + encoded(20, "b")
    shown = [row.answers[0][1] for batch in Epochs(some, {"a": 1.0, "b": 2.5}, 200, 7).epoch(0) for row in batch]
    assert len(shown) == 40 + 50
    assert all(shown.count(n) >= 1 + 2 for n in range(20)) and all(shown.count(n) == 1 for n in range(20, 40))


def test_batches_hold_no_more_than_they_may_and_are_full() -> None:
    batches = Epochs(encoded(500), {"a": 1.0}, 100, 7).epoch(3)
    cells = [len(batch) * max(row.length for row in batch) for batch in batches]
    assert max(cells) <= 100 and sum(cells) / len(cells) > 80
    assert Epochs(encoded(3), {"a": 1.0}, 1, 7).epoch(0)  # one row at least, however long


def test_order_is_drawn_from_the_seed_and_can_be_entered_anywhere() -> None:
    epochs = Epochs(encoded(100, answers=3), {"a": 1.0}, 100, 7)
    straight = [next_ for _, next_ in zip(range(60), epochs.starting(0, 0), strict=False)]
    epoch, position, batch = straight[40]
    assert (
        epoch > 0 and next(Epochs(encoded(100, answers=3), {"a": 1.0}, 100, 7).starting(epoch, position))[2] == batch
    )
    assert straight[0][2] != next(Epochs(encoded(100, answers=3), {"a": 1.0}, 100, 8).starting(0, 0))[2]
    assert {row.answers[0][0] for _, _, batch in straight for row in batch} == {100, 101, 102}


def test_several_answers_are_drawn_as_often_as_they_are_worth() -> None:
    some = [Encoded((0, n), ((100, 1), (101, 1), (102, 1)), "a", (0.7, 0.3, 0.0)) for n in range(400)]
    rows = [row for batch in Epochs(some, {"a": 1.0}, 100, 7, draws=4).epoch(0) for row in batch]
    counts = dict.fromkeys((100, 101, 102), 0.0)
    for row in rows:
        assert sum(row.weights) == pytest.approx(1.0) and len(set(row.answers)) == len(row.answers)
        for answer, weight in zip(row.answers, row.weights, strict=True):
            counts[answer[0]] += weight / len(rows)
    assert counts == pytest.approx({100: 0.7, 101: 0.3, 102: 0.0}, abs=0.05)


def hold(minutes: int) -> str:
    return json.dumps({"template": "hold", "slots": {"for": f"{minutes}m", "keep_firing_for": "0s"}})


RETUNE = '{"template":"retune","slots":{"threshold":"t1","for":"0s"}}'
DEMOTE = '{"template":"demote","slots":{"severity":"ticket"}}'
CARVE = '{"template":"carve_out","slots":{"targets":["v0","v1","v2"],"limit":"exclude"}}'


def test_what_is_taught() -> None:
    """The right answer first; then what cuts as much with as little, of each template its best; what the gate
    refused, what cuts little, what takes more effort and what gives up a page hardly or not at all."""
    tried = tuple(
        Tried(answer, accepted, cut, cut)
        for answer, accepted, cut in (
            (hold(5), True, 0.90),
            (hold(10), True, 0.90),
            (hold(15), False, 0.99),
            (RETUNE, True, 0.90),
            (DEMOTE, True, 0.95),
            (CARVE, True, 0.90),
            (hold(1), True, 0.40),
        )
    )
    taught = dict(Example("q", hold(5), "g", "s", tried, 0.0).lessons())
    assert next(iter(taught)) == hold(5) and sum(taught.values()) == pytest.approx(1)
    assert taught[hold(5)] > taught[RETUNE] > 2 * taught[hold(10)] > 0
    assert hold(15) not in taught and hold(1) not in taught
    assert taught.get(DEMOTE, 0) < 0.05 and taught.get(CARVE, 0) < 0.1
    assert Example("q", "a kind", "g", "s").lessons() == (("a kind", 1.0),)


def test_a_wait_that_the_rule_has_already_costs_nothing() -> None:
    assert worth(hold(10), 0.9, 10) > worth(hold(10), 0.9, 0)
    assert worth(hold(5), 0.9, 10) == worth(hold(10), 0.9, 10)


def test_what_seems_better_than_the_right_answer_is_not_taught_more() -> None:
    tried = tuple(Tried(answer, True, cut, cut) for answer, cut in ((hold(5), 0.6), (RETUNE, 0.99)))
    taught = dict(Example("q", hold(5), "g", "s", tried).lessons())
    assert taught[hold(5)] > taught[RETUNE] == pytest.approx(0.35)


def test_padding() -> None:
    found = padded([Row((5, 6), ((7,), (4, 3)), (0.25, 0.75)), Row((8,), ((9,),))], 1)
    assert found.ids.tolist() == [[5, 6, 7, 4, 3], [8, 9, 1, 1, 1]]
    assert found.positions.tolist() == [[0, 1, 2, 2, 3], [0, 1, 0, 0, 0]]
    assert found.branch.tolist() == [[0, 0, 1, 2, 2], [0, 1, -1, -1, -1]]
    assert list(zip(found.row.tolist(), found.at.tolist(), found.before.tolist(), strict=True)) == [
        (0, 2, 1),
        (0, 3, 1),
        (0, 4, 3),
        (1, 1, 0),
    ]
    assert found.weight.tolist() == [0.25, 0.75, 0.75, 1.0]
