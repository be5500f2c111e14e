"""From a model as transformers writes it to one GGUF file, as llama.cpp reads it.

Two families are written, by llama.cpp's own names (``gguf-py/gguf/tensor_mapping.py``): Llama (CodeLlama, Mistral
and the models made here) and Qwen2. For Llama the rows of q and k go from transformers' order, in which a head's
two halves are rotated together, to llama.cpp's, in which neighbours are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from rulegen.errors import InputError, ModelError
from rulegen.propose.llama import PROMPT

Floats = NDArray[np.float32]

TYPES = {
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
    "f16": gguf.GGMLQuantizationType.F16,
    "f32": gguf.GGMLQuantizationType.F32,
}
_FAMILIES = {
    "llama": gguf.MODEL_ARCH.LLAMA,
    "mistral": gguf.MODEL_ARCH.LLAMA,
    "qwen2": gguf.MODEL_ARCH.QWEN2,
}
_FILE_TYPES = {
    "q8_0": gguf.LlamaFileType.MOSTLY_Q8_0,
    "f16": gguf.LlamaFileType.MOSTLY_F16,
    "f32": gguf.LlamaFileType.ALL_F32,
}
# The pattern by which a tokenizer cuts words → llama.cpp's name for it (llama-vocab.cpp). None: GPT-2's own.
_QWEN2 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3 = _QWEN2.replace(r"|\p{N}|", r"|\p{N}{1,3}|")
_CUTS = {_QWEN2: "qwen2", _LLAMA3: "llama-bpe"}


@dataclass(frozen=True, slots=True)
class Naming:
    """What the file says of itself. ``prompt`` is the wording of rulegen's that the model was trained for, empty for
    none."""

    name: str
    licence: str
    prompt: str = ""


def write_gguf(model: Any, tokenizer: Any, path: Path, naming: Naming, form: str = "q8_0") -> None:
    """Writes ``model`` (of transformers) and ``tokenizer`` to ``path``, whole or not at all, with its matrices in
    ``form`` (a key of ``TYPES``; matrices whose rows Q8_0 cannot cut into blocks of 32 stay F16).

    Raises InputError for a family or a tokenizer that is not written here.
    """
    config = model.config
    family = _FAMILIES.get(config.model_type)
    if family is None:
        raise InputError(f"a model of type {config.model_type!r} is not exported; {', '.join(sorted(_FAMILIES))} are")
    unfinished = path.with_name(f".{path.name}.part")
    # A temporary file holds what is quantised already, so that a large model is not in memory twice.
    writer = gguf.GGUFWriter(unfinished, gguf.MODEL_ARCH_NAMES[family], use_temp_file=True)
    try:
        _describe(writer, config, naming, form)
        _write_vocabulary(writer, tokenizer, config.vocab_size)
        for name, values in _tensors(model, family):
            kind = _type_of(values, form)
            writer.add_tensor(name, gguf.quants.quantize(values, kind), raw_dtype=kind)
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def _describe(writer: gguf.GGUFWriter, config: Any, naming: Naming, form: str) -> None:
    heads = config.num_attention_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // heads
    writer.add_name(naming.name)
    writer.add_license(naming.licence)
    if naming.prompt:
        writer.add_description("Proposes changes to Prometheus alerting rules.")
        writer.add_string(PROMPT, naming.prompt)
    writer.add_file_type(_FILE_TYPES[form])
    writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config.vocab_size)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(width)
    if width * heads != config.hidden_size:
        writer.add_key_length(width)
        writer.add_value_length(width)
    rope = getattr(config, "rope_parameters", None) or {}
    if rope.get("rope_type", "default") != "default":
        raise InputError(f"rotary embeddings of type {rope['rope_type']!r} are not exported; only plain ones are")
    writer.add_rope_freq_base(float(rope.get("rope_theta", 10_000.0)))


def _tensors(model: Any, family: gguf.MODEL_ARCH) -> Iterator[tuple[str, Floats]]:
    config = model.config
    names = gguf.get_tensor_name_map(family, config.num_hidden_layers)
    tied = model.get_input_embeddings().weight is model.get_output_embeddings().weight
    for name, tensor in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue  # llama.cpp takes the embeddings where there is no output
        written = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if written is None:
            raise InputError(f"the tensor {name} has no place in a GGUF file of this family")
        values: Floats = tensor.detach().to("cpu").float().numpy()
        if family == gguf.MODEL_ARCH.LLAMA:
            if ".q_proj." in name:
                values = rotated(values, config.num_attention_heads)
            elif ".k_proj." in name:
                values = rotated(values, config.num_key_value_heads)
        yield written, np.ascontiguousarray(values)


def rotated(rows: Floats, heads: int) -> Floats:
    """``rows`` [heads × width, …] of q or k with those of each head reordered: the first of its first half, the first
    of its second half, the second of its first half, and so on."""
    shape = rows.shape
    return rows.reshape(heads, 2, shape[0] // heads // 2, *shape[1:]).swapaxes(1, 2).reshape(shape)


def _type_of(values: Floats, form: str) -> gguf.GGMLQuantizationType:
    if values.ndim == 1:
        return gguf.GGMLQuantizationType.F32
    if form == "q8_0" and values.shape[-1] % 32:
        return gguf.GGMLQuantizationType.F16
    return TYPES[form]


def _write_vocabulary(writer: gguf.GGUFWriter, tokenizer: Any, size: int) -> None:
    read = json.loads(tokenizer.backend_tokenizer.to_str())
    kind = read["model"]["type"]
    if kind != "BPE":
        raise InputError(f"a tokenizer of kind {kind} is not exported; byte-level BPE and Llama's BPE are")
    spelled = {index: token for token, index in tokenizer.get_vocab().items()}
    special = {one["id"] for one in read["added_tokens"] if one["special"]}
    added = {one["id"] for one in read["added_tokens"]}
    tokens = [spelled.get(index, f"[unused{index}]") for index in range(size)]
    types = [
        gguf.TokenType.UNUSED
        if index not in spelled
        else gguf.TokenType.CONTROL
        if index in special
        else gguf.TokenType.USER_DEFINED
        if index in added
        else gguf.TokenType.NORMAL
        for index in range(size)
    ]
    if read["model"].get("byte_fallback"):
        _write_llama_vocabulary(writer, read, tokens, types)
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre(_cut_of(read["pre_tokenizer"]))
        writer.add_token_list(tokens)
        writer.add_token_types(types)
        merges = [one if isinstance(one, str) else " ".join(one) for one in read["model"]["merges"]]
        writer.add_token_merges(merges)
    if tokenizer.bos_token_id is not None:
        writer.add_bos_token_id(tokenizer.bos_token_id)
    if tokenizer.eos_token_id is not None:
        writer.add_eos_token_id(tokenizer.eos_token_id)
    if tokenizer.pad_token_id is not None:
        writer.add_pad_token_id(tokenizer.pad_token_id)
    opened = tokenizer("a")["input_ids"]
    writer.add_add_bos_token(bool(opened) and opened[0] == tokenizer.bos_token_id)


def _write_llama_vocabulary(
    writer: gguf.GGUFWriter, read: dict[str, Any], tokens: list[str], types: list[gguf.TokenType]
) -> None:
    """A vocabulary of SentencePiece's kind, which llama.cpp merges by score: the earlier a merge was learnt, the
    higher is what it makes."""
    scores = [-1e9] * len(tokens)
    place = {token: index for index, token in enumerate(tokens)}
    for rank, merge in enumerate(read["model"]["merges"]):
        whole = merge.replace(" ", "") if isinstance(merge, str) else "".join(merge)
        index = place[whole]
        if scores[index] == -1e9:
            scores[index] = -float(rank)
    for index, token in enumerate(tokens):
        if len(token) == 6 and token.startswith("<0x") and token.endswith(">"):
            types[index] = gguf.TokenType.BYTE
    unknown = read["model"].get("unk_token")
    if unknown in place:
        types[place[unknown]] = gguf.TokenType.UNKNOWN
        writer.add_unk_token_id(place[unknown])
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_scores(scores)
    writer.add_token_types(types)


def _cut_of(pre: dict[str, Any] | None) -> str:
    """llama.cpp's name for the way in which a byte-level tokenizer cuts words."""
    parts = (pre or {}).get("pretokenizers", [pre] if pre else [])
    patterns = [one["pattern"]["Regex"] for one in parts if one["type"] == "Split" and "Regex" in one["pattern"]]
    by_itself = [one for one in parts if one["type"] == "ByteLevel" and one.get("use_regex", True)]
    if not patterns and by_itself and len(parts) == 1:
        return "gpt-2"
    if len(patterns) == 1 and patterns[0] in _CUTS:
        return _CUTS[patterns[0]]
    raise InputError("the tokenizer cuts words in a way that llama.cpp has no name for that we know")


def check_tokens(path: Path, tokenizer: Any, texts: tuple[str, ...]) -> None:
    """Reads the file at ``path`` in llama.cpp and compares its tokens of ``texts`` with ``tokenizer``'s.

    Raises ModelError for the first text that they read differently.
    """
    from llama_cpp import Llama

    llama = Llama(str(path), n_ctx=256, verbose=False)
    try:
        for text in texts:
            theirs = llama.tokenize(text.encode(), add_bos=True, special=False)
            ours = tokenizer(text, split_special_tokens=True)["input_ids"]
            if theirs != ours:
                raise ModelError(
                    f"{path}: llama.cpp reads {text[:60]!r} as other tokens: {theirs[:20]}, not {ours[:20]}"
                )
    finally:
        llama.close()
