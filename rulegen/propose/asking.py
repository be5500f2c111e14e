"""A model as the proposer, with search behind it: a model that fails degrades the run and never breaks it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster
from rulegen.errors import ModelError
from rulegen.propose.llama import LanguageModel
from rulegen.propose.model import propose
from rulegen.propose.search import enumerate_proposals
from rulegen.templates.template import Template


class AskingModel:
    """Proposes what ``model`` answers to ``samples`` questions for each cluster; search from its first failure on.

    ``notes`` says what went wrong, for the report.
    """

    def __init__(self, model: LanguageModel, templates: Sequence[Template], samples: int, seed: int) -> None:
        self._model: LanguageModel | None = model
        self._templates, self._samples, self._seed = templates, samples, seed
        self._unused = self._asked = 0
        self._failure = ""

    def __call__(self, cluster: Cluster) -> Iterable[Proposal]:
        if self._model is not None:
            try:
                proposals, reasons = propose(
                    cluster, self._templates, self._model, samples=self._samples, seed=self._seed
                )
            except ModelError as error:
                self._failure, self._model = str(error), None
            else:
                self._asked += self._samples
                self._unused += len(reasons)
                return proposals
        return enumerate_proposals(cluster, self._templates)

    @property
    def notes(self) -> tuple[str, ...]:
        found = []
        if self._failure:
            found.append(f"the model failed, so search proposed instead from there on: {self._failure}")
        if self._unused:
            found.append(f"{self._unused} of the model's {self._asked} answers could not be used")
        return tuple(found)
