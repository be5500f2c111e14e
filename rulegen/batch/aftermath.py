"""What became of what was merged: the claim, replayed on the time since.

A suggestion claims that the new rules page less for nothing and lose no catch. Both sides are replayed on the raw
samples of the time after the history that the claim rests on: the rules that were replaced, which nobody runs any
more, and those that stand there now.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rulegen.batch.rulejson import rules_from
from rulegen.batch.state import Became, Made, Verdict
from rulegen.core.cluster import Grade
from rulegen.core.outcome import NEVER, Firings, joined
from rulegen.core.rule import Rule, RuleGroup, RuleRef, RuleSet
from rulegen.core.spans import Span, intersect
from rulegen.desk import Desk
from rulegen.emit.expression import same
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError
from rulegen.score.judge import Judge
from rulegen.score.paging import matching
from rulegen.score.targets import bursts, incidents

LEAST_PAGES = 5  # of the old rules, before anything is said of how many the new ones cut
WEEK = 7 * 86_400_000


@dataclass(frozen=True, slots=True)
class Standing:
    """Which rules of a suggestion stand in the user's files: ``new`` those that it proposed (or its shadows), ``old``
    that which they replace. None: not there, or not all of them."""

    new: tuple[RuleRef, ...] | None
    shadow: tuple[RuleRef, ...] | None
    old: tuple[RuleRef, ...] | None
    group: RuleGroup | None

    @property
    def merged(self) -> bool:
        """The old rule is gone and the new ones, if there are any, are there."""
        return self.group is not None and self.old is None and self.new is not None


def standing(rules: RuleSet, one: Made) -> Standing:
    """Where the rules of ``one`` stand among ``rules``: in a group of the same name, first in the same file."""
    groups = sorted(
        (group for group in rules.groups if group.name == one.grp), key=lambda each: each.path != one.path
    )
    old, new, shadow = rules_from(one.old), rules_from(one.new), rules_from(one.shadow)
    for group in groups:
        found = Standing(_all_of(new, group), _all_of(shadow, group) if shadow else None, _all_of(old, group), group)
        if found.old or (found.new and new) or found.shadow:
            return found
    if not groups:
        return Standing(None, None, None, None)
    # Nothing of it is left. A rule that was to be switched off is then as proposed, in the file where it stood.
    here = groups[0]
    return Standing(() if not new and here.path == one.path else None, None, None, here)


def _all_of(wanted: Sequence[Rule], group: RuleGroup) -> tuple[RuleRef, ...] | None:
    found = []
    for rule in wanted:
        at = next((k for k, other in enumerate(group.rules) if _alike(rule, other)), None)
        if at is None:
            return None
        found.append(group.ref(at))
    return tuple(found)


def _alike(rule: Rule, other: Rule) -> bool:
    """Whether both fire the same alerts: annotations, and how an expression is laid out, may differ."""
    if (rule.kind, rule.name, rule.hold, rule.keep_firing_for) != (
        other.kind,
        other.name,
        other.hold,
        other.keep_firing_for,
    ):
        return False
    return rule.labels == other.labels and same(rule.expr, other.expr)


def aftermath(desk: Desk, merged: Sequence[Made], interval: int) -> tuple[Became, ...]:
    """For each of ``merged``, whose new rules (or shadows) stand among the desk's, what became of it since
    its ``last_seen``, the end of the history that it rests on. ``interval`` is that of recorded alerts, ms."""
    return tuple(_became(desk, one) for one in merged)


def _became(desk: Desk, one: Made) -> Became:
    history = desk.history
    since, until = min(one.last_seen, history.span.end), history.span.end
    nothing = Became(one.source, one.candidate, since, until, "early", "", 0.0, 0, 0, 0, "", "", 0)
    if until <= since:
        return replace(nothing, why="no history since then")
    if one.mode == "incidents" and history.record is None:
        return replace(nothing, why="its claim rests on incidents, and none are recorded any more")
    try:
        sides = _sides(desk, one)
    except (UnsupportedError, ExpressionError) as error:
        return replace(nothing, verdict="unknown", why=f"cannot be replayed: {error}")
    if isinstance(sides, str):
        return replace(nothing, verdict="unknown", why=sides)
    ref, old, new, mine = sides
    judge = _judge(desk, Span(since, until), ref, old)
    if not judge.judged or not any(span.length for span in judge.judged):
        return replace(nothing, why="nobody has kept a record of incidents since then")
    before, after = judge.outcome(old, ref, old[0].warm), judge.outcome(new, ref, old[0].warm)
    others = _others(desk, judge, mine)
    count = len(judge.targets)
    was, now = np.minimum(before.delays(count), others), np.minimum(after.delays(count), others)
    vital = judge.shown & np.array([not target.negligible for target in judge.targets], dtype=np.bool_)
    caught = vital & (was < NEVER)
    lost = caught & (now == NEVER)
    moved = np.where(caught & ~lost, now - was, 0)
    late = moved > desk.settings.allowed_delay
    pages = int(before.pages.sum()), int(after.pages.sum())
    verdict, why = _verdict(one, pages, int(lost.sum()), int(late.sum()))
    return replace(
        nothing,
        verdict=verdict,
        why=why,
        weeks=sum(span.length for span in judge.judged) / WEEK,
        pages=pages[0],
        pages_after=pages[1],
        targets=int(caught.sum()),
        lost="\n".join(judge.targets[k].id for k in np.flatnonzero(lost)),
        late="\n".join(judge.targets[k].id for k in np.flatnonzero(late)),
        delay=int(max(0, moved.max(initial=0))),
    )


def _sides(
    desk: Desk, one: Made
) -> tuple[RuleRef, tuple[Firings, ...], tuple[Firings, ...], frozenset[RuleRef]] | str:
    """The place in which both sides are replayed, what the old rule and the new ones fired, and which of today's
    rules are this suggestion's; or why that cannot be said."""
    where = standing(desk.history.rules, one)
    refs = where.new if where.merged else where.shadow
    if where.group is None or refs is None:
        return "its rules are no longer there"
    stands_in = refs or tuple(where.group.ref(at) for at in range(len(where.group.rules)))[:1]
    if not stands_in:
        return "its group is empty"
    ref = stands_in[-1]
    if desk.replayer.grade(ref) is Grade.ALERTS:
        return "only recorded alerts are there, and they can't show what the old rule would have done"
    old = desk.replayer.replay(ref, rules_from(one.old), one.step)
    new = desk.replayer.replay(ref, rules_from(one.new), one.step) if refs else ()
    mine = frozenset((*(where.new or ()), *(where.shadow or ()), *(where.old or ())))
    return ref, (joined(old),), new, mine


def _judge(desk: Desk, since: Span, ref: RuleRef, old: Sequence[Firings]) -> Judge:
    record, settings = desk.history.record, desk.settings
    pages = matching(settings.page, "--page")
    targets = bursts([(ref, one) for one in old], pages, settings) if record is None else incidents(record)
    spans = (desk.history.span,) if record is None else record.judged
    judged = intersect(spans, [since])
    return Judge(targets, judged, since, pages, settings, all_pages_are_noise=record is None)


def _others(desk: Desk, judge: Judge, mine: frozenset[RuleRef]) -> NDArray[np.int64]:
    """[targets] how soon the rules that are not ``mine`` catch each. A burst is only its own rule's."""
    first = np.full(len(judge.targets), NEVER, dtype=np.int64)
    if desk.history.record is None:
        return first
    for ref, firings in desk.fired.items():
        if ref not in mine:
            first = np.minimum(first, judge.outcome([firings], ref, firings.warm).delays(len(judge.targets)))
    return first


def _verdict(one: Made, pages: tuple[int, int], lost: int, late: int) -> tuple[Verdict, str]:
    """failed: a catch is lost or late, or there is more noise than the old rules would have made. weak: less was cut
    than claimed at least. held: as claimed. early: the old rules would hardly have paged, so that nothing shows."""
    if lost or late:
        parts = [f"{lost} lost"] * bool(lost) + [f"{late} later than allowed"] * bool(late)
        return "failed", f"of what the old rule caught {' and '.join(parts)}"
    before, after = pages
    if max(pages) < LEAST_PAGES:
        return "early", f"only {before} pages for nothing of the old rule since then"
    if after > before:
        return "failed", f"noise rose: {before} → {after} pages"
    cut = 1 - after / before
    if cut < (least := least_cut(one)):
        return "weak", f"{cut:.0%} of the pages cut, and at least {least:.0%} were claimed"
    return "held", f"{cut:.0%} of the pages cut"


def least_cut(one: Made) -> float:
    """The least share of the pages that ``one`` claims to cut: the low end of its interval, and never more than the
    number of pages that it rests on allows when all of them are cut (the rule of three: Hanley and Lippman-Hand, JAMA
    249, 1983)."""
    most = max(0.0, 1 - 3 / one.pages) if one.pages else 0.0
    return min(most, one.low if one.low is not None else 1 - one.pages_after / one.pages if one.pages else 0.0)


def accuracy(outcomes: Sequence[Became]) -> float | None:
    """Of the claims of which something can be said the share that held; None without any."""
    told = [one.verdict for one in outcomes if one.verdict in ("held", "weak", "failed")]
    return told.count("held") / len(told) if told else None


def acceptance(suggestions: Sequence[Made]) -> float | None:
    """Of the suggestions that people decided the share that was merged (and reverted later, or not); None without."""
    merged = sum(one.status in ("merged", "reverted") for one in suggestions)
    closed = sum(one.status == "closed" for one in suggestions)
    return merged / (merged + closed) if merged + closed else None


def told(outcomes: Sequence[Became], suggestions: Mapping[str, Made]) -> Iterator[str]:
    """A line for each outcome: the claim beside it."""
    for one in outcomes:
        claim = suggestions[one.candidate]
        week = claim.weeks or 1.0
        yield (
            f"{claim.id} {claim.rule}: claimed {claim.pages / week:.1f} → {claim.pages_after / week:.1f} pages for "
            f"nothing a week; since then {one.pages} → {one.pages_after} in {one.weeks:.2f} weeks, "
            f"{one.targets} caught, {len(one.lost.split())} lost, {len(one.late.split())} late: "
            f"{one.verdict} ({one.why})"
        )
