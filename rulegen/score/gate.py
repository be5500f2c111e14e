"""The gate: what a candidate must not do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rulegen.core.candidate import Candidate
from rulegen.core.durations import HOUR, format_duration
from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import NEVER, Outcome
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.spans import Mask
from rulegen.score.judge import Judge
from rulegen.score.parts import Parts

LEAST_TARGETS = 5  # fewer incidents on record can't tell a useless page from an unlucky one
LEAST_FIRINGS = 30


@dataclass(frozen=True, slots=True, eq=False)
class Standing:
    """The rules as they are, judged: what every change is measured against.

    ``best`` [targets] is the delay with which each target is caught today, ``timely`` of a rule the indices of the
    protected targets that it catches within the allowed delay of that.
    """

    judge: Judge
    parts: Parts
    rules: Mapping[RuleRef, Rule]
    before: Mapping[RuleRef, Outcome]
    credible: Mapping[RuleRef, Mask]
    best: NDArray[np.int64] = field(init=False)
    protected: Mask = field(init=False)
    timely: Mapping[RuleRef, NDArray[np.int64]] = field(init=False)
    _sole: Mapping[RuleRef, NDArray[np.int64]] = field(init=False)  # the targets that no other rule catches in time
    _catchers: NDArray[np.int64] = field(init=False)  # [targets] how many rules catch it at all

    def __post_init__(self) -> None:
        judge, count = self.judge, len(self.judge.targets)
        best = np.full(count, NEVER, dtype=np.int64)
        for outcome in self.before.values():
            np.minimum.at(best, outcome.caught, outcome.delay)
        known = self.parts.known[judge.block_of] if count else np.zeros(0, dtype=np.bool_)
        negligible = np.array([target.negligible for target in judge.targets], dtype=np.bool_)
        protected = known & judge.counted & (best < NEVER) & ~negligible & ~self._given_up(count, known)
        object.__setattr__(self, "best", best)
        object.__setattr__(self, "protected", protected)
        timely = {ref: self.in_time(outcome) for ref, outcome in self.before.items()}
        support, catchers = np.zeros(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
        for ref, outcome in self.before.items():
            support[timely[ref]] += 1
            catchers[outcome.caught] += 1
        object.__setattr__(self, "timely", timely)
        sole = {ref: some[support[some] == 1] for ref, some in timely.items()}
        object.__setattr__(self, "_sole", sole)
        object.__setattr__(self, "_catchers", catchers)

    def in_time(self, outcome: Outcome) -> NDArray[np.int64]:
        """Indices of the protected targets that ``outcome`` catches within the allowed delay of today's best."""
        soon = outcome.delay <= self.best[outcome.caught] + self.judge.settings.allowed_delay
        return outcome.caught[soon & self.protected[outcome.caught]]

    def own(self, outcome: Outcome) -> NDArray[np.int64]:
        """Indices of the protected targets that ``outcome`` catches, however late."""
        return outcome.caught[self.protected[outcome.caught]]

    def leaning(self, ref: RuleRef, outcome: Outcome) -> NDArray[np.int64]:
        """Of the targets that the rule at ``ref`` catches in time today, those that it still does when changed.

        Only these may others lean on it for: then any subset of the accepted changes is safe too.
        """
        timely = self.timely[ref]
        return np.intersect1d(timely, self.in_time(outcome), assume_unique=True) if len(timely) else timely

    def missed(self, ref: RuleRef, outcome: Outcome) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Protected targets that are lost, and caught too late, when the rule at ``ref`` alone changes."""
        gone = self._sole[ref]
        if len(gone):
            gone = np.setdiff1d(gone, self.in_time(outcome), assume_unique=True)
        others = self._catchers[gone] - np.isin(gone, self.before[ref].caught)
        still = np.isin(gone, outcome.caught) | (others > 0)
        return gone[~still], gone[still]

    def _given_up(self, count: int, known: Mask) -> Mask:
        """[targets] which targets only lucky rules catch, where the user allows to lose those."""
        none = np.zeros(count, dtype=np.bool_)
        if not self.judge.settings.lose_lucky or int((self.judge.counted & known).sum()) < LEAST_TARGETS:
            return none
        kept = none.copy()
        for ref, outcome in self.before.items():
            trusted = self.credible[ref][outcome.caught] | (outcome.fired[self.parts.known].sum() < LEAST_FIRINGS)
            kept[outcome.caught[trusted]] = True
        return ~kept


def reasons(standing: Standing, candidate: Candidate, outcome: Outcome) -> tuple[str, ...]:
    """Why ``candidate`` may not be suggested; empty when nothing speaks against it. Never sees the audit part."""
    ref, judge, parts = candidate.replaces, standing.judge, standing.parts
    before = standing.before[ref]
    found: list[str] = []
    given_up = candidate.change in ("demotion", "silencing")
    quieter = candidate.change in ("demotion", "retirement") and not _pages(judge, candidate)
    if given_up and judge.all_pages_are_noise:
        found.append("without a record of incidents nothing says that this page is useless")
    elif given_up and int(judge.shown.sum()) < LEAST_TARGETS:
        found.append(f"fewer than {LEAST_TARGETS} incidents on record: too little to call a page useless")
    if candidate.proposal.template == "narrow" and _spoken_of(standing, before) < LEAST_TARGETS:
        found.append(f"the rule caught fewer than {LEAST_TARGETS} incidents: too little to give up its other targets")
    known = parts.known
    longest = int(outcome.longest[known].max(initial=0))
    limit = max(2 * int(before.longest[known].max(initial=0)), HOUR)
    if not quieter and not outcome.fired[known].any():
        found.append("would never page: that is deletion in disguise")
    if longest > limit:
        found.append(f"would fire for {format_duration(longest)} at a stretch, more than {format_duration(limit)}")
    if not quieter and outcome.vital and (dropped := _dropped(before, outcome)):
        found.append(f"drops {', '.join(sorted(dropped))}: which incident it speaks of, or where it goes")
    lost, late = standing.missed(ref, outcome)
    if len(lost):
        found.append(f"loses {_names(judge, lost)}")
    if len(late):
        found.append(f"catches {_names(judge, late)} later than allowed")
    if not (quieter or len(lost) or len(late)) and len(standing.timely[ref]) and not len(standing.own(outcome)):
        found.append("would no longer catch anything itself: that is deletion in disguise")
    for name, mask in (("fit", parts.fit), ("gate", parts.gate)):
        pages, minutes = before.pages[mask].sum(), before.minutes[mask].sum()
        new_pages, new_minutes = outcome.pages[mask].sum(), outcome.minutes[mask].sum()
        where = f" on the {name} part" if parts.audit.any() else ""
        if new_pages > pages or new_minutes > minutes:
            found.append(f"adds noise{where}: pages {pages} → {new_pages}, minutes {minutes:.0f} → {new_minutes:.0f}")
        elif name == "fit" and candidate.change != "routing" and (new_pages >= pages or new_minutes >= minutes):
            found.append(
                f"cuts too little{where}: pages {pages} → {new_pages}, minutes {minutes:.0f} → {new_minutes:.0f}"
            )
    return tuple(dict.fromkeys(found))


def _spoken_of(standing: Standing, outcome: Outcome) -> int:
    """How many of the counted targets of the known time ``outcome`` catches."""
    judge, caught = standing.judge, outcome.caught
    return int((judge.shown[caught] & standing.parts.known[judge.block_of[caught]]).sum())


def _pages(judge: Judge, candidate: Candidate) -> bool:
    """Whether some rule of ``candidate`` is still there to page."""
    alerts = (rule for rule in candidate.rules if rule.kind == "alert")
    return any(judge.pages(rule.labels.updated({ALERT_NAME: rule.name})) for rule in alerts)


def _dropped(before: Outcome, after: Outcome) -> frozenset[str]:
    """The vital labels that some alert carried and that no alert, or not each of its kind, carries any more."""
    gone = [names for names in before.vital if not any(names <= now for now in after.vital)]
    vaguer = [names - now for now in after.vital - before.vital for names in before.vital if now < names]
    return frozenset().union(*(names - frozenset().union(*after.vital) for names in gone), *vaguer)


def _names(judge: Judge, targets: NDArray[np.int64], most: int = 5) -> str:
    names = [judge.targets[index].id for index in targets[:most]]
    return ", ".join(names) + (f" and {len(targets) - most} more" if len(targets) > most else "")
