"""Examples as token ids, and the order in which a run sees them: batches of like lengths, drawn from the seed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rulegen.train.chance import stream
from rulegen.train.model.examples import Example

_WINDOW = 64  # batches' worth of examples that are sorted by length together


@dataclass(frozen=True, slots=True)
class Encoded:
    """``prompt`` ids, with what opens a text; ``answers``: ids of each answer that may be taught, each closed by the
    end token, and ``shares`` how often each is, which add up to 1."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    source: str
    shares: tuple[float, ...] = (1.0,)

    @property
    def length(self) -> int:
        """The tokens of the longest way to show this example with one answer."""
        return len(self.prompt) + max(map(len, self.answers))


@dataclass(frozen=True, slots=True)
class Row:
    """A prompt, and one or more answers to it, each of which sees the prompt and itself alone; with how much each
    counts."""

    prompt: tuple[int, ...]
    answers: tuple[tuple[int, ...], ...]
    weights: tuple[float, ...] = (1.0,)

    @property
    def length(self) -> int:
        return len(self.prompt) + sum(map(len, self.answers))


def encode(
    examples: Sequence[Example], tokenizer: Any, longest: int, *, several: bool = False
) -> tuple[list[Encoded], int]:
    """The examples that fit into ``longest`` tokens, and how many do not. With ``several`` each brings all the
    answers that are worth saying, else its own only."""
    found, dropped = [], 0
    known: dict[str, tuple[int, ...]] = {}
    for one in examples:
        texts, shares = zip(*(one.lessons() if several else ((one.answer, 1.0),)), strict=True)
        prompt, answers = _encoded(one.prompt, texts, tokenizer, known)
        encoded = Encoded(prompt, answers, one.source, shares)
        if encoded.length <= longest:
            found.append(encoded)
        else:
            dropped += 1
    return found, dropped


def encode_one(example: Example, tokenizer: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids of the prompt, and of the answer as it is written after it."""
    prompt, (answer,) = _encoded(example.prompt, (example.answer,), tokenizer, {})
    return prompt, answer


def _encoded(
    text: str, answers: Sequence[str], tokenizer: Any, known: dict[str, tuple[int, ...]]
) -> tuple[tuple[int, ...], tuple[tuple[int, ...], ...]]:
    """A tokenizer may write the start of a text in another way than its middle (Llama's puts a space before it), so
    an answer is read behind its prompt wherever that leaves the prompt's own tokens as they are. Where the first
    answer is written alike alone, so are the others, which ``known`` remembers."""
    prompt = tuple(tokenizer(text)["input_ids"])

    def alone(answer: str) -> tuple[int, ...]:
        if answer not in known:
            known[answer] = tuple(tokenizer(answer, add_special_tokens=False)["input_ids"])
        return known[answer]

    def behind(answer: str) -> tuple[int, ...]:
        whole = tuple(tokenizer(text + answer)["input_ids"])
        return whole[len(prompt) :] if whole[: len(prompt)] == prompt else alone(answer)

    first = behind(answers[0])
    written = alone if first == alone(answers[0]) else behind
    return prompt, tuple((*ids, tokenizer.eos_token_id) for ids in (first, *map(written, answers[1:])))


class Epochs:
    """An endless sequence of batches that can be entered anywhere.

    In every epoch each source shows its examples as often as its weight says; what a fraction leaves out, and which
    answers are taught, ``draws`` of them (some may be the same), is drawn anew each time. A batch holds at most
    ``tokens`` tokens, padding included, and at least one row.
    """

    def __init__(
        self, examples: Sequence[Encoded], weights: dict[str, float], tokens: int, seed: int, draws: int = 1
    ) -> None:
        self._examples, self._weights, self._tokens, self._seed = examples, weights, tokens, seed
        self._draws = draws

    def epoch(self, number: int) -> list[list[Row]]:
        """The batches of one epoch."""
        rng = stream(self._seed, "epoch", str(number))
        rows = [self._row(at, rng) for at in self._shown(rng)]
        rows = [rows[at] for at in rng.permutation(len(rows))]
        window = max(1, _WINDOW * self._tokens // max(row.length for row in rows))
        batches = [
            batch
            for first in range(0, len(rows), window)
            for batch in _cut(sorted(rows[first : first + window], key=lambda row: row.length), self._tokens)
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
        counts = rng.multinomial(self._draws, one.shares)
        drawn = np.flatnonzero(counts).tolist()
        return Row(
            one.prompt, tuple(one.answers[at] for at in drawn), tuple(float(counts[at]) / self._draws for at in drawn)
        )


def _cut(rows: Sequence[Row], tokens: int) -> Iterator[list[Row]]:
    """Rows of rising length, cut so that each piece, padded to its longest row, holds at most ``tokens``."""
    batch: list[Row] = []
    for row in rows:
        if batch and (len(batch) + 1) * row.length > tokens:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


@dataclass(frozen=True, slots=True)
class Padded:
    """Rows in arrays. ``ids``, ``positions`` [rows, longest]: tokens, filled up at the right, and where each stands
    in its own text. ``branch`` [rows, longest]: 0 in the prompt, then the number of the answer, -1 where it is filled
    up. ``row``, ``at``, ``before`` [answer tokens]: where each token of an answer stands, and the one before it in
    its text; ``weight`` [answer tokens]: how much it counts."""

    ids: NDArray[np.int64]
    positions: NDArray[np.int64]
    branch: NDArray[np.int64]
    row: NDArray[np.int64]
    at: NDArray[np.int64]
    before: NDArray[np.int64]
    weight: NDArray[np.float32]


def padded(batch: Sequence[Row], pad: int) -> Padded:
    """``batch`` filled up with ``pad`` at the right."""
    shape = len(batch), max(row.length for row in batch)
    ids, positions = np.full(shape, pad, dtype=np.int64), np.zeros(shape, dtype=np.int64)
    branch = np.full(shape, -1, dtype=np.int64)
    where: list[tuple[int, int, int]] = []
    weights: list[float] = []
    for number, row in enumerate(batch):
        at = end = len(row.prompt)
        ids[number, :end], positions[number, :end], branch[number, :end] = row.prompt, np.arange(end), 0
        for which, (answer, weight) in enumerate(zip(row.answers, row.weights, strict=True), 1):
            here = range(at, at + len(answer))
            ids[number, at : here.stop], branch[number, at : here.stop] = answer, which
            positions[number, at : here.stop] = np.arange(end, end + len(answer))
            where += zip([number] * len(here), here, [end - 1, *here[:-1]], strict=True)
            weights += [weight] * len(here)
            at = here.stop
    numbers, places, before = np.array(where, dtype=np.int64).reshape(-1, 3).T
    return Padded(ids, positions, branch, numbers, places, before, np.array(weights, dtype=np.float32))
