"""One noisy rule to find a change for: every candidate is replayed once and judged by the gate, whoever proposes it.

A world takes seconds to replay and a full search of it more, so verdicts can be kept in a folder: by world, cluster
and candidate, with the state of nothing else in them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rulegen.core.candidate import Candidate, Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.outcome import Verdict
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask
from rulegen.core.trial import Trial as Told
from rulegen.desk import Desk
from rulegen.propose.answer import read_answer, write_answer
from rulegen.propose.offer import Offer, offers_for
from rulegen.propose.refused import Refused
from rulegen.propose.render import distinct, render
from rulegen.propose.search import enumerate_proposals
from rulegen.score.gate import Standing, reasons
from rulegen.score.parts import known_only, split
from rulegen.templates import TEMPLATES
from rulegen.train.label.ranking import costs_of

FOUND = 0.05  # a full search that takes away less than this share of the noise has found nothing
# Changes of the routing are judged by notifications, all rules together, and so are left out here.
JUDGED = tuple(template for template in TEMPLATES if template.route is None)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the replay said of one candidate: ``reasons`` are the gate's. ``cut`` is the share of the rule's noise,
    pages and minutes alike and a little off for effort, that goes (:mod:`rulegen.score.choose`); 0 where the gate is
    against it. ``pages`` and ``minutes`` are the shares that it leaves; NaN where it could not be replayed."""

    candidate: Candidate
    cut: float
    pages: float
    minutes: float
    reasons: tuple[str, ...]

    @property
    def passed(self) -> bool:
        return not self.reasons

    @property
    def id(self) -> str:
        return self.candidate.id

    @property
    def template(self) -> str:
        return self.candidate.proposal.template

    @property
    def told(self) -> Told:
        """As a proposer is told of it."""
        return Told(self.candidate, self.pages, self.minutes, self.reasons)


@dataclass(slots=True)
class Book:
    """Figures that are known already, kept in ``file`` where there is one: [cut, pages, minutes, reasons] of a
    candidate, what a glance at it said, and what full search found."""

    file: Path | None
    known: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path | None, name: str) -> Book:
        file = None if folder is None else folder / f"{name}.json"
        return cls(file, json.loads(file.read_text()) if file is not None and file.exists() else {})

    def keep(self) -> None:
        if self.file is not None:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            unfinished = self.file.with_suffix(".part")
            unfinished.write_text(json.dumps(self.known))
            unfinished.replace(self.file)


@dataclass(slots=True)
class Trial:
    """The search for a change of one cluster's rule. ``asked`` are all templates that fit, as a model is told of
    them; ``offers`` those whose changes are judged here."""

    group: str  # what is resampled: the world
    cluster: Cluster
    asked: tuple[Offer, ...]
    offers: tuple[Offer, ...]
    full: Judged | None  # the best that the full search found; None: nothing worth it
    tried: int  # replays of the full search
    _desk: Desk
    _standing: Standing
    _book: Book
    _rendered: dict[Proposal, Candidate | None] = field(default_factory=dict)
    _short: dict[float, Standing] = field(default_factory=dict)

    def judge(self, proposal: Proposal) -> Judged | None:
        """The verdict of a whole replay; None where the proposal comes to nothing, which costs none."""
        candidate = self.candidate(proposal)
        return (
            None
            if candidate is None
            else judged(self._desk, self._standing, self._book, self.cluster, [candidate])[0]
        )

    def glance(self, proposal: Proposal, share: float) -> float:
        """How promising it looks when only the first ``share`` of what is known is replayed: the share of the noise
        there that goes, and less than nothing where the gate would be against it."""
        candidate = self.candidate(proposal)
        if candidate is None:
            return -math.inf
        key = f"{self.cluster.id}/{candidate.id}/{share:g}"
        if key not in self._book.known:
            self._book.known[key] = self._glance(candidate, share)
        return float(self._book.known[key])

    def candidate(self, proposal: Proposal) -> Candidate | None:
        if proposal not in self._rendered:
            made = render(self.cluster, proposal, JUDGED)
            self._rendered[proposal] = None if isinstance(made, Refused) or made.routing else made
        return self._rendered[proposal]

    def _glance(self, candidate: Candidate, share: float) -> float:
        if share not in self._short:
            self._short[share] = self._desk.standing(known_only(_first(self._standing.parts.known, share)))
        standing = self._short[share]
        (verdict,) = self._desk.verdicts(standing, self.cluster, [candidate])
        if verdict.outcome is None:
            return -math.inf
        against = [why for why in reasons(standing, candidate, verdict.outcome) if "would never page" not in why]
        return _cut(standing, self.cluster, verdict) - len(against)

    def keep(self) -> None:
        """Keeps the verdicts, where there is a folder for them."""
        self._book.keep()

    @property
    def ways(self) -> float:
        """In how many ways the slots of all templates can be filled."""
        return float(sum(math.prod(_ways(len(slot.choices), slot.most) for slot in one.slots) for one in self.offers))


def trials(group: str, history: History, settings: Settings, limit: int, folder: Path | None) -> Iterator[Trial]:
    """One trial for each noisy rule of ``history``. Full search tries up to ``limit`` proposals of each template.

    ``folder``: where verdicts are kept from one run to the next. Only verdicts that hold for the same code are worth
    keeping: empty it when templates, replay or gate change.
    """
    desk = Desk.of(history, settings, lambda _: (), MINUTE, _quiet)
    parts = split(desk.judge)
    standing, book = desk.standing(parts), Book.at(folder, group)
    for cluster in desk._clusters(parts):
        asked = offers_for(cluster, TEMPLATES)
        offers = tuple(one for one in asked if one.template.route is None)
        if not offers:
            continue
        best, tried = _full(desk, standing, book, cluster, offers, limit)
        yield Trial(group, cluster, asked, offers, best, tried, desk, standing, book)


def _full(
    desk: Desk, standing: Standing, book: Book, cluster: Cluster, offers: Sequence[Offer], limit: int
) -> tuple[Judged | None, int]:
    """The best that full search finds, where it is worth it, and how many candidates it replays."""
    key = f"{cluster.id}/full/{limit}"
    if key not in book.known:
        candidates = distinct(_rendered(cluster, enumerate_proposals(cluster, JUDGED, limit)))
        every = judged(desk, standing, book, cluster, candidates)
        best = best_of(every)
        answer = None if best is None or best.cut < FOUND else write_answer(best.candidate.proposal, offers)
        book.known[key] = [answer, len(every)]
        book.keep()
    answer, tried = book.known[key]
    proposal = read_answer(answer, offers, Provenance("search")) if answer else None
    if not isinstance(proposal, Proposal):
        return None, tried
    return best_of(judged(desk, standing, book, cluster, list(_rendered(cluster, [proposal])))), tried


def judged(
    desk: Desk, standing: Standing, book: Book, cluster: Cluster, candidates: Sequence[Candidate]
) -> list[Judged]:
    """The verdicts on whole replays, from the book where they are there."""
    keys = {one.id: f"{cluster.id}/{one.id}" for one in candidates}
    fresh = [one for one in candidates if keys[one.id] not in book.known]
    for verdict in desk.verdicts(standing, cluster, fresh):
        cut = max(0.0, _cut(standing, cluster, verdict)) if verdict.passed else 0.0
        book.known[keys[verdict.candidate.id]] = [cut, *_left(standing, cluster, verdict), list(verdict.reasons)]
    found = []
    for one in candidates:
        cut, pages, minutes, against = book.known[keys[one.id]]
        found.append(Judged(one, cut, pages, minutes, tuple(against)))
    return found


def _rendered(cluster: Cluster, proposals: Iterable[Proposal]) -> Iterator[Candidate]:
    for proposal in proposals:
        candidate = render(cluster, proposal, JUDGED)
        if not isinstance(candidate, Refused):
            yield candidate


def _left(standing: Standing, cluster: Cluster, verdict: Verdict) -> tuple[float, float]:
    """The shares of the pages and of the minutes of noise that stay, on the fit part."""
    before, fit = standing.before[cluster.ref], standing.parts.fit
    if verdict.outcome is None:
        return math.nan, math.nan
    pages = float(verdict.outcome.pages[fit].sum()) / max(1.0, float(before.pages[fit].sum()))
    return pages, float(verdict.outcome.minutes[fit].sum()) / max(1.0, float(before.minutes[fit].sum()))


def _cut(standing: Standing, cluster: Cluster, verdict: Verdict) -> float:
    return 1.0 - costs_of(standing, cluster.ref, [verdict])[0]


def _first(known: Mask, share: float) -> Mask:
    """The first ``share`` of the blocks in ``known``."""
    ranks = known.cumsum()
    first: Mask = known & (ranks <= max(1, round(share * int(known.sum()))))
    return first


def _ways(choices: int, most: int) -> int:
    return sum(math.comb(choices, size) for size in range(1, min(most, choices) + 1))


def _quiet(*_: object) -> None:
    """Nobody watches."""


def best_of(some: Sequence[Judged]) -> Judged | None:
    """The accepted candidate that cuts most; the first of equals."""
    return max((one for one in some if one.passed), key=lambda one: one.cut, default=None)
