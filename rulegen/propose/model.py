"""The proposer with a model: it picks from the offers under the cluster's grammar, a few times over."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256

from rulegen.core.candidate import Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.propose.answer import read_answer
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.llama import LanguageModel
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.propose.refused import Refused
from rulegen.templates.template import Template

TEMPERATURE = 0.8


def propose(
    cluster: Cluster,
    templates: Iterable[Template],
    model: LanguageModel,
    *,
    samples: int,
    seed: int,
    deadline: float | None = None,
) -> tuple[tuple[Proposal, ...], tuple[str, ...]]:
    """Asks ``model`` ``samples`` times; returns the distinct proposals in the order they came, and the reasons why
    answers came to nothing.

    Each sample has its own seed, drawn from ``seed`` and the cluster's id and kept in the proposal's provenance, and
    so does not depend on which clusters were asked about before. ``deadline`` is a time of the model's clock.
    Raises ModelError when the model does not answer.
    """
    offers = offers_for(cluster, templates)
    if not offers:
        return (), ("no template fits",)
    prompt, rules, most = build_prompt(cluster, offers, explained=True), grammar(offers), longest(offers)
    prompt_sha256 = sha256(prompt.encode()).hexdigest()
    proposals: dict[tuple[str, object], Proposal] = {}
    reasons = []
    for number in range(samples):
        drawn = _seed(seed, cluster.id, number)
        answer = model.complete(
            prompt, rules, max_tokens=most, temperature=TEMPERATURE, seed=drawn, deadline=deadline
        )
        read = read_answer(answer, offers, Provenance("model", model.sha256, prompt_sha256, drawn))
        if isinstance(read, Refused):
            reasons.append(read.reason)
        else:
            proposals.setdefault((read.template, read.slots.pairs), read)
    return tuple(proposals.values()), tuple(reasons)


def _seed(seed: int, cluster_id: str, number: int) -> int:
    """31 bits: llama.cpp takes the largest 32-bit seed to mean "draw one"."""
    return int.from_bytes(sha256(f"{seed}:{cluster_id}:{number}".encode()).digest()[:4], "big") >> 1
