"""A model as the proposer: it proposes, hears the verdicts, proposes again, and the numbers of the best are polished.

A model that fails degrades the run and never breaks it: from then on it says so each time it is asked.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from rulegen.core.candidate import Proposal
from rulegen.core.cluster import Cluster
from rulegen.core.deadline import Clock, Deadline
from rulegen.core.trial import Trial
from rulegen.errors import ModelError
from rulegen.propose.feedback import told
from rulegen.propose.llama import LanguageModel, TooLong
from rulegen.propose.model import Question, most_said, sample
from rulegen.propose.offer import offers_for
from rulegen.propose.polish import polish
from rulegen.propose.refused import Refused
from rulegen.templates.template import Template


@dataclass(frozen=True, slots=True)
class Manner:
    """How a model is asked: up to ``samples`` different proposals a round, in one round and then ``rounds`` more in
    which it knows the verdicts; then up to ``polish`` neighbours of the best. ``answer_s`` is how long one answer may
    take, and ``explained`` says that the model was not trained for the terse wording. ``often``: many answers are
    drawn and those proposed that came most often, which only a small model is quick enough for."""

    samples: int = 8
    rounds: int = 1
    polish: int = 12
    answer_s: float = 120.0
    explained: bool = True
    often: bool = False


class AskingModel:
    """Proposes what ``model`` answers, in the ``manner`` given. ``notes`` says what went wrong, for the report."""

    def __init__(
        self,
        model: LanguageModel,
        templates: Sequence[Template],
        manner: Manner,
        seed: int,
        now: Clock = time.monotonic,
    ) -> None:
        self._model, self._templates, self._manner, self._seed, self._now = model, templates, manner, seed, now
        self._answers = self._unused = self._useless = self._unrevised = 0
        self._failure = ""

    def __call__(
        self, cluster: Cluster, rounds: Sequence[Sequence[Trial]], deadline: Deadline
    ) -> tuple[Proposal, ...] | None:
        """What to try next on ``cluster`` after ``rounds`` of trials: nothing when all is said, None where search has
        to take over."""
        if self._failure:
            return None
        offers = offers_for(cluster, self._templates)
        if not offers:
            return ()
        trials = [trial for one in rounds for trial in one]
        if len(rounds) <= self._manner.rounds and (trials or not rounds):
            known = frozenset(one.candidate.id for one in trials)
            explained = self._manner.explained
            question = Question(cluster, self._templates, offers, explained, told(trials, offers), known, len(rounds))
            found = self._asked(question, deadline)
            if found or self._failure:
                return found or None
            if not rounds:
                self._useless += not deadline.passed
                return None
        return polish(cluster, offers, self._templates, trials, self._manner.polish)

    def _asked(self, question: Question, deadline: Deadline) -> tuple[Proposal, ...]:
        """The proposals that came in time; none, and the reason kept, when the model fails."""
        found = []
        until = min(deadline.at, self._now() + self._manner.answer_s * self._manner.samples)
        try:
            draw = most_said if self._manner.often else sample
            for one in draw(question, self._model, samples=self._manner.samples, seed=self._seed, deadline=until):
                self._answers += 1
                if isinstance(one, Refused):
                    self._unused += 1
                else:
                    found.append(one)
        except TooLong as error:
            if not question.round:
                self._failure = str(error)
            self._unrevised += 1
        except ModelError as error:
            if not deadline.passed:  # not its fault: others are asked about first, and longer
                self._failure = str(error)
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        found = []
        if self._failure:
            found.append(f"the model failed, so search proposed instead from there on: {self._failure}")
        if self._unused:
            found.append(f"{self._unused} of the model's {self._answers} answers could not be used")
        if self._useless:
            found.append(f"for {self._useless} rules the model said nothing of use, so search proposed instead")
        if self._unrevised and not self._failure:
            found.append(
                f"{self._unrevised} times the model's context was too small to tell it what had come of its answers"
            )
        return tuple(found)
