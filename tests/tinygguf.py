"""A tiny language model with random weights, as a real GGUF file, for tests that need llama.cpp itself."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np

_WIDTH, _HEADS, _INNER = 64, 4, 128
_WORDS = ("template", "slots", "threshold", '":"', '"},"', "the", "for")


def make_tiny_gguf(path: Path, seed: int = 0, context: int = 4096, prompt: str = "") -> Path:
    """Writes a Llama of one layer, 64 wide, over byte-level BPE (256 bytes, a few merges, one end token).

    ``seed`` draws the weights, ``context`` is the trained context in tokens, ``prompt`` the wording that it claims to
    be trained on. Returns ``path``.
    """
    random = np.random.default_rng(seed)
    tokens, merges = _vocabulary()

    writer = gguf.GGUFWriter(path, "llama")
    writer.add_name(f"tiny-{seed}")
    writer.add_context_length(context)
    if prompt:
        writer.add_string("rulegen.prompt", prompt)
    writer.add_embedding_length(_WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(_INNER)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(_HEADS)
    writer.add_rope_dimension_count(_WIDTH // _HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(tokens)
    writer.add_token_types([gguf.TokenType.NORMAL] * (len(tokens) - 1) + [gguf.TokenType.CONTROL])
    writer.add_token_merges(merges)
    writer.add_bos_token_id(len(tokens) - 1)
    writer.add_eos_token_id(len(tokens) - 1)

    def weights(name: str, *shape: int, spread: float = 0.3) -> None:
        writer.add_tensor(name, random.normal(0, spread, shape).astype(np.float32))

    def ones(name: str) -> None:
        writer.add_tensor(name, np.ones(_WIDTH, dtype=np.float32))

    weights("token_embd.weight", len(tokens), _WIDTH)
    for part in ("attn_q", "attn_k", "attn_v", "attn_output"):
        weights(f"blk.0.{part}.weight", _WIDTH, _WIDTH)
    weights("blk.0.ffn_gate.weight", _INNER, _WIDTH)
    weights("blk.0.ffn_up.weight", _INNER, _WIDTH)
    weights("blk.0.ffn_down.weight", _WIDTH, _INNER)
    weights("output.weight", len(tokens), _WIDTH, spread=0.05)  # small, so that no token is far likelier than others
    ones("blk.0.attn_norm.weight")
    ones("blk.0.ffn_norm.weight")
    ones("output_norm.weight")

    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def byte_letters() -> list[str]:
    """[256] The letter by which GPT-2's vocabulary writes a byte: itself where printable, else one from U+0100 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    letters, spare = {byte: chr(byte) for byte in plain}, 0x100
    for byte in range(256):
        if byte not in letters:
            letters[byte], spare = chr(spare), spare + 1
    return [letters[byte] for byte in range(256)]


def _vocabulary() -> tuple[list[str], list[str]]:
    """Tokens (bytes first, in order of their value, so that a byte is its own token id) and BPE merges."""
    tokens, merges = byte_letters(), []
    for word in _WORDS:
        for end in range(2, len(word) + 1):
            left, right, whole = word[: end - 1], word[end - 1], word[:end]
            if whole not in tokens:
                tokens.append(whole)
                merges.append(f"{left} {right}")
    return [*tokens, "<|end|>"], merges
