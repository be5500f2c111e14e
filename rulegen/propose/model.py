"""The proposer with a model: it picks from the offers under the cluster's grammar, a few times over."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from rulegen.core.candidate import Candidate, Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.propose.answer import read_answer
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.llama import LanguageModel
from rulegen.propose.offer import Offer
from rulegen.propose.prompt import build_prompt, revised
from rulegen.propose.refused import Refused
from rulegen.propose.render import render
from rulegen.propose.schema import schema
from rulegen.templates.template import Template

TEMPERATURE = 0.8
WARMER = 1.2  # once as many answers came as are wanted, and some of them were alike
TIRED = 2  # times as many answers as proposals are wanted: then those that came are all


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked about one cluster, of templates that fit it. ``tried`` are pairs of an earlier answer and its
    verdict in words, and ``known`` the ids of the candidates that need not be proposed again."""

    cluster: Cluster
    templates: Sequence[Template]
    offers: Sequence[Offer]
    explained: bool = False
    tried: Sequence[tuple[str, str]] = ()
    known: frozenset[str] = frozenset()
    round: int = 0

    @property
    def prompt(self) -> str:
        first = build_prompt(self.cluster, self.offers, explained=self.explained)
        return revised(first, self.tried) if self.tried else first


def sample(
    question: Question, model: LanguageModel, *, samples: int, seed: int, deadline: float | None = None
) -> Iterator[Proposal | Refused]:
    """What ``model`` answers, as it comes: up to ``samples`` proposals that render to different rules, and of other
    answers why nothing came of them.

    The likeliest answer is first, the others are drawn, at most ``TIRED`` times as many as ``samples``. Each has its
    own seed, drawn from ``seed``, the cluster's id and the round, and so does not depend on which clusters were asked
    about before; it is kept in the proposal's provenance. ``deadline`` is a time of the model's clock. Raises
    ModelError when the model does not answer.
    """
    prompt, rules, most = question.prompt, grammar(question.offers), longest(question.offers)
    form = schema(question.offers)
    prompt_sha256 = sha256(prompt.encode("utf-8", "replace")).hexdigest()
    found = set(question.known)
    for number in range(TIRED * samples):
        drawn = _seed(seed, question, number)
        answer = model.complete(
            prompt,
            rules,
            schema=form,
            max_tokens=most,
            temperature=_temperature(number, samples),
            seed=drawn,
            deadline=deadline,
        )
        read = read_answer(answer, question.offers, Provenance("model", model.sha256, prompt_sha256, drawn))
        made = read if isinstance(read, Refused) else render(question.cluster, read, question.templates)
        if isinstance(made, Candidate) and made.id in found:
            continue
        if isinstance(made, Candidate) and isinstance(read, Proposal):
            found.add(made.id)
            yield read
        elif isinstance(made, Refused):
            yield made
        if len(found) == len(question.known) + samples:
            return


def _temperature(number: int, samples: int) -> float:
    if number == 0:
        return 0.0
    return TEMPERATURE if number < samples else WARMER


def _seed(seed: int, question: Question, number: int) -> int:
    """31 bits: llama.cpp takes the largest 32-bit seed to mean "draw one"."""
    drawn = f"{seed}:{question.cluster.id}:{question.round}:{number}"
    return int.from_bytes(sha256(drawn.encode()).digest()[:4], "big") >> 1
