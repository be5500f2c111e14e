"""A tiny model in training: it learns, it stops and goes on exactly, and it says what is wrong."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from trainable import need_libraries, write_lines

need_libraries()

import torch  # noqa: E402 # after it is seen to be there

from rulegen.errors import InputError  # noqa: E402
from rulegen.train.model.batches import Epochs, Row, encode  # noqa: E402
from rulegen.train.model.evaluation import evaluate, greedy, kind, scores  # noqa: E402
from rulegen.train.model.examples import Example, Material, Source, Tried, read_material, texts  # noqa: E402
from rulegen.train.model.folder import load_folder  # noqa: E402
from rulegen.train.model.presets import PRESETS, build  # noqa: E402
from rulegen.train.model.pretrain import main, pretrain, read_options  # noqa: E402
from rulegen.train.model.tokenizer import END, START, train_tokenizer  # noqa: E402
from rulegen.train.model.training import Rhythm, Run, Schedule, answer_loss, settle  # noqa: E402


@pytest.fixture(scope="module")
def material(tmp_path_factory: pytest.TempPathFactory) -> Material:
    return read_material([Source(write_lines(tmp_path_factory.mktemp("lines") / "toy.jsonl"))], 0.1)


@pytest.fixture(scope="module")
def tokenizer(material: Material) -> Any:
    return train_tokenizer(texts(material.train), 400)


def training(material: Material, tokenizer: Any, folder: Path, schedule: Schedule, half: bool = False) -> Any:
    """Returns a run at its start (or where the folder's checkpoint stands), and its batches."""
    settle(0, 1)
    model = build(PRESETS["tiny"], len(tokenizer), 0)
    run = Run(model, schedule, folder, tokenizer.eos_token_id, half=half, device="cpu")
    run.resume(lambda _: None)
    examples, _ = encode(material.train, tokenizer, 500, several=True)
    return run, Epochs(examples, material.weights, schedule.tokens, 0, draws=3)


def weights(run: Run) -> dict[str, Any]:
    return {name: one.detach().clone() for name, one in run.model.named_parameters()}


@pytest.mark.parametrize("half", [False, True], ids=["32 bit", "bf16"])
def test_stopping_and_going_on_equals_going_straight_on(
    material: Material, tokenizer: Any, tmp_path: Path, half: bool
) -> None:
    schedule = Schedule(steps=16, rate=3e-3, tokens=512, warmup=4)
    straight, epochs = training(material, tokenizer, tmp_path / "a", schedule, half)
    assert straight.train(epochs, Rhythm(), dict, lambda _: None)
    ticks: Iterator[float] = iter(range(1000))
    first, epochs = training(material, tokenizer, tmp_path / "b", schedule, half)
    assert not first.train(epochs, Rhythm(stop_after=8), dict, lambda _: None, lambda: next(ticks))
    assert 0 < first.place.step < 16
    second, epochs = training(material, tokenizer, tmp_path / "b", schedule, half)
    assert second.place == first.place
    assert second.train(epochs, Rhythm(), dict, lambda _: None)
    assert second.place == straight.place
    assert all(torch.equal(one, weights(second)[name]) for name, one in weights(straight).items())


def test_a_longer_run_goes_on_from_before_the_rate_fell(material: Material, tokenizer: Any, tmp_path: Path) -> None:
    short, epochs = training(material, tokenizer, tmp_path / "a", Schedule(8, 3e-3, 512, warmup=2, fall=0.5))
    short.train(epochs, Rhythm(report=3), dict, lambda _: None)
    longer = Schedule(16, 3e-3, 512, warmup=2, fall=0.5)
    on, epochs = training(material, tokenizer, tmp_path / "a", longer)
    assert on.place.step == 4
    on.train(epochs, Rhythm(report=3), dict, lambda _: None)
    log = [json.loads(line)["step"] for line in (tmp_path / "a" / "log.jsonl").read_text().splitlines()]
    assert sorted(set(log)) == log and log[0] == 3  # what was noted after step 4 the first time is gone
    straight, epochs = training(material, tokenizer, tmp_path / "b", longer)
    straight.train(epochs, Rhythm(), dict, lambda _: None)
    assert all(torch.equal(one, weights(on)[name]) for name, one in weights(straight).items())


def test_the_rate_rises_stays_and_falls() -> None:
    schedule = Schedule(steps=20, rate=1.0, tokens=1, warmup=4, fall=0.25)
    rates = [schedule.rate_at(step) for step in range(20)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, *[1.0] * 13, 0.8, 0.6, 0.4, 0.2])
    assert schedule.falling == 15


def test_only_answers_are_learnt() -> None:
    """The loss of a padded batch is that of transformers over the answers, one by one, and of nothing else."""
    settle(0, 1)
    model = build(PRESETS["tiny"], 64, 0)
    rows = [Row((0, 5, 6, 7), ((8, 1),)), Row((0, 9, 10), ((1,),))]
    got = answer_loss(model, rows, 1, half=False, device="cpu")
    whole = {(row.prompt, answer): 1.0 for row in rows for answer in row.answers}
    assert float(got.detach()) == pytest.approx(alone(model, whole), rel=1e-5)


def test_answers_to_one_question_do_not_see_each_other() -> None:
    """Several answers in one row cost what each costs behind the question alone, as often as it counts."""
    settle(0, 1)
    model = build(PRESETS["tiny"], 64, 0)
    rows = [Row((0, 5, 6, 7), ((8, 1), (9, 10, 11, 1), (8, 12, 1)), (0.5, 0.25, 0.25)), Row((0, 9), ((7, 1),))]
    got = answer_loss(model, rows, 1, half=False, device="cpu")
    whole = {(row.prompt, one): at for row in rows for one, at in zip(row.answers, row.weights, strict=True)}
    assert float(got.detach()) == pytest.approx(alone(model, whole), rel=1e-5)


def alone(model: Any, texts: dict[tuple[tuple[int, ...], tuple[int, ...]], float]) -> float:
    """The mean loss of the answers' tokens by transformers' own loss, text by text, without padding."""
    total = count = 0.0
    for (prompt, answer), weight in texts.items():
        labels = torch.tensor([[-100] * len(prompt) + list(answer)])
        loss = float(model(torch.tensor([prompt + answer]), labels=labels).loss.detach())
        total += weight * loss * len(answer)
        count += weight * len(answer)
    return total / count


def test_it_learns_what_can_be_learnt(tmp_path: Path, material: Material) -> None:
    lines = write_lines(tmp_path / "toy.jsonl", 400, seed=1)
    command = ["--data", str(lines), "--preset", "tiny", "--out", str(tmp_path / "run"), "--steps", "160"]
    command += [
        "--tokens",
        "1024",
        "--warmup",
        "10",
        "--tests",
        "40",
        "--threads",
        "1",
        "--evaluate-every",
        "80",
        "--vocabulary",
        "400",
    ]
    assert main(command) == 0
    log = [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").read_text().splitlines()]
    losses, tested = [one for one in log if "rate" in one], [one for one in log if "exact" in one]
    assert losses[0]["loss"] > 3 * losses[-1]["loss"]
    assert tested[-1]["template"] > 0.9 and tested[-1]["loss"] < tested[0]["loss"]
    recipe = json.loads((tmp_path / "run" / "recipe.json").read_text())
    assert (recipe["steps"], recipe["seed"], recipe["preset"]) == (160, 0, "tiny")


def test_the_same_command_makes_the_same_model(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "toy.jsonl")
    for name in ("a", "b"):
        command = ["--data", str(lines), "--preset", "tiny", "--out", str(tmp_path / name), "--steps", "6"]
        assert pretrain(read_options([*command, "--threads", "1", "--tests", "5"]), lambda _: None)
    a, b = ((tmp_path / name / "model" / "model.safetensors").read_bytes() for name in ("a", "b"))
    assert a == b


def test_a_run_may_begin_with_a_model(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "toy.jsonl")
    command = ["--data", str(lines), "--steps", "2", "--tokens", "512", "--threads", "1", "--tests", "5"]
    first = [*command, "--preset", "tiny", "--vocabulary", "400", "--out", str(tmp_path / "a")]
    assert pretrain(read_options(first), lambda _: None)
    # Another preset and vocabulary by default: both are those of the model.
    second = [*command, "--begin", str(tmp_path / "a" / "model"), "--rate", "1e-12", "--out", str(tmp_path / "b")]
    assert pretrain(read_options(second), lambda _: None)
    began, ended = (load_folder(tmp_path / run / "model") for run in "ab")
    assert began[1].get_vocab() == ended[1].get_vocab() and len(ended[1]) <= 400
    for name, one in began[0].named_parameters():
        assert torch.allclose(one, ended[0].get_parameter(name), atol=1e-6), name


def test_one_that_stops_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = [
        "--data",
        str(write_lines(tmp_path / "toy.jsonl", 20)),
        "--preset",
        "tiny",
        "--out",
        str(tmp_path / "run"),
    ]
    assert main([*command, "--steps", "3", "--threads", "1", "--stop-after", "1ms"]) == 130
    assert "goes on" in capsys.readouterr().err
    assert main([*command, "--steps", "3", "--threads", "1"]) == 0
    assert "goes on from step 1" in capsys.readouterr().err


def test_other_data_begin_a_new_epoch(material: Material, tokenizer: Any, tmp_path: Path) -> None:
    run, _ = training(material, tokenizer, tmp_path, Schedule(8, 3e-3, 512))
    run.reads("one", lambda _: None)
    assert run.place.epoch == 0
    said: list[str] = []
    run.reads("one", said.append)
    assert not said
    run.reads("other", said.append)
    assert said and (run.place.epoch, run.place.position, run.place.data) == (1, 0, "other")


def test_a_checkpoint_of_another_model_is_one_message(material: Material, tokenizer: Any, tmp_path: Path) -> None:
    run, _ = training(material, tokenizer, tmp_path, Schedule(8, 3e-3, 512))
    run.save("latest.pt")
    other = build(PRESETS["tiny"], len(tokenizer) + 32, 0)
    with pytest.raises(InputError, match="another model"):
        Run(other, Schedule(8, 1e-3, 512), tmp_path, 1, half=False, device="cpu").resume(lambda _: None)


@pytest.mark.parametrize("content", [b"", b"not a checkpoint", b"PK\x03\x04torn"])
def test_a_damaged_checkpoint_is_one_message(
    material: Material, tokenizer: Any, tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "latest.pt").write_bytes(content)
    with pytest.raises(InputError, match="no checkpoint"):
        training(material, tokenizer, tmp_path, Schedule(8, 3e-3, 512))


@pytest.mark.parametrize("whole", [False, True], ids=["its own attention", "that of a run in bf16"])
def test_what_is_greedy_is_what_teaching_would_confirm(
    material: Material, tokenizer: Any, tmp_path: Path, whole: bool
) -> None:
    """Batched, padded and with a cache: the next token is the likeliest after all before it."""
    settle(0, 1)
    model = build(PRESETS["tiny"], len(tokenizer), 3).eval()
    if whole:
        Run(model, Schedule(1, 1e-3, 64), tmp_path, tokenizer.eos_token_id, half=True, device="cpu")
    some = [Example(prompt, "", "", "") for prompt in ("a", "Rule pattern storm " * 9, "éx")]
    for one, answer in zip(some, greedy(model, tokenizer, some, half=False, device="cpu", most=12), strict=True):
        ids = tokenizer(one.prompt)["input_ids"]
        with torch.no_grad():
            for _ in range(12):
                ids.append(int(model(torch.tensor([ids])).logits[0, -1].argmax()))
        assert tokenizer.decode(ids[-12:], skip_special_tokens=True) == answer


def test_scores() -> None:
    right, other = '{"template":"hold","slots":{"for":"5m"}}', '{"template":"hold","slots":{"for":"9m"}}'
    tried = (Tried(right, True, 0.9, 0.9), Tried(other, True, 0.7, 0.7))
    asked = [Example("q", right, "", "", tried)] * 4
    got = scores(asked, [right, other, '{"template":"gate"', "[]"])
    assert got == {"exact": 0.25, "template": 0.5, "json": 0.5, "as_good": 0.25, "accepted": 0.5, "tried": 0.5}
    assert kind('{"kind":"hold","to":"5m"}') == "hold" and kind("{}") is None
    assert evaluate(None, None, [], half=False, device="cpu") == {}


def test_every_text_can_be_written_and_digits_stand_alone(tokenizer: Any) -> None:
    for text in ("pattern storm 12345", "\x00\u202e🚨 高负载\r\n", f"{START}{END}"):
        ids = tokenizer(text, split_special_tokens=True)["input_ids"]
        assert ids[0] == tokenizer.bos_token_id == 0
        assert tokenizer.decode(ids[1:]) == text
    assert all(len(token.strip("Ġ")) == 1 for token in tokenizer.get_vocab() if re.search(r"\d", token))
    assert len(tokenizer(" pattern")["input_ids"]) == 2


@pytest.mark.parametrize(
    "extra",
    [
        ["--fall", "0"],
        ["--held-out", "1"],
        ["--stop-after", "soon"],
        ["--leave-out", "fold"],
        ["--longest", "3"],
        ["--device", "tpu"],
        ["--threads", "0"],
    ],
)
def test_a_bad_option_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str], extra: list[str]) -> None:
    lines = write_lines(tmp_path / "toy.jsonl", 20)
    assert main(["--data", str(lines), "--preset", "tiny", "--out", str(tmp_path / "run"), *extra]) == 2
    assert "Traceback" not in capsys.readouterr().err
