"""Who proposes: the search over templates, or a language model with search behind it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster
from rulegen.core.deadline import ENDLESS, Deadline
from rulegen.core.durations import MINUTE, SECOND
from rulegen.desk import Ask, Propose
from rulegen.errors import InputError, ModelError
from rulegen.models import pins, trusted
from rulegen.propose.search import enumerate_proposals
from rulegen.templates import TEMPLATES, free_form
from rulegen.templates.template import Template

if TYPE_CHECKING:
    from rulegen.propose.llama import LanguageModel

SEARCH, MODEL = "search", "model"
AUTO, TERSE, EXPLAINED = "auto", "terse", "explained"
THREADS, CONTEXT = 2, 4096
CONNECTING = 0.1  # of the time that is left, at most
QUICK = 64 << 20  # bytes of a model's file up to which dozens of its answers take a second or two


@dataclass(frozen=True, slots=True)
class Asked:
    """``--proposer``, which model that is (``--model``, ``--model-url``, ``--model-name``), how it is asked
    (``--samples``, ``--rounds``, ``--polish``, ``--prompt``, ``--model-timeout`` in ms), whether it may write
    expressions (``--free-form``), and ``--deadline`` in ms."""

    name: str = SEARCH
    model: str = ""
    samples: int = 8
    rounds: int = 1
    polish: int = 12
    url: str = ""
    model_name: str = ""
    prompt: str = AUTO
    timeout: int = 2 * MINUTE
    free_form: bool = False
    allow_unverified: bool = False
    deadline: int | None = None


@dataclass(frozen=True, slots=True)
class Proposer:
    """``propose`` and ``ask`` are for the pipeline, ``title`` is who it is, and ``doubts`` is what went wrong with a
    model."""

    propose: Propose
    title: str
    doubts: Callable[[], tuple[str, ...]] = tuple
    ask: Ask | None = None


def check(asked: Asked) -> None:
    """Raises InputError for options that contradict each other."""
    if asked.name not in (SEARCH, MODEL):
        raise InputError(f"--proposer: {asked.name!r} is neither {SEARCH} nor {MODEL}")
    if asked.prompt not in (AUTO, TERSE, EXPLAINED):
        raise InputError(f"--prompt: {asked.prompt!r} is neither {AUTO}, {TERSE} nor {EXPLAINED}")
    if asked.name == SEARCH:
        options = {"--model": asked.model, "--model-url": asked.url, "--free-form": asked.free_form}
        for option, given in options.items():
            if given:
                raise InputError(f"{option} is only used with --proposer model")
        return
    if asked.model and asked.url:
        raise InputError("--model and --model-url are two models; give one")
    if asked.model_name and not asked.url:
        raise InputError("--model-name is only used with --model-url")
    if asked.url:
        from rulegen.propose.endpoint import root

        root(asked.url)


def proposer(asked: Asked, *, demote: bool, seed: int, strict: bool, deadline: Deadline = ENDLESS) -> Proposer:
    """Loads the model where one is asked for. One that can't be loaded degrades the run to search, which says so; a
    server may take a tenth of the time up to ``deadline`` to say which models it has.

    Raises ModelError for it with ``strict``.
    """
    templates = [one for one in TEMPLATES if demote or one.change in ("tuning", "routing")]
    search = _search(templates)
    if asked.name == SEARCH:
        return Proposer(search, "Proposed by search over the templates.")
    # The import of llama.cpp and the reading of a model take seconds: only who asks for them pays.
    from rulegen.propose.asking import AskingModel, Manner

    try:
        model, trained, quick = _connected(asked, deadline) if asked.url else _loaded(asked)
    except ModelError as error:
        if strict:
            raise
        doubt = f"the model failed, so search proposed instead: {error}"
        return Proposer(search, "Proposed by search over the templates.", lambda: (doubt,))
    explained = not trained if asked.prompt == AUTO else asked.prompt == EXPLAINED
    manner = Manner(asked.samples, asked.rounds, asked.polish, asked.timeout / SECOND, explained, often=quick)
    offered = [*templates, free_form.TEMPLATE] if asked.free_form else templates
    asking = AskingModel(model, offered, manner, seed)
    more = "once more" if asked.rounds == 1 else f"{asked.rounds} times more"
    again = f", and {more} with what came of it" if asked.rounds else ""
    changes = f"{asked.samples} change{'s' * (asked.samples != 1)}"
    title = f"Proposed by {model.name}, asked for {changes} of each rule{again}."
    return Proposer(search, title, lambda: asking.notes, asking)


def _loaded(asked: Asked) -> tuple[LanguageModel, bool, bool]:
    """The model, whether it was trained for the terse wording (those that ship are, and others say so), and whether
    it answers in no time."""
    from rulegen.propose.llama import load

    known = pins()
    if not asked.model and not known:
        raise ModelError("no model ships with this installation of rulegen; name a GGUF file with --model")
    path = trusted(asked.model or known[0].name, allow_unverified=asked.allow_unverified)
    model = load(path, threads=THREADS, context=CONTEXT)
    return model, model.trained or path.name in {pin.file for pin in known}, path.stat().st_size <= QUICK


def _connected(asked: Asked, deadline: Deadline) -> tuple[LanguageModel, bool, bool]:
    from rulegen.propose.endpoint import connect

    until = deadline.part(CONNECTING).at
    return connect(asked.url, asked.model_name, timeout_s=asked.timeout / SECOND, until=until), False, False


def _search(templates: Sequence[Template]) -> Propose:
    def search(cluster: Cluster) -> list[Proposal]:
        return list(enumerate_proposals(cluster, templates))

    return search
