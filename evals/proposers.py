"""Who proposes: by chance, from a list learnt by heart, by boosted trees, by the model. Each is a stream of proposals
for one trial, likeliest first, that reads the cluster and never the replay."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import chain, count, islice, zip_longest
from typing import Any

import numpy as np

from evals.trial import JUDGED, Judged, Trial
from rulegen.core.candidate import Proposal, Provenance
from rulegen.core.durations import MINUTE, parse_duration
from rulegen.propose.answer import read_answer, write_answer
from rulegen.propose.feedback import told
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.llama import LanguageModel
from rulegen.propose.model import MANY
from rulegen.propose.prompt import build_prompt, revised
from rulegen.propose.refused import Refused
from rulegen.propose.search import enumerate_proposals
from rulegen.train.label.facts import Row, facts_row

Line = Mapping[str, Any]  # a labelled cluster
Stream = Callable[[Trial], Iterator[Proposal]]

LEARNT, ROWS = 64, 40  # forms on the list; tried changes of a cluster that trees learn from
POOL, ENUMERATED = 300, 24  # random fillings, and enumerated ones of each template, among which trees choose
RANKED = 100  # proposals of one cluster that trees put in order
AGAIN = 0.85  # what each further proposal of one template is worth to trees beside the first
_BY_HEART, _TREES, _CHANCE = Provenance("list"), Provenance("trees"), Provenance("chance")


def chance(trial: Trial) -> Iterator[Proposal]:
    """A template by chance, and its slots by chance: sizes of picks alike, then sets of that size. Never ends."""
    rng = np.random.default_rng(_seed("chance", trial))
    while True:
        offer = trial.offers[int(rng.integers(len(trial.offers)))]
        picks = []
        for slot in offer.slots:
            size = int(rng.integers(1, min(slot.most, len(slot.choices)) + 1))
            places = sorted(rng.choice(len(slot.choices), size=size, replace=False).tolist())
            picks.append([slot.choices[place] for place in places])
        yield Proposal(offer.template.name, offer.filled(picks), _CHANCE)


def by_heart(lines: Sequence[Line], most: int = LEARNT) -> tuple[str, ...]:
    """The answers that together would have served the clusters of ``lines`` best: greedily, each next one adds most
    to the best cut so far, summed over the clusters."""
    places: dict[str, dict[int, float]] = defaultdict(dict)
    for at, line in enumerate(lines):
        for answer, passed, pages, minutes, _ in line["tried"]:
            if passed:
                places[answer][at] = (pages + minutes) / 2
    clusters = {form: np.fromiter(cuts, dtype=np.int64) for form, cuts in places.items()}
    worth = {form: np.fromiter(cuts.values(), dtype=np.float64) for form, cuts in places.items()}
    best, found = np.zeros(len(lines)), list[str]()
    bound = {form: float(cuts.sum()) for form, cuts in worth.items()}  # what a form may add at most: it only falls
    while bound and len(found) < most:
        form, gain = "", 0.0
        for one, limit in sorted(bound.items(), key=lambda pair: (-pair[1], pair[0])):
            if limit <= gain:
                break
            bound[one] = float(np.maximum(worth[one] - best[clusters[one]], 0).sum())
            if bound[one] > gain:
                form, gain = one, bound[one]
        if not form:
            break
        found.append(form)
        np.maximum.at(best, clusters[form], worth[form])
        del bound[form]
    return tuple(found)


def listed(forms: Sequence[str]) -> Stream:
    """The forms in order, as far as they can be said of the cluster."""

    def stream(trial: Trial) -> Iterator[Proposal]:
        for form in forms:
            proposal = read_answer(form, trial.offers, _BY_HEART)
            if not isinstance(proposal, Refused):
                yield proposal

    return stream


class Trees:
    """Boosted trees that say from a cluster's facts and a proposal's generic form how much it will cut."""

    def __init__(self, lines: Sequence[Line], seed: int = 0) -> None:
        from sklearn.ensemble import HistGradientBoostingRegressor  # of the extra ``compare``

        self._ranked: dict[tuple[str, str], tuple[Proposal, ...]] = {}
        self._names = sorted({name for line in lines for name in line["facts"]})
        words = {value for line in lines for value in line["facts"].values() if isinstance(value, str)}
        self._words = {word: float(at) for at, word in enumerate(sorted(words))}
        rng, rows, cuts = np.random.default_rng(seed), [], []
        for line in lines:
            tried, facts = line["tried"], self._facts(line["facts"])
            for at in rng.permutation(len(tried))[:ROWS]:
                answer, passed, pages, minutes, _ = tried[at]
                rows.append([*facts, *form_of(answer, line["facts"])])
                cuts.append(passed * (pages + minutes) / 2)
        self._trees = HistGradientBoostingRegressor(
            max_iter=200, categorical_features=[len(self._names)], random_state=seed
        )
        self._trees.fit(np.array(rows), np.array(cuts))

    def __call__(self, trial: Trial) -> Iterator[Proposal]:
        key = (trial.group, trial.cluster.id)
        if key not in self._ranked:
            self._ranked[key] = tuple(islice(self._rank(trial), RANKED))
        yield from self._ranked[key]

    def _rank(self, trial: Trial) -> Iterator[Proposal]:
        enumerated = enumerate_proposals(trial.cluster, JUDGED, ENUMERATED)
        drawn = (replace(one, provenance=_TREES) for one in islice(chance(trial), POOL))
        pool = list({(one.template, one.slots.pairs): one for one in chain(enumerated, drawn)}.values())
        row = facts_row(trial.cluster)
        facts = self._facts(row)
        forms = [form_of(write_answer(one, trial.offers), row) for one in pool]
        values = self._trees.predict(np.array([[*facts, *form] for form in forms]))
        seen: Counter[str] = Counter()
        left = dict(enumerate(values.tolist()))
        while left:
            at = max(left, key=lambda one: (left[one] * AGAIN ** seen[pool[one].template], -one))
            del left[at]
            seen[pool[at].template] += 1
            yield pool[at]

    def _facts(self, row: Row) -> list[float]:
        values = (row.get(name, np.nan) for name in self._names)
        return [self._words.get(value, -1.0) if isinstance(value, str) else float(value) for value in values]


_TEMPLATES = {template.name: float(at) for at, template in enumerate(JUDGED)}
_SLOTS = 4


def form_of(answer: str, facts: Row) -> list[float]:
    """[1 + 4 × 3] the template, and of each slot what kind of thing is picked first, which (minutes, beside those of
    the rule's ``for``, or its number in the inventory) and how many."""
    said = json.loads(answer)
    form = [_TEMPLATES.get(said["template"], np.nan)]
    for picks in list(said["slots"].values())[:_SLOTS]:
        several = picks if isinstance(picks, list) else [picks]
        found = re.fullmatch(r"([a-z])(\d+)", several[0])
        if found:
            form += [float(ord(found[1])), float(found[2]), float(len(several))]
            continue
        try:
            minutes = parse_duration(several[0]) / MINUTE
            form += [0.0, minutes, minutes / (1.0 + float(facts["for"]))]
        except ValueError:
            form += [1.0, float(sum(map(ord, several[0]))), float(len(several))]
    return [*form, *[np.nan] * (1 + 3 * _SLOTS - len(form))]


@dataclass(slots=True)
class Asked:
    """What came of asking a model: answers, and those among them that were no legal proposal."""

    answers: int = 0
    refused: int = 0


class Asking:
    """The model's samples, the likeliest first, each distinct proposal once. ``prompt_of`` makes what it is asked."""

    def __init__(self, model: LanguageModel, prompt_of: Callable[[Trial], str] | None = None) -> None:
        self._model, self._prompt_of, self.asked = model, prompt_of or own, Asked()
        self._said: dict[tuple[str, str], tuple[list[Proposal], Iterator[Proposal]]] = {}
        self._counted: set[tuple[str, int]] = set()  # (prompt, seed) of the answers in ``asked``

    def __call__(self, trial: Trial) -> Iterator[Proposal]:
        key = (trial.group, trial.cluster.id)
        if key not in self._said:
            self._said[key] = [], self.answers(trial, self.prompt(trial))
        known, more = self._said[key]
        for at in count():
            if at == len(known):
                proposal = next(more, None)
                if proposal is None:
                    return
                known.append(proposal)
            yield known[at]

    def prompt(self, trial: Trial) -> str:
        return self._prompt_of(trial)

    def answers(self, trial: Trial, prompt: str, again: bool = False) -> Iterator[Proposal]:
        """The distinct legal proposals among the samples."""
        seen = set()
        for proposal in self.said(trial, prompt, again):
            if (proposal.template, proposal.slots.pairs) not in seen:
                seen.add((proposal.template, proposal.slots.pairs))
                yield proposal

    def said(self, trial: Trial, prompt: str, again: bool = False) -> Iterator[Proposal]:
        """The legal proposals among the samples, as often as they came."""
        rules, most = grammar(trial.offers), longest(trial.offers)
        asked = sha256(f"{self._model.sha256} {prompt}".encode()).hexdigest()[:16]
        for number, temperature in enumerate(MANY):
            drawn = _seed(f"model {again} {number}", trial) >> 1
            say = partial(
                self._model.complete,
                prompt,
                rules,
                max_tokens=most,
                temperature=temperature,
                seed=drawn,
                deadline=None,
            )
            text = trial.recalled(f"{asked}/{drawn}", say)
            proposal = read_answer(text, trial.offers, Provenance("model"))
            fresh = (asked, drawn) not in self._counted
            self._counted.add((asked, drawn))
            self.asked.answers += fresh
            if isinstance(proposal, Refused):
                self.asked.refused += fresh
            else:
                yield proposal

    def again(self, trial: Trial, tried: Iterable[Judged]) -> Iterator[Proposal]:
        """What the model says once it has been told what came of earlier answers."""
        heard = told([one.told for one in tried], trial.asked)
        return self.answers(trial, revised(self.prompt(trial), heard), again=True)


def most_said(model: Asking) -> Stream:
    """All of the model's samples first; then what it said most often, first."""

    def stream(trial: Trial) -> Iterator[Proposal]:
        counts: Counter[Proposal] = Counter(model.said(trial, model.prompt(trial)))
        yield from (proposal for proposal, _ in counts.most_common())

    return stream


def by_turns(first: Stream, second: Stream) -> Stream:
    """One of each, by turns, as long as both have something to say; then the rest."""

    def stream(trial: Trial) -> Iterator[Proposal]:
        for pair in zip_longest(first(trial), second(trial)):
            yield from (one for one in pair if one is not None)

    return stream


def own(trial: Trial) -> str:
    return build_prompt(trial.cluster, trial.asked)


def borrowed(others: Mapping[tuple[str, str], Trial], *, whole: bool) -> Callable[[Trial], str]:
    """What is asked about another cluster: with ``whole`` all of it, else its rule and figures over the trial's own
    inventory and choices."""

    def prompt_of(trial: Trial) -> str:
        other = others[trial.group, trial.cluster.id]
        if whole:
            return own(other)
        theirs = other.cluster
        shown = replace(
            trial.cluster, rule=theirs.rule, interval=theirs.interval, pattern=theirs.pattern, facts=theirs.facts
        )
        return build_prompt(shown, trial.asked)

    return prompt_of


def _seed(who: str, trial: Trial) -> int:
    return int.from_bytes(sha256(f"{who}:{trial.group}:{trial.cluster.id}".encode()).digest()[:4], "big")
