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

from rulegen.core.candidate import Candidate, Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.outcome import Verdict
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask
from rulegen.desk import Desk
from rulegen.propose.answer import read_answer
from rulegen.propose.offer import Offer, offers_for
from rulegen.propose.refused import Refused
from rulegen.propose.render import render
from rulegen.propose.search import enumerate_proposals
from rulegen.score.gate import Standing, reasons
from rulegen.score.parts import known_only, split
from rulegen.templates import TEMPLATES
from rulegen.train.answers import write_answer
from rulegen.train.ranking import costs_of

FOUND = 0.05  # a full search that takes away less than this share of the noise has found nothing
# Changes of the routing are judged by notifications, all rules together, and so are left out here.
JUDGED = tuple(template for template in TEMPLATES if template.route is None)


@dataclass(frozen=True, slots=True)
class Judged:
    """What the replay said of one candidate. ``cut`` is the share of the rule's noise, pages and minutes alike and a
    little off for effort, that goes (:mod:`rulegen.score.choose`); 0 where the gate does not let it through."""

    id: str
    proposal: Proposal
    passed: bool
    cut: float
    reason: str


@dataclass(slots=True)
class Book:
    """Verdicts that are known already: key → (passed, cut, why not); kept in ``file`` where there is one."""

    file: Path | None
    known: dict[str, tuple[bool, float, str]] = field(default_factory=dict)

    @classmethod
    def at(cls, folder: Path | None, name: str) -> Book:
        file = None if folder is None else folder / f"{name}.json"
        kept = json.loads(file.read_text()) if file is not None and file.exists() else {}
        return cls(file, {key: (bool(passed), float(cut), str(why)) for key, (passed, cut, why) in kept.items()})

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
        return self._book.known[key][1]

    def candidate(self, proposal: Proposal) -> Candidate | None:
        if proposal not in self._rendered:
            made = render(self.cluster, proposal, JUDGED)
            self._rendered[proposal] = None if isinstance(made, Refused) or made.routing else made
        return self._rendered[proposal]

    def _glance(self, candidate: Candidate, share: float) -> tuple[bool, float, str]:
        if share not in self._short:
            self._short[share] = self._desk.standing(known_only(_first(self._standing.parts.known, share)))
        standing = self._short[share]
        (verdict,) = self._desk._verdicts(standing, self.cluster, [candidate])
        if verdict.outcome is None:
            return False, -math.inf, "not replayed"
        against = [why for why in reasons(standing, candidate, verdict.outcome) if "would never page" not in why]
        cut = _cut(standing, self.cluster, verdict)
        return not against, cut - len(against), ""

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
    desk = Desk.of(history, settings, lambda cluster: enumerate_proposals(cluster, JUDGED, limit), MINUTE, _quiet)
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
        every = judged(desk, standing, book, cluster, desk._candidates(cluster))
        best = max(every, key=lambda one: one.cut, default=None)
        found = best is not None and best.cut >= FOUND
        said = [best.id, write_answer(best.proposal, offers)] if best is not None and found else ["", ""]
        book.known[key] = found, best.cut if best is not None else 0.0, json.dumps([*said, len(every)])
        book.keep()
    found, cut, kept = book.known[key]
    id, answer, tried = json.loads(kept)
    proposal = read_answer(answer, offers, Provenance("search")) if found else None
    return (Judged(id, proposal, True, cut, "") if isinstance(proposal, Proposal) else None), int(tried)


def judged(
    desk: Desk, standing: Standing, book: Book, cluster: Cluster, candidates: Iterable[Candidate]
) -> list[Judged]:
    """The verdicts on whole replays, from the book where they are there."""
    some = list(candidates)
    keys = {one.id: f"{cluster.id}/{one.id}" for one in some}
    fresh = [one for one in some if keys[one.id] not in book.known]
    for verdict in desk._verdicts(standing, cluster, fresh):
        cut = max(0.0, _cut(standing, cluster, verdict)) if verdict.passed else 0.0
        why = verdict.reasons[0] if verdict.reasons else ""
        book.known[keys[verdict.candidate.id]] = (verdict.passed, cut, why)
    return [Judged(one.id, one.proposal, *book.known[keys[one.id]]) for one in some]


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
