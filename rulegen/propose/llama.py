"""The one seam to llama.cpp: a GGUF file in, text under a grammar out.

llama.cpp ends the process where its sampler is led into a dead end: a grammar that does not parse, a vocabulary that
cannot spell what the grammar wants, weights that give no numbers. Each is looked for before it gets that far.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

import numpy as np

from rulegen.core.deadline import Clock
from rulegen.errors import ModelError

MAGIC = b"GGUF"
PROMPT = "rulegen.prompt"  # key of a model's metadata: it was trained on rulegen's terse wording, of this name

_TOP_K, _TOP_P, _MIN_P = 40, 0.95, 0.05  # llama.cpp's own defaults, written down so that they stay what they are
_LITERAL = re.compile(r'"((?:[^"\\]|\\.)*)"')  # of GBNF
_STRIDE = 64  # tokens of a prompt evaluated at a time: a second or two where a model is slow
_LOG_ERROR = 4  # ggml.h, GGML_LOG_LEVEL_ERROR


class TooLong(ModelError):
    """A prompt that the model's context does not hold, or that its server turns down; another may be answered."""


class LanguageModel(Protocol):
    """What a proposer needs of a model. ``sha256`` is that of the model file, in hex; empty where it is elsewhere."""

    @property
    def name(self) -> str: ...

    @property
    def sha256(self) -> str: ...

    def complete(
        self,
        prompt: str,
        grammar: str,
        *,
        schema: Mapping[str, object] | None = None,
        max_tokens: int,
        temperature: float,
        seed: int,
        deadline: float | None,
    ) -> str:
        """What the model writes after ``prompt`` (not empty) within the language of ``grammar`` (GBNF): a whole
        answer, or the beginning of one where ``max_tokens`` run out. ``schema`` says the same as the grammar, for a
        server that takes no GBNF; such a server may not keep to it.

        The same arguments give the same text, whatever was asked before. ``temperature`` 0 takes the likeliest token.
        ``deadline`` is a time of the model's clock. Raises ModelError.
        """
        ...


def load(path: Path, *, threads: int, context: int, now: Clock = time.monotonic) -> GgufModel:
    """The model in the GGUF file at ``path``, on the CPU with ``threads`` threads and room for ``context`` tokens.

    Raises ModelError with one message for a file that is missing, is no GGUF, is damaged, or holds no model that
    continues text.
    """
    sha256, cpp = _digest(path), _library()
    cpp.log.clear()
    try:
        llama = cpp.api.Llama(str(path), n_ctx=context, n_threads=threads, n_threads_batch=threads, verbose=False)
    except Exception as error:  # whatever a strange file sets off in there, the user gets one line
        reason = cpp.log[0] if cpp.log else str(error)
        raise ModelError(f"{path}: llama.cpp cannot load this model: {reason}") from None
    if cpp.api.llama_model_has_encoder(llama.model) or not cpp.api.llama_get_memory(llama.ctx):
        llama.close()
        raise ModelError(f"{path}: this model does not continue text; give one that does (a causal language model)")
    if llama.token_eos() < 0:  # under a grammar that has come to its end, nothing else may follow
        llama.close()
        raise ModelError(f"{path}: the model's vocabulary has no token that ends a text")
    # Beyond the length that a model was trained for it still writes, but nothing of sense.
    trained_for = cpp.api.llama_model_n_ctx_train(llama.model)
    return GgufModel(cpp.api, llama, path, sha256, min(context, trained_for), now)


def describe(path: Path) -> dict[str, str]:
    """What the GGUF file at ``path`` says of itself, by key; its weights are not read. Untrusted text.

    Raises ModelError as :func:`load` does.
    """
    _digest(path)
    cpp = _library()
    cpp.log.clear()
    try:
        llama = cpp.api.Llama(str(path), vocab_only=True, n_ctx=8, verbose=False)
    except Exception as error:
        raise ModelError(f"{path}: llama.cpp cannot load this model: {cpp.log[0] if cpp.log else error}") from None
    said = {str(key): str(value) for key, value in llama.metadata.items()}
    llama.close()
    return said


class GgufModel:
    """A :class:`LanguageModel` in llama.cpp. Made by :func:`load`. ``trained``: for rulegen's terse wording."""

    def __init__(self, llama_cpp: ModuleType, llama: Any, path: Path, sha256: str, context: int, now: Clock) -> None:
        self.name, self.sha256 = path.name, sha256
        self._cpp, self._llama, self._path, self._context, self._now = llama_cpp, llama, path, context, now
        self.trained = PROMPT in llama.metadata
        self._vocabulary = llama_cpp.llama_model_get_vocab(llama.model)
        self._letters = self._single_letters()
        self._prompt: list[int] = []  # the tokens that are evaluated now, all but the last
        self._deadline: float | None = None

    def complete(
        self,
        prompt: str,
        grammar: str,
        *,
        schema: Mapping[str, object] | None = None,
        max_tokens: int,
        temperature: float,
        seed: int,
        deadline: float | None,
    ) -> str:
        tokens: list[int] = self._llama.tokenize(prompt.encode("utf-8", "replace"), add_bos=True, special=False)
        if len(tokens) + max_tokens > self._context:
            raise TooLong(
                f"{self._path}: the context of {self._context} tokens is too small for a prompt of {len(tokens)} and "
                f"an answer of up to {max_tokens}"
            )
        missing = "".join(sorted(_alphabet(grammar) - self._letters))
        if missing:
            raise ModelError(f"{self._path}: the model's vocabulary cannot spell {missing!r}, which answers need")
        self._deadline = deadline
        self._read(tokens[:-1])
        written = b"".join(self._write(tokens[-1], self._sampler(grammar, temperature, seed), max_tokens))
        return written.decode("utf-8", "replace")

    def _read(self, tokens: list[int]) -> None:
        """Evaluates ``tokens``; what they begin with in common with the last prompt is kept, in whole strides.

        Strides always begin at the same places, so that the last digits of a figure do not depend on what was asked
        before: a kept stride was evaluated exactly as it would be now.
        """
        memory = self._cpp.llama_get_memory(self._llama.ctx)
        kept = len(tokens) if self._prompt == tokens else _alike(self._prompt, tokens) // _STRIDE * _STRIDE
        if kept and self._cpp.llama_memory_seq_rm(memory, 0, kept, -1):
            self._llama.n_tokens = kept
        else:
            self._llama.reset()
            kept = 0
        self._prompt = []
        self._evaluate(tokens[kept:])
        self._prompt = tokens

    def _write(self, last: int, sampler: Any, most: int) -> Iterator[bytes]:
        """The pieces of text that follow the token ``last``. Frees the sampler."""
        token = last
        try:
            for _ in range(most):
                self._evaluate([token])
                logits = np.ctypeslib.as_array(
                    self._cpp.llama_get_logits_ith(self._llama.ctx, -1), (self._llama.n_vocab(),)
                )  # [vocabulary]
                if not (logits < np.inf).all():
                    raise ModelError(f"{self._path}: the model's weights are damaged: it computes no numbers")
                token = self._cpp.llama_sampler_sample(sampler, self._llama.ctx, -1)
                if self._cpp.llama_vocab_is_eog(self._vocabulary, token):
                    return
                yield self._piece(token)
        finally:
            self._cpp.llama_sampler_free(sampler)

    def _evaluate(self, tokens: list[int]) -> None:
        """Evaluates ``tokens`` after what was evaluated before, a few at a time, with an eye on the clock."""
        for start in range(0, len(tokens), _STRIDE):
            if self._deadline is not None and self._now() > self._deadline:
                raise ModelError(f"{self._path}: the model is too slow: its deadline has passed")
            try:
                self._llama.eval(tokens[start : start + _STRIDE])
            except RuntimeError as error:
                self._prompt = []
                raise ModelError(f"{self._path}: llama.cpp cannot evaluate this model: {error}") from None

    def _sampler(self, grammar: str, temperature: float, seed: int) -> Any:
        cpp = self._cpp
        rules = cpp.llama_sampler_init_grammar(self._vocabulary, grammar.encode(), b"root")
        if not rules:
            raise ModelError("llama.cpp cannot read the grammar of the answers")
        parts = [rules]
        if temperature > 0:
            parts += [
                cpp.llama_sampler_init_top_k(_TOP_K),
                cpp.llama_sampler_init_top_p(_TOP_P, 1),
                cpp.llama_sampler_init_min_p(_MIN_P, 1),
                cpp.llama_sampler_init_temp(temperature),
                cpp.llama_sampler_init_dist(seed),
            ]
        else:
            parts.append(cpp.llama_sampler_init_greedy())
        sampler = cpp.llama_sampler_chain_init(cpp.llama_sampler_chain_default_params())
        for part in parts:
            cpp.llama_sampler_chain_add(sampler, part)
        return sampler

    def _single_letters(self) -> frozenset[str]:
        """The ASCII characters that the vocabulary has as tokens of their own. From these any text of them can be
        spelled, from whatever point the grammar has come to."""
        pieces = (self._piece(token) for token in range(self._llama.n_vocab()))
        return frozenset(piece.decode("ascii") for piece in pieces if len(piece) == 1 and piece.isascii())

    def _piece(self, token: int) -> bytes:
        size = 64
        while True:
            buffer = ctypes.create_string_buffer(size)
            length = self._cpp.llama_token_to_piece(self._vocabulary, token, buffer, size, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            size = -length  # what it would have needed


def _digest(path: Path) -> str:
    """SHA-256 of the file, in hex, once it is seen to be a GGUF file."""
    try:
        if path.is_dir():
            raise ModelError(f"{path}: this is a directory; give the GGUF file in it")
        if not path.is_file():
            raise ModelError(f"{path}: there is no such file; give the path of a GGUF model")
        with path.open("rb") as file:
            magic = file.read(len(MAGIC))
            if magic != MAGIC:
                what = "is empty" if not magic else "does not start as one does"
                raise ModelError(f"{path}: not a GGUF file: it {what}")
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}") from None


@dataclass(frozen=True, slots=True)
class _Library:
    """llama-cpp-python, and the last lines that it logged as errors."""

    api: ModuleType
    log: deque[str]


@cache
def _library() -> _Library:
    """Imports llama-cpp-python, which takes longer than all the rest of the start, and turns its log away from the
    terminal."""
    # llama.cpp's OpenMP threads spin while they wait, which costs many times over when others want the processor.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    try:
        import llama_cpp
    except Exception as error:  # a native library fails in many ways: missing, half installed, for another machine
        raise ModelError(f"llama-cpp-python cannot be imported: {error}; install it again") from None
    log: deque[str] = deque(maxlen=20)

    @llama_cpp.llama_log_callback  # type: ignore[untyped-decorator] # ctypes gives it no type
    def keep(level: int, text: bytes, _: object) -> None:
        if level == _LOG_ERROR:
            log.append(text.decode("utf-8", "replace").strip())

    # llama.cpp logs up to the end of the process, while models are freed, and would call what Python has thrown away.
    ctypes.pythonapi.Py_IncRef(ctypes.py_object(keep))
    llama_cpp.llama_log_set(keep, None)
    return _Library(llama_cpp, log)


def _alike(first: Sequence[int], second: Sequence[int]) -> int:
    """How many items two sequences begin with in common."""
    return next(
        (at for at, (one, other) in enumerate(zip(first, second, strict=False)) if one != other),
        min(len(first), len(second)),
    )


def _alphabet(grammar: str) -> set[str]:
    """The characters that a GBNF grammar writes, of the kind that rulegen makes: all are in literals."""
    return {char for literal in _LITERAL.findall(grammar) for char in re.sub(r"\\(.)", r"\1", literal)}
