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

HOPELESS = 3  # rules about which a model said nothing of use, and nothing of use before: it is asked no more


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
    """Proposes what ``model`` answers, in the ``manner`` given. ``notes`` says what went wrong, for the report.

    What is wrong with one rule (its texts are longer than the context holds) is no reason to leave the others to
    search: whoever may name a pod could switch the model off.
    """

    def __init__(
        self,
        model: LanguageModel,
        templates: Sequence[Template],
        manner: Manner,
        seed: int,
        now: Clock = time.monotonic,
    ) -> None:
        self._model, self._templates, self._manner, self._seed, self._now = model, templates, manner, seed, now
        self._answers = self._unused = self._useless = self._unrevised = self._unheard = 0
        self._unfit = self._failure = self._too_long = ""

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
                return None
        return polish(cluster, offers, self._templates, trials, self._manner.polish)

    def _asked(self, question: Question, deadline: Deadline) -> tuple[Proposal, ...]:
        """The proposals that came in time; none, and the reason kept, when the model fails."""
        found, before = list[Proposal](), self._answers
        until = min(deadline.at, self._now() + self._manner.answer_s * self._manner.samples)
        try:
            draw = most_said if self._manner.often else sample
            for one in draw(question, self._model, samples=self._manner.samples, seed=self._seed, deadline=until):
                self._answers += 1
                if isinstance(one, Refused):
                    self._unused += 1
                    self._unfit = one.reason
                else:
                    found.append(one)
        except TooLong as error:
            if question.round:
                self._unrevised += 1
            else:
                self._unheard += 1
                self._too_long = str(error)
        except ModelError as error:
            if not deadline.passed:  # not its fault: others are asked about first, and longer
                self._failure = str(error)
        if not found and not question.round and self._answers > before and not deadline.passed:
            self._useless += 1
            if self._useless == HOPELESS and self._unused == self._answers:
                self._failure = f"nothing that it said of the first {HOPELESS} rules was of use"
        return tuple(found)

    @property
    def notes(self) -> tuple[str, ...]:
        found = []
        if self._failure:
            found.append(f"the model failed, so search proposed instead from there on: {self._failure}")
        if self._unused:
            found.append(
                f"{self._unused} of the model's {self._answers} answers could not be used, the last because "
                f"{self._unfit}"
            )
        if self._useless:
            rules = _counted(self._useless, "rule")
            found.append(f"for {rules} the model said nothing of use, so search proposed instead")
        if self._unheard:
            rules = _counted(self._unheard, "rule")
            found.append(f"{rules} could not be asked about, so search proposed instead: {self._too_long}")
        if self._unrevised and not self._failure:
            times = _counted(self._unrevised, "time")
            found.append(f"{times} the model's context was too small to tell it what had come of its answers")
        return tuple(found)


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
