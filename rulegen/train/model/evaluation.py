"""What a model in training answers to questions that it has not seen: by the likeliest token, without grammar."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from rulegen.train.model.batches import Row, encode_one
from rulegen.train.model.examples import EQUAL, Example
from rulegen.train.model.training import answer_loss

_TOGETHER = 16  # questions that are answered at a time


def evaluate(model: Any, tokenizer: Any, examples: Sequence[Example], *, half: bool, device: str) -> dict[str, float]:
    """Figures over ``examples``, as shares unless said otherwise:

    loss       mean −log p of a token of the right answer, in nats
    exact      the answer is the right one, letter by letter
    template   it names the right template (of answers that name a kind of change: the right kind)
    as_good    it was replayed, accepted, and cuts as much as the right one, to within ``EQUAL``
    accepted   it was replayed and accepted
    tried      it was replayed when the examples were made: what ``as_good`` and ``accepted`` can know of
    json       it is a JSON object

    The last three only where some example says what was tried. No examples, no figures.
    """
    import torch

    if not examples:
        return {}
    model.eval()
    with torch.no_grad():
        losses = [
            (float(answer_loss(model, batch, tokenizer.eos_token_id, half=half, device=device)), tokens)
            for batch, tokens in _batches(tokenizer, examples)
        ]
        answers = [
            answer
            for first in range(0, len(examples), _TOGETHER)
            for answer in greedy(model, tokenizer, examples[first : first + _TOGETHER], half=half, device=device)
        ]
    found = {"loss": sum(loss * tokens for loss, tokens in losses) / sum(tokens for _, tokens in losses)}
    return found | scores(examples, answers)


def scores(examples: Sequence[Example], answers: Sequence[str]) -> dict[str, float]:
    """The shares that :func:`evaluate` names, of ``answers``, one for each example."""
    total = len(examples)
    pairs = list(zip(examples, answers, strict=True))
    found = {
        "exact": sum(one.answer == answer for one, answer in pairs) / total,
        "template": sum(kind(one.answer) == kind(answer) for one, answer in pairs) / total,
        "json": sum(kind(answer) is not None for answer in answers) / total,
    }
    known = [(one, answer) for one, answer in pairs if one.tried]
    if known:
        results = [next((t for t in one.tried if t.answer == answer), None) for one, answer in known]
        best = [max((t.cut for t in one.tried if t.answer == one.answer), default=1.0) for one, _ in known]
        good = [r is not None and r.accepted and r.cut >= b - EQUAL for r, b in zip(results, best, strict=True)]
        found["as_good"] = sum(good) / len(known)
        found["accepted"] = sum(one is not None and one.accepted for one in results) / len(known)
        found["tried"] = sum(one is not None for one in results) / len(known)
    return found


def kind(answer: str) -> str | None:
    """Which template, or kind of change, a JSON answer names: the value of its first key; None where it has none."""
    try:
        read = json.loads(answer)
    except (ValueError, RecursionError):
        return None
    return str(next(iter(read.values()))) if isinstance(read, dict) and read else None


def greedy(
    model: Any, tokenizer: Any, examples: Sequence[Example], *, half: bool, device: str, most: int = 160
) -> list[str]:
    """What the model answers to each, by the likeliest token each time, in at most ``most`` tokens."""
    import torch

    prompts = [encode_one(one, tokenizer)[0] for one in examples]
    width = max(map(len, prompts))
    ids = torch.full((len(prompts), width), tokenizer.eos_token_id, dtype=torch.int64, device=device)
    mask = torch.zeros_like(ids)
    for at, prompt in enumerate(prompts):
        ids[at, width - len(prompt) :] = torch.tensor(prompt, device=device)
        mask[at, width - len(prompt) :] = 1
    end = tokenizer.eos_token_id
    with torch.no_grad(), torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        written = model.generate(
            input_ids=ids,
            attention_mask=mask,
            do_sample=False,
            max_new_tokens=most,
            pad_token_id=end,
            eos_token_id=end,
        )
    return [tokenizer.decode(row[width:], skip_special_tokens=True) for row in written.tolist()]


def _batches(tokenizer: Any, examples: Sequence[Example]) -> Iterator[tuple[list[Row], int]]:
    """Batches with the number of their answers' tokens."""
    for first in range(0, len(examples), _TOGETHER):
        rows = []
        for one in examples[first : first + _TOGETHER]:
            prompt, answer = encode_one(one, tokenizer)
            rows.append(Row(prompt, (answer,)))
        yield rows, sum(len(row.answers[0]) for row in rows)
