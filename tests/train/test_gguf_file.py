"""GGUF files that are written here, read by llama.cpp: the same tokens and the same figures as in transformers."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from trainable import need_libraries, write_lines

need_libraries()

import torch  # noqa: E402 # after it is seen to be there
from llama_cpp import Llama  # noqa: E402
from tokenizers import Regex, pre_tokenizers  # noqa: E402
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM  # noqa: E402

from rulegen.errors import InputError, ModelError  # noqa: E402
from rulegen.models import read_manifest  # noqa: E402
from rulegen.train.model.examples import Source, read_material, texts  # noqa: E402
from rulegen.train.model.export import PROBES, export, main, pin_in  # noqa: E402
from rulegen.train.model.folder import load_folder  # noqa: E402
from rulegen.train.model.gguf_file import Naming, check_tokens, rotated, write_gguf  # noqa: E402
from rulegen.train.model.presets import Preset, build  # noqa: E402
from rulegen.train.model.tokenizer import train_tokenizer  # noqa: E402
from rulegen.train.model.training import settle  # noqa: E402

QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXT = 'Rule "Überlast7" pattern storm, median 42 minutes\nAnswer:\n{"template":"collapse","slots":{"for":"4m"}}'


def spread(model: Any) -> Any:
    """Weights so large that attention and positions matter: a wrong order of q's rows must show."""
    with torch.no_grad():
        for name, one in model.named_parameters():
            if one.ndim > 1:
                one.mul_(4 if "_proj" in name else 2)
    return model.eval()


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    lines = write_lines(tmp_path_factory.mktemp("lines") / "toy.jsonl")
    return train_tokenizer(texts(read_material([Source(lines)], 0).train), 400)


@pytest.fixture(scope="module")
def model(tokenizer: Any) -> Any:
    settle(0, 1)
    return spread(build(Preset(64, 2, 4, 96, 1e-3), len(tokenizer), 0))


def theirs(path: Path, ids: list[int]) -> Any:  # [tokens, vocabulary]
    llama = Llama(str(path), n_ctx=512, n_threads=1, logits_all=True, verbose=False)
    llama.eval(ids)
    logits = np.array(llama.scores[: len(ids)])
    llama.close()
    return logits


def ours(model: Any, ids: list[int]) -> Any:
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].numpy()


def apart(model: Any, path: Path, ids: list[int]) -> float:
    """The root mean square of the difference of the logits, as a share of that of the logits."""
    want, got = ours(model, ids), theirs(path, ids)
    return float(np.sqrt(((want - got) ** 2).mean() / (want**2).mean()))


@pytest.mark.parametrize(("form", "most"), [("f32", 2e-3), ("f16", 5e-3), ("q8_0", 0.05)])
def test_logits_are_those_of_the_original(model: Any, tokenizer: Any, tmp_path: Path, form: str, most: float) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), form)
    ids = tokenizer(TEXT)["input_ids"]
    assert apart(model, path, ids) < most
    assert [one.name for one in tmp_path.iterdir()] == ["model.gguf"]


def test_what_q8_0_loses_is_what_its_rounding_loses(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    """Beside the original with its matrices rounded to Q8_0, what is left is llama.cpp's rounding of activations."""
    import gguf

    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), "q8_0")
    rounded = build(Preset(64, 2, 4, 96, 1e-3), len(tokenizer), 0)
    q8 = gguf.GGMLQuantizationType.Q8_0
    state = {
        name: torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(one.numpy(), q8), q8))
        if one.ndim > 1
        else one
        for name, one in model.state_dict().items()
    }
    rounded.load_state_dict(state)
    ids = tokenizer(TEXT)["input_ids"]
    assert apart(rounded.eval(), path, ids) < 0.03


def test_the_rows_of_q_and_k_must_be_reordered(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    """The comparison above sees it when they are not."""
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), "f32")
    ids = tokenizer(TEXT)["input_ids"]
    other = build(Preset(64, 2, 4, 96, 1e-3), len(tokenizer), 0)
    state = {
        name: torch.from_numpy(rotated(one.numpy(), 4)) if ".q_proj." in name or ".k_proj." in name else one
        for name, one in model.state_dict().items()
    }
    other.load_state_dict(state)
    assert apart(other.eval(), path, ids) > 0.1


def test_tokens_are_those_of_the_original(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), "f32")
    odd = tuple("".join(map(chr, range(start, start + 200))) for start in (0, 0x80, 0x300, 0x1F300, 0x4E00))
    check_tokens(path, tokenizer, (*PROBES, *odd, TEXT, " ", "\n\n  x", "a" * 300))


def test_other_tokens_are_noticed(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), "f32")
    other = train_tokenizer(["nothing of the kind"], 300)
    with pytest.raises(ModelError, match="other tokens"):
        check_tokens(path, other, PROBES)


def qwen2(tokenizer: Any) -> tuple[Any, Any]:
    """A tiny Qwen2 with random weights, whose tokenizer cuts words as Qwen2's does and opens no text."""
    backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN2), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    backend.post_processor = None
    settle(1, 1)
    config = Qwen2Config(
        vocab_size=len(tokenizer) + 11,  # room that no token fills, as large models have
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        intermediate_size=96,
        max_position_embeddings=512,
        tie_word_embeddings=False,
        rope_theta=1_000_000.0,
    )
    model = Qwen2ForCausalLM(config)
    with torch.no_grad():
        for name, one in model.named_parameters():
            if name.endswith(".bias"):
                one.normal_(0, 0.5)
    return spread(model), PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")


def test_qwen2(tokenizer: Any, tmp_path: Path) -> None:
    model, cut = qwen2(tokenizer)
    path = tmp_path / "qwen.gguf"
    write_gguf(model, cut, path, Naming("qwen", "Apache-2.0"), "f32")
    check_tokens(path, cut, (*PROBES, TEXT))
    assert apart(model, path, cut(TEXT)["input_ids"]) < 2e-3


def test_export_writes_the_file_its_card_and_its_pin(model: Any, tokenizer: Any, tmp_path: Path) -> None:
    model.save_pretrained(tmp_path / "run" / "model")
    tokenizer.save_pretrained(tmp_path / "run" / "model")
    out, manifest = tmp_path / "out" / "some-model.gguf", tmp_path / "manifest.json"
    for _ in range(2):  # a second time replaces the pin
        assert main([str(tmp_path / "run"), "--out", str(out), "--manifest", str(manifest)]) == 0
    (pin,) = read_manifest(manifest)
    content = out.read_bytes()
    assert (pin.sha256, pin.size) == (hashlib.sha256(content).hexdigest(), len(content))
    card = (out.parent / pin.card).read_text()
    assert pin.sha256 in card and "Apache-2.0" in card
    again, _ = export(tmp_path / "run" / "model", tmp_path / "again" / "some-model.gguf", "q8_0", "Apache-2.0")
    assert again == pin
    pin_in(manifest, pin.model_copy(update={"name": "other"}))
    assert [one.name for one in read_manifest(manifest)] == ["some-model", "other"]


def test_what_cannot_be_exported_is_one_message(
    model: Any, tokenizer: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.gguf").write_bytes(b"GGUF")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "config.json").write_text("{")
    for folder in ("missing", "a.gguf", "broken"):
        with pytest.raises(InputError):
            load_folder(tmp_path / folder)
    assert main([str(tmp_path / "missing"), "--out", str(tmp_path / "x.gguf")]) == 2
    assert "Traceback" not in capsys.readouterr().err
    backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    other = PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="<|end|>")
    with pytest.raises(InputError, match="cuts words"):
        write_gguf(model, other, tmp_path / "x.gguf", Naming("x", ""), "f32")
    assert not list(tmp_path.glob("*x.gguf*"))


def sentence_piece(words: list[str]) -> Any:
    """A tokenizer of Llama's kind, as transformers converts one: no cut of words, spaces as ▁, bytes to fall back to,
    and for every token a merge of each two tokens that spell it."""
    from tokenizers import Tokenizer, decoders, normalizers
    from tokenizers.models import BPE
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer

    learnt = Tokenizer(BPE())
    learnt.pre_tokenizer = pre_tokenizers.Metaspace()
    learnt.train_from_iterator(words, BpeTrainer(vocab_size=400, show_progress=False))
    pieces = sorted(learnt.get_vocab(), key=learnt.get_vocab().get)
    tokens = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *pieces]
    place = {token: index for index, token in enumerate(tokens)}
    merges = [
        (piece[:at], piece[at:])
        for piece in pieces
        for at in range(1, len(piece))
        if {piece[:at], piece[at:]} <= set(pieces)
    ]
    backend = Tokenizer(BPE(place, merges, unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    backend.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    backend.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


def test_tokens_of_llamas_own_kind(tmp_path: Path) -> None:
    lines = write_lines(tmp_path / "toy.jsonl")
    tokenizer = sentence_piece(list(texts(read_material([Source(lines)], 0).train)))
    settle(0, 1)
    model = spread(build(Preset(64, 2, 4, 96, 1e-3), len(tokenizer), 0, start=1, end=2))
    path = tmp_path / "model.gguf"
    write_gguf(model, tokenizer, path, Naming("model", "Apache-2.0"), "f32")
    check_tokens(path, tokenizer, (*PROBES, TEXT, "pattern storm"))
    assert apart(model, path, tokenizer(TEXT)["input_ids"]) < 2e-3
