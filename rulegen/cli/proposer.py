"""Who proposes: the search over templates, or a language model with search behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster
from rulegen.desk import Propose
from rulegen.errors import InputError, ModelError
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES
from rulegen.templates.template import Template

SEARCH, MODEL = "search", "model"
THREADS, CONTEXT = 2, 4096


@dataclass(frozen=True, slots=True)
class Asked:
    """``--proposer``, ``--model`` and ``--samples``."""

    name: str = SEARCH
    model: Path | None = None
    samples: int = 8


@dataclass(frozen=True, slots=True)
class Proposer:
    """``propose`` is for the pipeline, ``title`` is who it is, and ``doubts`` is what went wrong with a model."""

    propose: Propose
    title: str
    doubts: Callable[[], tuple[str, ...]]


def check(asked: Asked) -> None:
    """Raises InputError for options that contradict each other."""
    if asked.name not in (SEARCH, MODEL):
        raise InputError(f"--proposer: {asked.name!r} is neither {SEARCH} nor {MODEL}")
    if asked.name == SEARCH and asked.model is not None:
        raise InputError("--model is only used with --proposer model")
    if asked.name == MODEL and asked.model is None:
        raise InputError("--proposer model: no default model ships yet; name a GGUF file with --model")


def proposer(asked: Asked, *, demote: bool, seed: int, strict: bool) -> Proposer:
    """Loads the model where one is asked for. One that can't be loaded degrades the run to search, which says so.

    Raises ModelError for it with ``strict``.
    """
    templates = [one for one in TEMPLATES if demote or one.change in ("tuning", "routing")]
    if asked.model is None:
        title = "Proposed by search over the templates: no default model ships yet (--proposer model)."
        return Proposer(_search(templates), title, tuple)
    # The import of llama.cpp and the reading of a model take seconds: only who asks for them pays.
    from rulegen.propose.asking import AskingModel
    from rulegen.propose.llama import load

    try:
        model = load(asked.model, threads=THREADS, context=CONTEXT)
    except ModelError as error:
        if strict:
            raise
        doubt = f"the model failed, so search proposed instead: {error}"
        return Proposer(_search(templates), "Proposed by search over the templates.", lambda: (doubt,))
    asking = AskingModel(model, templates, asked.samples, seed)
    title = f"Proposed by {asked.model.name}, asked {asked.samples} times for each cluster."
    return Proposer(asking, title, lambda: asking.notes)


def _search(templates: Sequence[Template]) -> Propose:
    def search(cluster: Cluster) -> list[Proposal]:
        return list(enumerate_proposals(cluster, templates))

    return search
