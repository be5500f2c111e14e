"""The proposer with a model: it picks from the offers under the cluster's grammar, a few times over."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from rulegen.core.candidate import Candidate, Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.errors import ModelError
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
MANY = (0.0, *[0.8] * 11, *[1.0] * 12, *[1.3] * 12)  # temperatures, where answers cost next to nothing
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
    found = set(question.known)
    temperatures = [_temperature(number, samples) for number in range(TIRED * samples)]
    for answer, id in _answers(question, model, temperatures, seed, deadline):
        if isinstance(answer, Refused):
            yield answer
        elif id not in found:
            found.add(id)
            yield answer
        if len(found) == len(question.known) + samples:
            return


def most_said(
    question: Question, model: LanguageModel, *, samples: int, seed: int, deadline: float | None = None
) -> Iterator[Proposal | Refused]:
    """As :func:`sample`, for a model that answers in no time: all of ``MANY`` are drawn first, and then come the
    proposals that it made most often. When the model fails, those of the answers until then come all the same.
    """
    counts: Counter[str] = Counter()
    first: dict[str, Proposal] = {}
    failure: ModelError | None = None
    try:
        for answer, id in _answers(question, model, MANY, seed, deadline):
            if isinstance(answer, Refused):
                yield answer
            elif id not in question.known:
                counts[id] += 1
                first.setdefault(id, answer)
    except ModelError as error:
        failure = error
    yield from (first[id] for id, _ in counts.most_common(samples))
    if failure is not None:
        raise failure


def _answers(
    question: Question, model: LanguageModel, temperatures: Sequence[float], seed: int, deadline: float | None
) -> Iterator[tuple[Proposal | Refused, str]]:
    """Each answer, with the id of what it renders to ("" where nothing came of it)."""
    prompt, rules, most = question.prompt, grammar(question.offers), longest(question.offers)
    form = schema(question.offers)
    prompt_sha256 = sha256(prompt.encode("utf-8", "replace")).hexdigest()
    for number, temperature in enumerate(temperatures):
        drawn = _seed(seed, question, number)
        answer = model.complete(
            prompt, rules, schema=form, max_tokens=most, temperature=temperature, seed=drawn, deadline=deadline
        )
        read = read_answer(answer, question.offers, Provenance("model", model.sha256, prompt_sha256, drawn))
        made = read if isinstance(read, Refused) else render(question.cluster, read, question.templates)
        if isinstance(made, Candidate) and isinstance(read, Proposal):
            yield read, made.id
        elif isinstance(made, Refused):
            yield made, ""


def _temperature(number: int, samples: int) -> float:
    if number == 0:
        return 0.0
    return TEMPERATURE if number < samples else WARMER


def _seed(seed: int, question: Question, number: int) -> int:
    """31 bits: llama.cpp takes the largest 32-bit seed to mean "draw one"."""
    drawn = f"{seed}:{question.cluster.id}:{question.round}:{number}"
    return int.from_bytes(sha256(drawn.encode()).digest()[:4], "big") >> 1
