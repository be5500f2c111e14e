"""Questions of the second round: what a model is asked once it is known what came of its first answers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from rulegen.propose.feedback import TOLD, verdict_words
from rulegen.propose.prompt import revised
from rulegen.train.chance import stream
from rulegen.train.model.examples import Example, Tried


def asked_again(examples: Sequence[Example], share: float, seed: int) -> list[Example]:
    """Further examples from a ``share`` of ``examples``: the same question with the verdicts on one to ``TOLD`` worse
    answers, as :func:`rulegen.propose.feedback.told` tells them, and the same answer.

    Which examples and which answers is drawn from ``seed``. An example of which no worse answer is known has none.
    """
    rng = stream(seed, "again")
    found = []
    for one in examples:
        wanted = rng.random() < share
        equals = one.equals()
        worse = [tried for tried in one.tried if tried.answer not in equals]
        if wanted and worse:
            heard = _drawn(worse, rng)
            told = [(tried.answer, _words(tried)) for tried in heard]
            # What was heard is not worth saying again.
            rest = tuple(tried for tried in one.tried if tried not in heard)
            found.append(replace(one, prompt=revised(one.prompt, told), tried=rest))
    return found


def _drawn(worse: Sequence[Tried], rng: np.random.Generator) -> list[Tried]:
    """What passed first, then what did not, each with the least noise first."""
    count = int(rng.integers(1, min(TOLD, len(worse)) + 1))
    some = [worse[at] for at in rng.choice(len(worse), count, replace=False)]
    return sorted(some, key=lambda tried: (not tried.accepted, -tried.cut))


def _words(tried: Tried) -> str:
    never_ran = not tried.accepted and tried.pages == tried.minutes == 0
    pages, minutes = (math.nan, math.nan) if never_ran else (tried.pages, tried.minutes)
    return verdict_words(tried.reason, pages, minutes)
