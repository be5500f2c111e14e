"""Fine-tuning, the whole path: a base with random weights, made here, to a GGUF file that llama.cpp answers with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from trainable import need_libraries, write_lines

need_libraries()

import torch  # noqa: E402 # after it is seen to be there
from transformers import Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from rulegen.errors import InputError  # noqa: E402
from rulegen.propose.llama import load  # noqa: E402
from rulegen.train.model.examples import Source, read_material, texts  # noqa: E402
from rulegen.train.model.finetune import Wanted, finetune  # noqa: E402
from rulegen.train.model.folder import load_folder  # noqa: E402
from rulegen.train.model.presets import PRESETS, build  # noqa: E402
from rulegen.train.model.tokenizer import train_tokenizer  # noqa: E402
from rulegen.train.model.training import Rhythm, Schedule, settle  # noqa: E402


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_lines(tmp_path_factory.mktemp("lines") / "own.jsonl", 120)


def make_base(folder: Path, lines: Path, family: str = "llama", seed: int = 0) -> Path:
    tokenizer = train_tokenizer(texts(read_material([Source(lines)], 0).train), 400)
    settle(0, 1)
    model: Any = build(PRESETS["tiny"], len(tokenizer), seed)
    if family == "qwen2":
        shape = {"hidden_size": 64, "num_hidden_layers": 1, "num_attention_heads": 4, "num_key_value_heads": 2}
        model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), intermediate_size=96, **shape))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def wanted(base: Path, lines: Path, out: Path, steps: int = 12, stop: float | None = None) -> Wanted:
    return Wanted(
        base=base,
        sources=(Source(lines),),
        out=out,
        schedule=Schedule(steps, 1e-2, 1024, warmup=2, decay=0.0),
        rhythm=Rhythm(report=4, evaluate=100, save=4, stop_after=stop),
        rank=4,
        tests=4,
        threads=1,
        half=False,
    )


@pytest.mark.filterwarnings("error::FutureWarning")  # what libraries say to one another is not for users
@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_from_a_base_to_a_file_that_answers(tmp_path: Path, lines: Path, family: str) -> None:
    base = make_base(tmp_path / "base", lines, family)
    before = (base / "model.safetensors").read_bytes()
    said: list[str] = []
    done = finetune(wanted(base, lines, tmp_path / "own-model.gguf"), said.append)
    assert done.startswith(str(tmp_path / "own-model.gguf"))
    assert (base / "model.safetensors").read_bytes() == before
    log = [json.loads(line) for line in (tmp_path / "own-model.run" / "log.jsonl").read_text().splitlines()]
    losses = [one["loss"] for one in log if "rate" in one]
    assert losses[-1] < losses[0]
    card = (tmp_path / "own-model.card.md").read_text()
    assert "LoRA of rank 4" in card and "| base | base |" in card
    model = load(tmp_path / "own-model.gguf", threads=1, context=512)
    grammar = 'root ::= "{\\"template\\":\\"" ("hold" | "gate") "\\"}"\n'
    answer = model.complete("Rule\nAnswer:\n", grammar, max_tokens=40, temperature=0, seed=1, deadline=None)
    assert json.loads(answer)["template"] in ("hold", "gate")


def test_what_is_merged_is_the_base_and_what_was_learnt(tmp_path: Path, lines: Path) -> None:
    base = make_base(tmp_path / "base", lines)
    finetune(wanted(base, lines, tmp_path / "own.gguf"), lambda _: None)
    old, new = (load_folder(folder)[0].state_dict() for folder in (base, tmp_path / "own.run" / "model"))
    changed = {name for name in old if not torch.equal(old[name], new[name])}
    assert changed == {name for name in old if "_proj." in name}
    ranks = {int(torch.linalg.matrix_rank(new[name] - old[name], atol=1e-5)) for name in changed}
    assert max(ranks) <= 4


def test_it_stops_and_goes_on_to_the_same_model(tmp_path: Path, lines: Path) -> None:
    base = make_base(tmp_path / "base", lines)
    finetune(wanted(base, lines, tmp_path / "a.gguf", 4), lambda _: None)
    while "stopped" in finetune(wanted(base, lines, tmp_path / "b.gguf", 4, stop=1e-9), lambda _: None):
        assert not (tmp_path / "b.gguf").exists()
    a, b = ((tmp_path / f"{name}.run" / "model" / "model.safetensors").read_bytes() for name in "ab")
    assert a == b


def test_what_was_learnt_beside_one_base_is_not_added_to_another(tmp_path: Path, lines: Path) -> None:
    one, other = (make_base(tmp_path / f"base-{seed}", lines, seed=seed) for seed in (0, 1))
    assert "stopped" in finetune(wanted(one, lines, tmp_path / "own.gguf", 4, stop=1e-9), lambda _: None)
    with pytest.raises(
        InputError, match="a checkpoint of another model: it was learnt beside the weights of another"
    ):
        finetune(wanted(other, lines, tmp_path / "own.gguf", 4), lambda _: None)
    assert not (tmp_path / "own.gguf").exists()


def test_what_is_no_base_is_one_message(tmp_path: Path, lines: Path) -> None:
    base = make_base(tmp_path / "base", lines)
    with pytest.raises(InputError, match="GGUF"):
        finetune(wanted(tmp_path / "model.gguf", lines, tmp_path / "x.gguf"), lambda _: None)
    with pytest.raises(InputError, match="named with"):
        finetune(wanted(base, lines, tmp_path / "x.bin"), lambda _: None)
    (base / "model.safetensors").write_bytes(b"torn")
    with pytest.raises(InputError, match="cannot read"):
        finetune(wanted(base, lines, tmp_path / "x.gguf"), lambda _: None)
    assert not (tmp_path / "x.gguf").exists()
