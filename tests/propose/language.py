"""What llama.cpp itself accepts under a grammar."""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import llama_cpp


class Judge:
    """llama.cpp's grammar sampler over a vocabulary whose first 256 tokens are the bytes (see ``tinygguf``)."""

    def __init__(self, gguf: Path) -> None:
        self._llama = llama_cpp.Llama(str(gguf), vocab_only=True, verbose=False)
        self._vocabulary = llama_cpp.llama_model_get_vocab(self._llama.model)
        self._end = llama_cpp.llama_vocab_eos(self._vocabulary)
        self._tokens = [*range(0x20, 0x7F), self._end]

    def strings(self, grammar: str) -> Iterator[str]:
        """Every string of the (finite) language of ``grammar``."""
        state = llama_cpp.llama_sampler_init_grammar(self._vocabulary, grammar.encode(), b"root")
        assert state, f"llama.cpp cannot read this grammar:\n{grammar}"
        yield from self._from(state, "")

    def _from(self, state: Any, written: str) -> Iterator[str]:
        allowed = self._allowed(state)
        if self._end in allowed:
            yield written
        for token in allowed:
            if token != self._end:
                after = llama_cpp.llama_sampler_clone(state)
                llama_cpp.llama_sampler_accept(after, token)
                yield from self._from(after, written + chr(token))
        llama_cpp.llama_sampler_free(state)

    def _allowed(self, state: Any) -> list[int]:
        """The tokens (single printable ASCII characters, or the end) that may come next."""
        data = (llama_cpp.llama_token_data * len(self._tokens))()
        for place, token in zip(data, self._tokens, strict=True):
            place.id, place.logit, place.p = token, 0.0, 0.0
        array = llama_cpp.llama_token_data_array(data=data, size=len(data), selected=-1, sorted=False)
        llama_cpp.llama_sampler_apply(state, ctypes.byref(array))
        return [place.id for place in data if place.logit == 0.0]
