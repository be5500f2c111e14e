"""The seam to llama.cpp, with real GGUF files made here."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from pathlib import Path

import gguf
import numpy as np
import pytest
import tinygguf
from tinygguf import make_tiny_gguf

from rulegen.errors import ModelError
from rulegen.propose import llama
from rulegen.propose.llama import LanguageModel, load

WORDS = 'root ::= "{\\"word\\":\\"" ("yes" | "no" | "maybe" | "never" | "always") "\\"}"\n'
ANSWERS = {f'{{"word":"{word}"}}' for word in ("yes", "no", "maybe", "never", "always")}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_gguf(tmp_path_factory.mktemp("llama") / "tiny.gguf")


@pytest.fixture(scope="module")
def model(tiny: Path) -> LanguageModel:
    return load(tiny, threads=1, context=1024)


def ask(
    model: LanguageModel,
    prompt: str = "Is this noise? " * 20,
    grammar: str = WORDS,
    max_tokens: int = 40,
    temperature: float = 0.8,
    seed: int = 1,
    deadline: float | None = None,
) -> str:
    return model.complete(
        prompt, grammar, max_tokens=max_tokens, temperature=temperature, seed=seed, deadline=deadline
    )


def test_answers_within_the_grammar(model: LanguageModel) -> None:
    found = {ask(model, seed=seed) for seed in range(40)}
    assert found <= ANSWERS and len(found) > 2


def test_the_same_arguments_give_the_same_text_whatever_came_before(model: LanguageModel, tiny: Path) -> None:
    seeds = range(12)
    first = [ask(model, seed=seed) for seed in seeds]
    mixed = []
    for seed in reversed(seeds):
        ask(model, prompt="Is this noise? No, it is " + "something else " * seed, seed=seed)
        mixed.append(ask(model, seed=seed))
    fresh = load(tiny, threads=1, context=1024)
    assert first == mixed[::-1] == [ask(fresh, seed=seed) for seed in seeds]


def test_temperature_0_takes_the_likeliest(model: LanguageModel) -> None:
    assert len({ask(model, temperature=0, seed=seed) for seed in range(5)}) == 1


def test_a_prompt_of_one_token(model: LanguageModel) -> None:
    assert ask(model, prompt="x") in ANSWERS


def test_control_tokens_in_the_prompt_are_plain_text(model: LanguageModel) -> None:
    assert ask(model, prompt="<|end|>" * 10) in ANSWERS


def test_stops_when_the_tokens_run_out(model: LanguageModel) -> None:
    assert ask(model, max_tokens=3) == '{"w'


def test_name_and_hash(model: LanguageModel, tiny: Path) -> None:
    told = subprocess.run(["sha256sum", tiny], capture_output=True, text=True, check=True, timeout=30).stdout
    assert model.name == "tiny.gguf" and model.sha256 == told.split()[0]


def test_the_context_must_hold_prompt_and_answer(model: LanguageModel) -> None:
    with pytest.raises(ModelError, match="context of 1024 tokens is too small for a prompt of 1500 and an answer"):
        ask(model, prompt="#" * 1500)
    with pytest.raises(ModelError, match="too small"):
        ask(model, prompt="#" * 1000, max_tokens=25)
    assert ask(model) in ANSWERS


def test_a_context_beyond_what_the_model_was_trained_for_is_none(tmp_path: Path) -> None:
    short = load(make_tiny_gguf(tmp_path / "short.gguf", context=512), threads=1, context=4096)
    assert ask(short, prompt="#" * 400) in ANSWERS
    with pytest.raises(llama.TooLong, match="context of 512 tokens is too small for a prompt of 600"):
        ask(short, prompt="#" * 600)


def test_what_a_prompt_shares_with_the_last_is_kept_and_changes_nothing(model: LanguageModel, tiny: Path) -> None:
    first = "a b c d e f g h i j k l m n o p " * 8
    for longer in (first + "tried x", first[:150] + "other", first, "z" + first):
        ask(model, prompt=first)
        kept = [ask(model, prompt=longer, seed=seed) for seed in range(4)]
        fresh = load(tiny, threads=1, context=1024)
        assert kept == [ask(fresh, prompt=longer, seed=seed) for seed in range(4)]


def test_a_model_says_for_which_wording_it_was_trained(model: LanguageModel, tmp_path: Path) -> None:
    says = make_tiny_gguf(tmp_path / "says.gguf", prompt="prompts/propose-v2.txt")
    assert load(says, threads=1, context=1024).trained and not model.trained  # type: ignore[attr-defined] # a GgufModel


def test_a_vocabulary_that_cannot_spell_the_answers(model: LanguageModel) -> None:
    with pytest.raises(ModelError, match="vocabulary cannot spell 'é'"):
        ask(model, grammar='root ::= "é"\n')


def test_a_grammar_that_does_not_parse(model: LanguageModel) -> None:
    with pytest.raises(ModelError, match="cannot read the grammar"):
        ask(model, grammar='root ::= "a" | gone\n')


@pytest.mark.parametrize("late_after", [0, 3, 8])  # before the start, while the prompt is read, while it writes
def test_a_deadline_stops_it(late_after: int, tiny: Path) -> None:
    ticks = count()
    slow = load(tiny, threads=1, context=1024, now=lambda: next(ticks))
    asked: Callable[[float | None], str] = lambda deadline: ask(slow, deadline=deadline)  # noqa: E731
    with pytest.raises(ModelError, match="too slow"):
        asked(late_after - 1)
    assert asked(None) == ask(load(tiny, threads=1, context=1024))  # and it still works afterwards


def test_damaged_weights_do_not_end_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class NoNumbers:
        def normal(self, _: float, __: float, shape: tuple[int, ...]) -> np.ndarray:
            return np.full(shape, np.nan)

    monkeypatch.setattr(tinygguf.np.random, "default_rng", lambda _: NoNumbers())
    broken = load(make_tiny_gguf(tmp_path / "nan.gguf"), threads=1, context=1024)
    with pytest.raises(ModelError, match="weights are damaged"):
        ask(broken)


def cut(tiny: Path, size: int) -> bytes:
    return tiny.read_bytes()[:size]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (lambda _: b"", "not a GGUF file: it is empty"),
        (lambda _: b"GG", "not a GGUF file: it does not start as one does"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "not a GGUF file: it does not start as one does"),
        (lambda _: b"GGUF", "cannot load this model: "),
        (lambda _: b"GGUF" + b"\xff" * 500, "cannot load this model: .*version"),
        (lambda tiny: cut(tiny, 400), "cannot load this model: "),
        (lambda tiny: cut(tiny, 20_000), "cannot load this model: "),
        (lambda tiny: cut(tiny, tiny.stat().st_size - 5_000), "corrupted or incomplete"),
    ],
)
def test_files_that_are_no_model(
    content: Callable[[Path], bytes], message: str, tiny: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "model.gguf"
    path.write_bytes(content(tiny))
    with pytest.raises(ModelError, match=message) as caught:
        load(path, threads=1, context=512)
    assert str(caught.value).startswith(f"{path}: ") and "\n" not in str(caught.value)
    assert capfd.readouterr() == ("", "")


def test_paths_that_are_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="there is no such file"):
        load(tmp_path / "none.gguf", threads=1, context=512)
    with pytest.raises(ModelError, match="this is a directory"):
        load(tmp_path, threads=1, context=512)


def test_a_model_that_only_embeds(tmp_path: Path) -> None:
    path = tmp_path / "bert.gguf"
    make_tiny_bert(path)
    with pytest.raises(ModelError, match="does not continue text"):
        load(path, threads=1, context=64)


def make_tiny_bert(path: Path) -> None:
    """An encoder of one layer, 16 wide, with a WordPiece vocabulary of a few words."""
    width, inner, words = 16, 32, ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "\u2581noise"]
    writer = gguf.GGUFWriter(path, "bert")
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_block_count(1)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_layer_norm_eps(1e-12)
    writer.add_causal_attention(False)
    writer.add_pooling_type(gguf.PoolingType.MEAN)
    writer.add_tokenizer_model("bert")
    writer.add_token_list(words)
    writer.add_token_type_count(2)
    writer.add_unk_token_id(1)
    writer.add_sep_token_id(3)
    writer.add_pad_token_id(0)
    shapes = {"token_embd.weight": (len(words), width), "token_types.weight": (2, width)}
    shapes |= {"position_embd.weight": (64, width)}
    for norm in ("token_embd_norm", "blk.0.attn_output_norm", "blk.0.layer_output_norm"):
        shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,)}
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        shapes |= {f"blk.0.{part}.weight": (width, width), f"blk.0.{part}.bias": (width,)}
    shapes |= {"blk.0.ffn_up.weight": (inner, width), "blk.0.ffn_up.bias": (inner,)}
    shapes |= {"blk.0.ffn_down.weight": (width, inner), "blk.0.ffn_down.bias": (width,)}
    for name, shape in shapes.items():
        writer.add_tensor(name, np.zeros(shape, dtype=np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def test_says_nothing_on_the_terminal_and_gives_it_back(tiny: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert ask(load(tiny, threads=1, context=1024)) in ANSWERS
    print("out")
    print("err", file=sys.stderr)
    assert capfd.readouterr() == ("out\n", "err\n")


def test_llama_cpp_is_imported_only_when_wanted() -> None:
    code = "import sys, rulegen.propose.model, rulegen.propose.llama; assert 'llama_cpp' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_a_library_that_does_not_import(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "llama_cpp", None)
    monkeypatch.setattr(llama, "_library", llama._library.__wrapped__)
    with pytest.raises(ModelError, match="llama-cpp-python cannot be imported"):
        load(tiny, threads=1, context=512)


def test_a_model_still_loaded_when_the_process_ends(tiny: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from rulegen.propose.llama import load;"
        "kept = load(Path(sys.argv[1]), threads=1, context=512); sys.modules['kept'] = kept"
    )
    done = subprocess.run([sys.executable, "-c", code, tiny], capture_output=True, text=True, check=True, timeout=60)
    assert (done.stdout, done.stderr) == ("", "")
