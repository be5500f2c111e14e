"""The rules as they are, replayed and judged, and everything needed to try changes to them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from rulegen.cluster.companions import Fired, companions
from rulegen.cluster.conditions import Seen, Signal, conditions, signals
from rulegen.cluster.counters import counters
from rulegen.cluster.describe import describe
from rulegen.cluster.hours import quiet_hours
from rulegen.cluster.indicator import indicator
from rulegen.cluster.telling import telling
from rulegen.core.candidate import Candidate, Proposal
from rulegen.core.cluster import Cluster, Companion, Condition, Grade, Inventory
from rulegen.core.deadline import ENDLESS, Deadline
from rulegen.core.history import History
from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import NEVER, Firings, Outcome, Verdict
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask, Span, inside
from rulegen.core.trial import Trial
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError, Matrix
from rulegen.propose.refused import Refused
from rulegen.propose.render import distinct, render
from rulegen.replay.replay import Replayer
from rulegen.score.catches import catches
from rulegen.score.choose import choose
from rulegen.score.deputy import uncovered
from rulegen.score.gate import Standing, reasons
from rulegen.score.judge import Judge
from rulegen.score.luck import Null, credible, null_model
from rulegen.score.paging import matching
from rulegen.score.parts import Parts
from rulegen.score.protect import untouchable, watched_alerts
from rulegen.score.targets import bursts, incidents
from rulegen.templates import TEMPLATES, free_form

Propose = Callable[[Cluster], Iterable[Proposal]]
Ask = Callable[[Cluster, Sequence[Sequence[Trial]], Deadline], Sequence[Proposal] | None]
"""Who is told what came of each round of its proposals and may go on: nothing ends it, and None leaves the rest to
``Propose``. It should be done by the deadline."""

Progress = Callable[[str, int, int], None]  # what is being done, how much of it is done, of how much

ASKING = 0.6  # of the time that there is, for rounds of asking; search is what is left for the rest
LEAST_PAGES = 2  # one page is no pattern
LEAST_MINUTES = 60.0  # unless it hardly ends: one endless firing is not quiet


@dataclass(frozen=True, slots=True, eq=False)
class Selection:
    """What one pass over the known part of the history found and chose."""

    clusters: tuple[Cluster, ...]
    verdicts: Mapping[RuleRef, tuple[Verdict, ...]]
    chosen: Mapping[RuleRef, Candidate]
    routing: Mapping[RuleRef, tuple[Candidate, ...]]  # changes of the routing alone, not judged yet
    cut_short: Mapping[RuleRef, str] = field(default_factory=dict)  # what a deadline did to the work on a rule


LEFT = "left as they are"
UNASKED = "searched for without asking the model"
HURRIED = "not tried with every change"


@dataclass(slots=True, eq=False)
class _Attempts:
    """The candidates for one cluster by id, the verdicts on those that change rules, and what there was no time
    for."""

    candidates: dict[str, Candidate] = field(default_factory=dict)
    verdicts: list[Verdict] = field(default_factory=list)
    cut_short: str = ""

    def new(self, candidates: Iterable[Candidate]) -> list[Candidate]:
        """Those of ``candidates`` that were not there before; they are now."""
        found = [one for one in distinct(candidates) if one.id not in self.candidates]
        self.candidates.update((one.id, one) for one in found)
        return found

    @property
    def routing(self) -> tuple[Candidate, ...]:
        return tuple(one for one in self.candidates.values() if one.routing)


@dataclass(frozen=True, slots=True, eq=False)
class Desk:
    """The rules as they are, replayed and judged, and everything needed to try changes to them."""

    history: History
    settings: Settings
    propose: Propose
    progress: Progress
    replayer: Replayer
    rules: Mapping[RuleRef, tuple[Rule, int]]  # alerting rules that could be replayed, with their interval in ms
    fired: Mapping[RuleRef, Firings]
    unscored: tuple[tuple[str, str], ...]
    unmatched: tuple[tuple[str, str], ...]
    judge: Judge
    before: Mapping[RuleRef, Outcome]
    credible: Mapping[RuleRef, Mask]
    null: Null | None  # None where luck is not measured: bursts are not incidents
    marks: tuple[tuple[str, str], ...] = ()  # labels that the routing acts upon
    ask: Ask | None = None  # proposes before ``propose`` does
    _outcomes: dict[str, Outcome | str] = field(default_factory=dict)  # by candidate id; str: why there is none

    @classmethod
    def of(
        cls,
        history: History,
        settings: Settings,
        propose: Propose,
        interval: int,
        progress: Progress,
        marks: tuple[tuple[str, str], ...] = (),
        ask: Ask | None = None,
    ) -> Desk:
        replayer = Replayer(history, interval)
        alerting = [(ref, group, rule) for ref, group, rule in replayer.rules if rule.kind == "alert"]
        rules: dict[RuleRef, tuple[Rule, int]] = {}
        fired: dict[RuleRef, Firings] = {}
        unscored, unmatched = [], []
        for done, (ref, group, rule) in enumerate(alerting):
            progress("replaying the rules as they are", done, len(alerting))
            try:
                (fired[ref],) = replayer.replay(ref, (rule,), group.interval)
                rules[ref] = (rule, group.interval)
                unmatched += [(f"{ref.path}:{rule.line}: {rule.name}", text) for text in replayer.unmatched(rule)]
            except (UnsupportedError, ExpressionError) as error:
                unscored.append((f"{ref.path}:{rule.line}: {rule.name}", str(error)))
        pages = matching(settings.page, "--page")
        record = history.record
        targets = bursts(fired.items(), pages, settings) if record is None else incidents(record)
        judged = (history.span,) if record is None else record.judged
        judge = Judge(targets, judged, history.span, pages, settings, all_pages_are_noise=record is None)
        before = {ref: judge.outcome([firings], ref, firings.warm) for ref, firings in fired.items()}
        null = None if record is None else null_model(history.span, history.recordings)
        caught = {ref: outcome.delays(len(targets)) < NEVER for ref, outcome in before.items()}
        beyond = caught if null is None else credible(judge, fired, caught, null)
        return cls(
            history,
            settings,
            propose,
            progress,
            replayer,
            rules,
            fired,
            tuple(unscored),
            tuple(unmatched),
            judge,
            before,
            beyond,
            null,
            marks,
            ask,
        )

    def standing(self, parts: Parts) -> Standing:
        rules = {ref: rule for ref, (rule, _) in self.rules.items()}
        return Standing(self.judge, parts, rules, self.before, self._credible_in(parts))

    def _credible_in(self, parts: Parts) -> Mapping[RuleRef, Mask]:
        """The catches beyond luck that the gate may know of: none from the audit part. It asks for them only where
        the user gives up the others."""
        if self.null is None or not self.settings.lose_lucky:
            return self.credible
        among = parts.known[self.judge.block_of]
        caught = {ref: outcome.delays(len(among)) < NEVER for ref, outcome in self.before.items()}
        return credible(self.judge, self.fired, caught, self.null, among)

    def select(self, parts: Parts, deadline: Deadline = ENDLESS) -> Selection:
        """Clusters the noise of the fit part, tries proposals for each, and chooses among what passes the gate.

        What is noisiest is tried first; what a deadline leaves no time for stays as it is.
        """
        standing = self.standing(parts)
        clusters = tuple(self._clusters(parts))
        asking = deadline.part(ASKING)
        found: dict[RuleRef, _Attempts] = {}
        noisiest = sorted(clusters, key=lambda one: (-one.facts.episodes, -one.facts.minutes, one.ref))
        for done, cluster in enumerate(noisiest):
            self.progress("trying changes", done, len(clusters))
            found[cluster.ref] = self._attempts(standing, cluster, asking, deadline)
        verdicts = {one.ref: tuple(found[one.ref].verdicts) for one in clusters}
        routing = {one.ref: found[one.ref].routing for one in clusters}
        passed = {ref: [one for one in some if one.passed] for ref, some in verdicts.items()}
        cut_short = {one.ref: found[one.ref].cut_short for one in noisiest if found[one.ref].cut_short}
        return Selection(clusters, verdicts, choose(standing, passed), routing, cut_short)

    def _attempts(self, standing: Standing, cluster: Cluster, asking: Deadline, deadline: Deadline) -> _Attempts:
        """What is proposed for ``cluster`` and what the gate says of it: round after round up to ``asking`` by whom
        there is to ask, and where that comes to nothing, up to ``deadline`` by search."""
        found = _Attempts()
        if deadline.passed:
            found.cut_short = LEFT
            return found
        if self.ask is not None:
            rounds: list[tuple[Trial, ...]] = []
            while not asking.passed:
                proposals = self.ask(cluster, rounds, asking)
                if proposals is None:
                    break
                new = found.new(self._rendered(cluster, proposals))
                if not new:
                    return found
                verdicts = self._judged(standing, cluster, found, new, deadline)
                rounds.append(tuple(self._trial(standing.parts, one) for one in verdicts))
            if asking.passed:
                found.cut_short = HURRIED if rounds else UNASKED
            if rounds and asking.passed:
                return found
        self._judged(standing, cluster, found, found.new(self._rendered(cluster, self.propose(cluster))), deadline)
        return found

    def _judged(
        self,
        standing: Standing,
        cluster: Cluster,
        found: _Attempts,
        candidates: Sequence[Candidate],
        deadline: Deadline,
    ) -> list[Verdict]:
        """The verdicts on those of ``candidates`` that change rules, as far as there is time; kept in ``found``."""
        others = [one for one in candidates if not one.routing]
        verdicts = list(self.verdicts(standing, cluster, others, deadline))
        found.verdicts += verdicts
        if len(verdicts) < len(others):
            found.cut_short = HURRIED
        return verdicts

    def _trial(self, parts: Parts, verdict: Verdict) -> Trial:
        """What whoever proposed may know of ``verdict``: the gate's reasons, and the noise of the fit part."""
        outcome, before = verdict.outcome, self.before[verdict.candidate.replaces]
        if outcome is None:
            return Trial(verdict.candidate, math.nan, math.nan, verdict.reasons)
        pages = float(outcome.pages[parts.fit].sum()) / max(1.0, float(before.pages[parts.fit].sum()))
        minutes = float(outcome.minutes[parts.fit].sum()) / max(1.0, float(before.minutes[parts.fit].sum()))
        return Trial(verdict.candidate, pages, minutes, verdict.reasons)

    def outcomes_of(self, chosen: Mapping[RuleRef, Candidate]) -> dict[RuleRef, Outcome]:
        found = {ref: self._outcomes[candidate.id] for ref, candidate in chosen.items()}
        return {ref: outcome for ref, outcome in found.items() if isinstance(outcome, Outcome)}

    def _clusters(self, parts: Parts) -> Iterable[Cluster]:
        weeks = self.judge.weeks(parts.fit)
        protected = untouchable(self.settings.protect)
        watched = watched_alerts(rule for _, _, rule in self.history.rules)
        every = [rule for _, _, rule in self.history.rules]
        identities = self.replayer.rules.identities()
        metrics = tuple(self.replayer.metrics)
        beside = self._companions(parts)
        company = signals((rule, self.fired[ref]) for ref, (rule, _) in self.rules.items())
        for ref, (rule, _) in self.rules.items():
            if protected(rule) or watched(rule) or not self._noisy(ref, parts):
                continue
            firings = self.fired[ref]
            noisy = self.judge.noise(firings) & parts.fit[self.judge.blocks_at(firings.start)]
            cluster = describe(
                ref,
                rule,
                firings,
                noisy,
                self.replayer.peaks(ref, firings),
                grade=self.replayer.grade(ref),
                weeks=weeks,
                incidents_touched=int(parts.fit[self.judge.block_of[self.before[ref].caught]].sum()),
                companions=beside[ref],
                watched=self.replayer.watched(ref, firings.grid),
                vanished=self.replayer.vanished(ref, firings),
                unseen=self.replayer.unseen(ref, firings),
                learned=self._learned(parts),
                indicator=indicator(rule, every, metrics),
                identity=identities[ref],
            )
            yield replace(cluster, inventory=self._known_of(cluster, parts, firings, noisy, company))

    def _known_of(
        self, cluster: Cluster, parts: Parts, firings: Firings, noisy: Mask, company: Sequence[Signal]
    ) -> Inventory:
        """The inventory with what more than the cluster's own episodes tells, from the fit part alone."""
        ref, rule = cluster.ref, cluster.rule
        known = self.judge.spans(parts.fit)
        wrong = [] if self.judge.all_pages_are_noise else [target.span for target in self.judge.targets]
        catching = self._catching(ref, parts)
        raw = cluster.grade is Grade.METRICS
        seen = Seen(rule, firings, noisy, catching)
        return replace(
            cluster.inventory,
            conditions=self._conditions(ref, seen, company) if raw else (),
            quiet_hours=quiet_hours(firings.start[noisy], wrong, known),
            counters=counters(cluster.inventory.metrics, self.history.samples) if raw else (),
            telling=telling(rule, firings, noisy, catching),
            marks=self.marks,
            service=self.replayer.service(ref, known, wrong) if raw else None,
            reach=sum(span.length for span in self.history.recordings),
        )

    def _companions(self, parts: Parts) -> Mapping[RuleRef, tuple[Companion, ...]]:
        """What else fires with each rule's noise, in the fit part alone. What fires by design says nothing."""
        by_design = untouchable(())
        noise, every = [], []
        for ref, (rule, _) in self.rules.items():
            firings = self.fired[ref]
            fit = parts.fit[self.judge.blocks_at(firings.start)] & inside(firings.start, self.judge.judged)
            if not by_design(rule):
                every.append(Fired.of(ref, rule, firings, fit & (firings.start >= firings.warm)))
            noise.append(Fired.of(ref, rule, firings, fit & self.judge.noise(firings)))
        return companions(noise, every)

    def _learned(self, parts: Parts) -> Span:
        edges = self.judge.edges
        blocks = np.flatnonzero(parts.fit)
        return Span(int(edges[blocks[0]]), int(edges[blocks[-1] + 1]))

    def _noisy(self, ref: RuleRef, parts: Parts) -> bool:
        """Whether there is a pattern to learn from in the fit part: several pages, or one that did not end."""
        before = self.before[ref]
        return bool(before.pages[parts.fit].sum() >= LEAST_PAGES or before.minutes[parts.fit].sum() >= LEAST_MINUTES)

    def _catching(self, ref: RuleRef, parts: Parts) -> Mask:
        """[firings] those of the rule at ``ref`` that catch something in the fit part."""
        firings = self.fired[ref]
        vital = np.array([not one.negligible for one in self.judge.targets], dtype=np.bool_)
        pairs = catches(self.judge, firings, ref)
        catching = np.zeros(len(firings), dtype=np.bool_)
        catching[pairs[vital[pairs[:, 1]], 0]] = True
        return catching & parts.fit[self.judge.blocks_at(firings.start)]

    def _conditions(self, ref: RuleRef, seen: Seen, company: Sequence[Signal]) -> tuple[Condition, ...]:
        """What could gate the rule at ``ref``."""

        def level(expr: str) -> Matrix | None:
            return self.replayer.level(ref, expr, self.fired[ref].grid)

        return conditions(seen, company, self.replayer.metrics, level)

    def _rendered(self, cluster: Cluster, proposals: Iterable[Proposal]) -> Iterator[Candidate]:
        for proposal in proposals:
            candidate = render(cluster, proposal, (*TEMPLATES, free_form.TEMPLATE))
            if not isinstance(candidate, Refused):
                yield candidate

    def verdicts(
        self,
        standing: Standing,
        cluster: Cluster,
        candidates: Sequence[Candidate],
        deadline: Deadline = ENDLESS,
    ) -> Iterable[Verdict]:
        """What the gate says of each of ``candidates`` for ``cluster``, replayed where they were not before, up to
        the ``deadline``."""
        self._sweep(cluster, [one for one in candidates if one.id not in self._outcomes])
        for candidate in candidates:
            if deadline.passed:
                return
            outcome = self._outcome(candidate, cluster.interval)
            if isinstance(outcome, str):
                yield Verdict(candidate, None, (outcome,))
            else:
                against = (
                    *reasons(standing, candidate, outcome),
                    *self._not_covered(standing.parts, cluster, candidate),
                )
                yield Verdict(candidate, outcome, against)

    def deputy(self, cluster: Cluster, candidate: Candidate) -> Companion | None:
        """The rule that a retired one leaves its pages to; None for any other change."""
        if candidate.change != "retirement":
            return None
        named = candidate.proposal.slots.get("cover")
        return next(one for number, one in enumerate(cluster.companions) if f"c{number}" == named)

    def _not_covered(self, parts: Parts, cluster: Cluster, candidate: Candidate) -> Iterable[str]:
        """Why a rule may not be switched off in favour of its companion."""
        companion = self.deputy(cluster, candidate)
        if companion is None:
            return
        name = companion.labels.get(ALERT_NAME, str(companion.ref))
        if companion.ref not in self.fired:
            yield f"{name} could not be replayed"
            return
        mine, other = self.fired[cluster.ref], self.fired[companion.ref]
        if missing := uncovered(self.judge, mine, [other], parts.known):
            yield f"{name} does not page for {missing} of its firings"
        elif companion.ref > cluster.ref and not uncovered(self.judge, other, [mine], parts.known):
            yield f"{name} says the same, and of two such rules the first stays"

    def _sweep(self, cluster: Cluster, candidates: Sequence[Candidate]) -> None:
        """Judges together those that differ in threshold or waits only."""
        ref = cluster.ref
        swept = self.replayer.sweep(ref, [one.rules for one in candidates], cluster.interval)
        for candidate, firings in zip(candidates, swept, strict=True):
            if firings is not None:
                self._outcomes[candidate.id] = self.judge.outcome(firings, ref, self.fired[ref].warm)

    def _outcome(self, candidate: Candidate, interval: int) -> Outcome | str:
        if candidate.id not in self._outcomes:
            ref = candidate.replaces
            try:
                firings = self.replayer.replay(ref, candidate.rules, interval)
                self._outcomes[candidate.id] = self.judge.outcome(firings, ref, self.fired[ref].warm)
            except (UnsupportedError, ExpressionError) as error:
                self._outcomes[candidate.id] = str(error)
        return self._outcomes[candidate.id]
