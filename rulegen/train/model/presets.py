"""How large a model is. All are Llamas with tied embeddings; sizes are for a vocabulary of 4,000."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import LlamaForCausalLM

CONTEXT = 4_096  # tokens


@dataclass(frozen=True, slots=True)
class Preset:
    """``width`` and ``inner`` are multiples of 32, as Q8_0 quantises 32 weights at a time; few wide ``heads``
    train faster on a processor than many narrow ones; ``rate`` is the learning
    rate at its highest."""

    width: int
    layers: int
    heads: int
    inner: int
    rate: float


PRESETS = {
    "tiny": Preset(width=64, layers=2, heads=4, inner=128, rate=3e-3),  # for tests
    "small": Preset(width=256, layers=6, heads=4, inner=576, rate=1.5e-3),  # 5.3 million weights
    "medium": Preset(width=384, layers=8, heads=6, inner=896, rate=1e-3),  # 14.5 million
    "large": Preset(width=640, layers=10, heads=10, inner=1728, rate=6e-4),  # 52 million: for a GPU
}


def build(preset: Preset, vocabulary: int, seed: int, start: int = 0, end: int = 1) -> LlamaForCausalLM:
    """A model with random weights drawn from ``seed``, for ``vocabulary`` tokens of which ``start`` and ``end``
    open and close a text."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(seed)
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=vocabulary,
            hidden_size=preset.width,
            num_hidden_layers=preset.layers,
            num_attention_heads=preset.heads,
            intermediate_size=preset.inner,
            max_position_embeddings=CONTEXT,
            rms_norm_eps=1e-5,
            tie_word_embeddings=True,
            bos_token_id=start,
            eos_token_id=end,
        )
    )
