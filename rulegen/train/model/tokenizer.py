"""The tokenizer: byte-level BPE, made for prompts and answers.

Words are cut as GPT-2 cuts them, which llama.cpp knows as ``tokenizer.ggml.pre = gpt-2``; within them a digit is
always a token of its own (with the space before it), so that a model reads the digits of a number and not one of a
thousand names for it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

SIZE = 4_000
START, END = (
    "<|begin|>",
    "<|end|>",
)  # "<|start|>" is one that llama.cpp reads in any text, for the sake of another model


def train_tokenizer(texts: Iterable[str], size: int = SIZE) -> PreTrainedTokenizerFast:
    """A tokenizer of at most ``size`` entries: START (id 0), END (id 1), the 256 bytes, then what is frequent in
    ``texts``. The same texts give the same tokenizer.

    Any text can be written in it; a text is read with START before it.
    """
    from tokenizers import Regex, Tokenizer, decoders, pre_tokenizers
    from tokenizers.models import BPE
    from tokenizers.processors import TemplateProcessing
    from tokenizers.trainers import BpeTrainer
    from transformers import PreTrainedTokenizerFast

    words = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True)
    tokenizer = Tokenizer(BPE())
    # No merge is learnt across these cuts, so none joins two digits; read back without them, nothing changes.
    digits = pre_tokenizers.Split(Regex(r" ?\p{N}"), behavior="isolated")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([digits, words])
    tokenizer.decoder = decoders.ByteLevel()
    trainer = BpeTrainer(
        vocab_size=size,
        min_frequency=3,
        special_tokens=[START, END],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    tokenizer.pre_tokenizer = words
    tokenizer.post_processor = TemplateProcessing(
        single=f"{START} $A", special_tokens=[(START, tokenizer.token_to_id(START))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token=START, eos_token=END, pad_token=END, clean_up_tokenization_spaces=False
    )
