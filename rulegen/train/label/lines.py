"""One line for each cluster of a world: what is asked, what should be answered, and everything that was tried."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rulegen.core.alert import Episode
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.marks import marks
from rulegen.core.outcome import Verdict
from rulegen.core.routing import Routing
from rulegen.core.rule import RuleSet
from rulegen.core.series import Samples
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk, Progress, Selection
from rulegen.pager import Pager
from rulegen.propose.answer import write_answer
from rulegen.propose.offer import Offer, offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts, split
from rulegen.templates import TEMPLATES
from rulegen.train.label.facts import facts_row
from rulegen.train.label.ranking import costs_of, likeliest
from rulegen.train.label.routes import routed
from rulegen.train.label.tries import first_tries, polished
from rulegen.train.wild import Wild, draw_world

REASON = 100  # characters of a reason that are kept

Line = dict[str, Any]


def label_world(seed: int) -> Iterator[Line]:
    """The labelled clusters of the world of ``seed``, in the order of its rules."""
    world = draw_world(seed)
    for history in histories(world):
        for line in label(history, Settings(page=world.page), world.routing):
            story = world.stories.get(str(line.pop("rule")), "")
            yield {"world": seed, **line, "story": story}


def histories(world: Wild) -> Iterator[History]:
    """``world`` as it is, and perhaps once more with no more known of it than its alerts."""
    yield world.history
    if world.heard:
        yield alerts_of(world)


def alerts_of(world: Wild) -> History:
    """What is left of the history of ``world`` where only its alerts were kept: neither samples nor rules."""
    desk = Desk.of(world.history, Settings(page=world.page), lambda _: (), MINUTE, lambda *_: None)
    episodes = (
        Episode(firings.labels[int(row)], Span(int(start), int(end)))
        for firings in desk.fired.values()
        for row, start, end in zip(firings.series, firings.start, firings.end, strict=True)
    )
    span = world.history.span
    rising = tuple(sorted(episodes, key=lambda one: (one.span, one.labels)))
    return History(span, (span,), RuleSet(()), Samples(), rising, world.history.record)


def label(
    history: History,
    settings: Settings,
    routing: Routing | None = None,
    interval: int = MINUTE,
    progress: Progress = lambda *_: None,
) -> Iterator[Line]:
    """One line for each cluster of ``history``: what is asked, what should be answered, and everything tried.
    ``interval`` (ms) is that of rules which have none."""
    known = () if routing is None else marks(routing)
    desk = Desk.of(history, settings, first_tries, interval, progress, known)
    parts = split(desk.judge)
    selection = desk.select(parts)
    standing, pager = desk.standing(parts), Pager.of(desk, routing)
    for cluster in selection.clusters:
        offers = offers_for(cluster, TEMPLATES)
        answer, left, tried = _judged(standing, pager, parts, selection, cluster, offers)
        yield {
            "rule": cluster.rule.name,
            "cluster": cluster.id,
            "pattern": cluster.pattern.value,
            "prompt": build_prompt(cluster, offers),
            "answer": answer,
            "left": round(left, 4),
            "facts": {name: _short(value) for name, value in facts_row(cluster).items()},
            "tried": tried,
        }


def _judged(
    standing: Standing, pager: Pager, parts: Parts, selection: Selection, cluster: Cluster, offers: Sequence[Offer]
) -> tuple[str | None, float, list[list[object]]]:
    """The answer to learn for ``cluster`` (None: leave it alone), what it leaves of the noise, and all tried."""
    ref = cluster.ref
    verdicts = [one for one in selection.verdicts[ref] if one.candidate.change != "routing"]
    verdicts += polished(standing, pager.desk, cluster, offers, verdicts)
    passed = [one for one in verdicts if one.passed]
    changes = routed(pager, parts, selection, cluster)
    allowed = [one for one in changes if not one.reason]
    costs = [*costs_of(standing, ref, passed), *(one.left for one in allowed)]
    candidates = [*(one.candidate for one in passed), *(one.candidate for one in allowed)]
    at = likeliest(costs, [one.proposal.template for one in candidates])
    tried = [_tried(standing, cluster, one, offers) for one in verdicts]
    for one in changes:
        answer = write_answer(one.candidate.proposal, offers)
        tried.append([answer, int(not one.reason), round(one.cut, 3), round(one.cut, 3), one.reason[:REASON]])
    if at is None:
        return None, 1.0, tried
    return write_answer(candidates[at].proposal, offers), costs[at], tried


def _tried(standing: Standing, cluster: Cluster, verdict: Verdict, offers: Sequence[Offer]) -> list[object]:
    """What was proposed, whether the gate let it through, the shares of pages and of minutes that it cuts, and why
    not."""
    answer = write_answer(verdict.candidate.proposal, offers)
    reason = verdict.reasons[0][:REASON] if verdict.reasons else ""
    if verdict.outcome is None:
        return [answer, 0, 0.0, 0.0, reason]
    before, fit = standing.before[cluster.ref], standing.parts.fit
    cuts = [
        round(
            1 - float(getattr(verdict.outcome, what)[fit].sum()) / max(1.0, float(getattr(before, what)[fit].sum())),
            3,
        )
        for what in ("pages", "minutes")
    ]
    return [answer, int(verdict.passed), *cuts, reason]


def _short(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(f"{value:.5g}")
