"""Examples as token ids, and the order in which a run sees them: batches of like lengths, drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rulegen.train.chance import stream
from rulegen.train.model.examples import Example

_WINDOW = 64  # batches' worth of examples that are sorted by length together


@dataclass(frozen=True, slots=True)
class Encoded:
    """``prompt`` ids, with what opens a text; ``answers``: ids of each answer that may be taught, each closed by the
    end token."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    source: str

    @property
    def length(self) -> int:
        """The tokens of the longest way to show this example."""
        return len(self.prompt) + max(map(len, self.answers))


@dataclass(frozen=True, slots=True)
class Row:
    """One sequence: ``ids``, of which those from ``start`` on are the answer."""

    ids: tuple[int, ...]
    start: int


def encode(
    examples: Sequence[Example], tokenizer: Any, longest: int, *, equals: bool = False
) -> tuple[list[Encoded], int]:
    """The examples that fit into ``longest`` tokens, and how many do not. With ``equals`` each brings all the answers
    that are equally good, else its own only."""
    found, dropped = [], 0
    for one in examples:
        prompt, answers = encode_one(one, tokenizer, equals=equals)
        encoded = Encoded(prompt, answers, one.source)
        if encoded.length <= longest:
            found.append(encoded)
        else:
            dropped += 1
    return found, dropped


def encode_one(
    example: Example, tokenizer: Any, *, equals: bool
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """The ids of the prompt, and of each answer as it is written after it."""
    prompt = tuple(tokenizer(example.prompt)["input_ids"])
    return prompt, tuple(
        _answer(example.prompt, prompt, one, tokenizer) for one in (example.equals() if equals else (example.answer,))
    )


def _answer(text: str, prompt: tuple[int, ...], answer: str, tokenizer: Any) -> tuple[int, ...]:
    """A tokenizer may write the start of a text in another way than its middle (Llama's puts a space before it), so
    the answer is read behind its prompt wherever that leaves the prompt's own tokens as they are."""
    whole = tuple(tokenizer(text + answer)["input_ids"])
    if whole[: len(prompt)] != prompt:
        whole = prompt + tuple(tokenizer(answer, add_special_tokens=False)["input_ids"])
    return (*whole[len(prompt) :], tokenizer.eos_token_id)


class Epochs:
    """An endless sequence of batches that can be entered anywhere.

    In every epoch each source shows its examples as often as its weight says; what a fraction leaves out, and which
    of several equal answers is taught, is drawn anew each time. A batch holds at most ``tokens`` tokens, padding
    included, and at least one row.
    """

    def __init__(self, examples: Sequence[Encoded], weights: dict[str, float], tokens: int, seed: int) -> None:
        self._examples, self._weights, self._tokens, self._seed = examples, weights, tokens, seed

    def epoch(self, number: int) -> list[list[Row]]:
        """The batches of one epoch."""
        rng = stream(self._seed, "epoch", str(number))
        rows = [self._row(at, rng) for at in self._shown(rng)]
        rows = [rows[at] for at in rng.permutation(len(rows))]
        window = max(1, _WINDOW * self._tokens // max(len(row.ids) for row in rows))
        batches = [
            batch
            for first in range(0, len(rows), window)
            for batch in _cut(sorted(rows[first : first + window], key=lambda row: len(row.ids)), self._tokens)
        ]
        return [batches[at] for at in rng.permutation(len(batches))]

    def starting(self, epoch: int, position: int) -> Iterator[tuple[int, int, list[Row]]]:
        """(epoch, position in it, batch) from there on, without end."""
        while True:
            for at, batch in enumerate(self.epoch(epoch)):
                if at >= position:
                    yield epoch, at, batch
            epoch, position = epoch + 1, 0

    def _shown(self, rng: np.random.Generator) -> Iterator[int]:
        for source, weight in self._weights.items():
            mine = np.array([at for at, one in enumerate(self._examples) if one.source == source], dtype=np.int64)
            whole, part = divmod(weight, 1)
            for _ in range(int(whole)):
                yield from mine.tolist()
            yield from rng.permutation(mine)[: round(part * len(mine))].tolist()

    def _row(self, at: int, rng: np.random.Generator) -> Row:
        one = self._examples[at]
        answer = one.answers[int(rng.integers(len(one.answers)))]
        return Row(one.prompt + answer, len(one.prompt))


def _cut(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of rising length, cut so that each piece, padded to its longest row, holds at most ``tokens``."""
    batch: list[Row] = []
    for row in rows:
        if batch and (len(batch) + 1) * len(row.ids) > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def padded(batch: Sequence[Row], pad: int) -> tuple[np.ndarray, np.ndarray]:
    """Ids [rows, longest], filled up with ``pad`` at the right, and where the answers stand, a mask of that shape."""
    width = max(len(row.ids) for row in batch)
    ids = np.full((len(batch), width), pad, dtype=np.int64)
    answers = np.zeros((len(batch), width), dtype=np.bool_)
    for at, row in enumerate(batch):
        ids[at, : len(row.ids)] = row.ids
        answers[at, row.start : len(row.ids)] = True
    return ids, answers
