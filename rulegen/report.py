"""From what was found and chosen to the report that the last stage writes down."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, replace

import numpy as np

from rulegen.core.candidate import Candidate
from rulegen.core.cluster import Cluster, Grade, Pattern
from rulegen.core.durations import format_duration
from rulegen.core.outcome import (
    NEVER,
    Evidence,
    Firings,
    Forecast,
    Front,
    Measure,
    Outcome,
    Report,
    Suggestion,
    Verdict,
    joined,
    silent,
)
from rulegen.core.rule import RuleRef
from rulegen.core.settings import Settings
from rulegen.core.spans import Mask
from rulegen.desk import HURRIED, LEFT, UNASKED, Desk, Selection
from rulegen.pager import Pager
from rulegen.reroute import Tried
from rulegen.score.choose import choice
from rulegen.score.front import joint, single
from rulegen.score.gate import Standing
from rulegen.score.luck import credible
from rulegen.score.measure import alone, together
from rulegen.score.parts import ENOUGH_TIME, Parts
from rulegen.score.seen import unseen
from rulegen.score.support import cut

FEW_TARGETS = 10


def report(
    desk: Desk, parts: Parts, selection: Selection, ahead: Forecast, pager: Pager, rerouted: Sequence[Tried]
) -> Report:
    """Everything a run has to say."""
    standing = desk.standing(parts)
    changes = desk.outcomes_of(selection.chosen)
    beyond = _credible_after(desk, selection.chosen, changes)
    accepted, refused = [], []
    for cluster in selection.clusters:
        candidate = selection.chosen.get(cluster.ref)
        if candidate is not None:
            outcome = changes[cluster.ref]
            evidence = _evidence(desk, standing, cluster, outcome, beyond[cluster.ref])
            evidence = replace(evidence, notices=pager.alone(cluster.ref, candidate))
            evidence = _supported(desk, standing, evidence, cluster.ref, candidate, pager)
            accepted.append(Suggestion(_id(cluster), cluster, candidate, evidence))
        elif (best := _best_refusal(selection.verdicts[cluster.ref])) is not None:
            why = best.reasons or ("safe alone, but others already lean on this rule as it is",)
            none = np.zeros(len(desk.judge.targets), dtype=np.bool_)
            tried = None if best.outcome is None else _evidence(desk, standing, cluster, best.outcome, none)
            refused.append(Suggestion(_id(cluster), cluster, best.candidate, tried, why))
    routed = [_routed(desk, standing, one) for one in rerouted]
    refused += [one for one in routed if not one.accepted]
    accepted_routing = tuple(one for one in routed if one.accepted)
    added = [change for one in accepted_routing for change in one.candidate.routing]
    everything = np.ones(desk.judge.blocks, dtype=np.bool_)
    tunings = {ref: outcome for ref, outcome in changes.items() if selection.chosen[ref].change == "tuning"}
    passed = {ref: [one for one in some if one.passed] for ref, some in selection.verdicts.items()}

    def known_notices(chosen: Mapping[RuleRef, Candidate]) -> int:
        return int(pager.told(chosen).noise[parts.known].sum())

    return Report(
        span=desk.history.span,
        judged=desk.judge.judged,
        mode="bursts" if desk.history.record is None else "incidents",
        settings=_settings(desk.settings),
        rules=len(desk.rules),
        before=together(standing, {}, everything),
        suggestions=tuple(sorted(accepted, key=_by_cut)),
        refused=tuple(sorted(refused, key=lambda one: (-one.cluster.facts.episodes, one.id))),
        tuning=together(standing, tunings, everything),
        together=together(standing, changes, everything),
        unjudged=sum(outcome.unjudged for outcome in desk.before.values()),
        unscored=desk.unscored,
        forecast=ahead,
        doubts=(*_doubts(desk, parts), *_cut_short(selection)),
        notices=pager.notices(selection.chosen, added),
        rerouted=accepted_routing,
        alerts=pager.alerts(selection.chosen),
        gap=choice(standing, passed).gap,
        front=Front(
            tuple(
                (one.id, single(standing, one.cluster.ref, selection.verdicts[one.cluster.ref], one.candidate.id))
                for one in sorted(accepted, key=_by_cut)
            ),
            joint(standing, selection.verdicts, selection.chosen, known_notices),
        ),
        verdicts=tuple(verdict for ref in sorted(selection.verdicts) for verdict in selection.verdicts[ref]),
        unmatched=desk.unmatched,
        credible=_beyond_luck(desk),
        patterns=_patterns(selection.clusters),
        overview=desk.history.overview,
        repaired=desk.history.repaired,
    )


def _patterns(clusters: Iterable[Cluster]) -> tuple[tuple[Pattern, int, int], ...]:
    rules, firings = Counter[Pattern](), Counter[Pattern]()
    for one in clusters:
        rules[one.pattern] += 1
        firings[one.pattern] += one.facts.episodes
    return tuple(
        (kind, rules[kind], firings[kind]) for kind in sorted(rules, key=lambda kind: (-firings[kind], kind))
    )


def _routed(desk: Desk, standing: Standing, one: Tried) -> Suggestion:
    """A change of the routing: the rule itself does what it did."""
    none = np.zeros(len(desk.judge.targets), dtype=np.bool_)
    evidence = _evidence(desk, standing, one.cluster, desk.before[one.cluster.ref], none)
    evidence = replace(evidence, notices=one.noise)
    return Suggestion(f"{_id(one.cluster)}-routing", one.cluster, one.candidate, evidence, one.reasons)


def _beyond_luck(desk: Desk) -> int | None:
    """How many targets some rule catches beyond luck today."""
    if desk.null is None:
        return None
    any_rule = np.zeros(len(desk.judge.targets), dtype=np.bool_)
    for caught in desk.credible.values():
        any_rule |= caught
    return int((any_rule & desk.judge.shown).sum())


def _credible_after(
    desk: Desk, chosen: Mapping[RuleRef, Candidate], changes: Mapping[RuleRef, Outcome]
) -> dict[RuleRef, Mask]:
    """For each changed rule the targets that it catches beyond luck, judged among all rules as they would then be."""
    if desk.null is None:
        return {ref: outcome.delays(len(desk.judge.targets)) < NEVER for ref, outcome in changes.items()}
    fired: dict[RuleRef, Firings] = dict(desk.fired)
    for ref, candidate in chosen.items():
        replayed = desk.replayer.replay(ref, candidate.rules, desk.rules[ref][1])
        fired[ref] = joined(replayed) if replayed else silent(fired[ref])
    outcomes = {**desk.before, **changes}
    caught = {ref: outcomes[ref].delays(len(desk.judge.targets)) < NEVER for ref in fired}
    beyond = credible(desk.judge, fired, caught, desk.null)
    none = np.zeros(len(desk.judge.targets), dtype=np.bool_)
    return {ref: beyond.get(ref, none) for ref in chosen}


def _evidence(desk: Desk, standing: Standing, cluster: Cluster, outcome: Outcome, beyond: Mask) -> Evidence:
    """``beyond`` [targets]: the catches beyond luck; what is newly caught counts only among those."""
    judge, ref = desk.judge, cluster.ref
    names = [judge.targets[index].id for index in outcome.caught]
    sure = [bool(beyond[index]) for index in outcome.caught]
    trusted = tuple(name for name, is_sure in zip(names, sure, strict=True) if is_sure and desk.null)

    def measured(blocks: Mask) -> Measure:
        measure = alone(standing, ref, outcome, blocks)
        return replace(measure, gained=tuple(name for name in measure.gained if name in trusted))

    return Evidence(
        grade=cluster.grade,
        whole=measured(np.ones(judge.blocks, dtype=np.bool_)),
        parts=tuple((name, measured(mask)) for name, mask in standing.parts.named),
        credible=trusted,
        lucky=tuple(name for name, is_sure in zip(names, sure, strict=True) if not is_sure and desk.null),
        null=desk.null.name if desk.null else "",
        longest=(int(desk.before[ref].longest.max(initial=0)), int(outcome.longest.max(initial=0))),
    )


def _supported(
    desk: Desk, standing: Standing, evidence: Evidence, ref: RuleRef, candidate: Candidate, pager: Pager
) -> Evidence:
    """``evidence`` with the intervals of its cuts, what they rest on, and what no recording could show."""
    bursts = pager.bursts({ref: candidate}, np.ones(desk.judge.blocks, dtype=np.bool_), ref)
    return replace(
        evidence,
        cut_pages=cut(bursts.pages, desk.settings.seed),
        cut_minutes=cut(bursts.minutes, desk.settings.seed),
        support=(len(bursts), evidence.whole.caught[0]),
        synthetic=unseen(candidate.rules, desk.history.recordings),
    )


def _best_refusal(verdicts: tuple[Verdict, ...]) -> Verdict | None:
    """The one that came closest: scored, fewest objections, least noise left."""

    def rank(verdict: Verdict) -> tuple[float, ...]:
        if verdict.outcome is None:
            return (1, 0, 0, 0)
        pages, minutes = float(verdict.outcome.pages.sum()), float(verdict.outcome.minutes.sum())
        return (0, len(verdict.reasons), pages, minutes)

    return min(verdicts, key=lambda verdict: (rank(verdict), verdict.candidate.id), default=None)


def _doubts(desk: Desk, parts: Parts) -> list[str]:
    found = []
    counted = int(desk.judge.shown.sum())
    judged = sum(span.length for span in desk.judge.judged)
    if desk.history.record is not None and counted < FEW_TARGETS:
        found.append(
            f"only {counted} incidents lie in the judged time: what is safe for them may not be for the next"
        )
    if not parts.audit.any():
        short = judged < ENOUGH_TIME
        length = f"{format_duration(judged // 60_000 * 60_000)} of judged time is too short"
        why = f"{length}, {format_duration(ENOUGH_TIME)} would do" if short else "too few targets in its last quarter"
        found.append(f"no part is kept for audit ({why}): the forecast is cross-fitted")
    found += _strangers(desk)
    observed = sum(desk.replayer.grade(ref) is Grade.ALERTS for ref in desk.rules)
    if observed:
        found.append(
            f"of {observed} rules only the recorded alerts are known (grade alerts): thresholds can't be judged, "
            "and alerts from webhooks lack what was silenced or inhibited, and short flaps"
        )
    return found


def _cut_short(selection: Selection) -> Iterable[str]:
    """What the deadline left of the work, the noisiest rules first."""
    names = {one.ref: f"{one.rule.name} ({one.ref.path}:{one.rule.line})" for one in selection.clusters}
    for what in (UNASKED, HURRIED, LEFT):
        refs = [ref for ref, said in selection.cut_short.items() if said == what]
        if refs:
            listed = ", ".join(names[ref] for ref in refs)
            yield f"the deadline passed: of {len(names)} noisy rules {len(refs)} were {what}: {listed}"


def _strangers(desk: Desk) -> Iterable[str]:
    """Labels of incidents, and matchers of pages, that no alert has: most often a slip of the pen."""
    alerts = [labels for firings in desk.fired.values() for labels in firings.labels]
    if not alerts:
        return
    carried = {name for labels in alerts for name in labels}
    if desk.history.record is not None:
        named = {name for one in desk.judge.targets for name in one.labels}
        for name in sorted(named - carried):
            yield f"no alert has the incidents' label {name}: it tells no two incidents apart"
    if not any(map(desk.judge.pages, alerts)):
        yield f"none of the alerts that fired matches --page {desk.settings.page}: nothing pages"


def _settings(settings: Settings) -> tuple[tuple[str, str], ...]:
    durations = {"lead", "carry", "grace", "allowed_delay", "burst_gap", "ignore_shorter_than"}
    return tuple((one.name, _setting(getattr(settings, one.name), one.name in durations)) for one in fields(settings))


def _setting(value: object, is_duration: bool) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format_duration(value) if is_duration and isinstance(value, int) else str(value)


def _id(cluster: Cluster) -> str:
    return "s" + cluster.id.removeprefix("c")


def _by_cut(suggestion: Suggestion) -> tuple[float, float, str]:
    assert suggestion.evidence is not None  # what was accepted has been replayed
    pages, minutes = suggestion.evidence.whole.pages, suggestion.evidence.whole.minutes
    return (pages[1] - pages[0], minutes[1] - minutes[0], suggestion.id)
