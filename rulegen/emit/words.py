"""One line of words for what a suggestion changes and what it is worth. Everything is safe to print or to comment."""

from __future__ import annotations

import calendar
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import SequenceMatcher
from math import isfinite

from rulegen.core.candidate import Proposal, SlotValue
from rulegen.core.cluster import Cluster, Pattern, Relation, Season
from rulegen.core.durations import DAY, SECOND, format_duration
from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import Measure, Suggestion
from rulegen.core.rule import Rule
from rulegen.emit.expression import Token, canonical, tokens
from rulegen.promql.rewrite import beside

MARK = "rulegen:"  # starts every comment that rulegen writes, and tells them from the user's own
REWRITTEN = "expression rewritten"
_LONG = 48  # characters of an expression's changed part that are still read at a glance
_LONGEST = 2 * _LONG  # and still read at all
_POINTER = re.compile(r"[a-z]\d+")
_COMPARISONS = frozenset((">", ">=", "<", "<=", "==", "!="))


def one_line(text: str) -> str:
    """``text`` without control characters, line ends and invisible or direction-changing marks: alert text is
    written by strangers, and ends up in terminals and comments."""
    return "".join(char if char.isprintable() else " " if char.isspace() else "?" for char in text)


def change(old: Rule, new: tuple[Rule, ...], proposal: Proposal | None = None) -> str:
    """What changes, in a line: ``for 0s → 5m, > 80 → > 95``."""
    return ", ".join(changes(old, new, proposal))


def changes(old: Rule, new: tuple[Rule, ...], proposal: Proposal | None = None) -> tuple[str, ...]:
    """What changes, one thing each; an expression too changed to show is told by the slots of ``proposal``."""
    if not new:
        return ("switched off, kept as a comment",)
    if len(new) != 1 or new[0].kind != old.kind:
        records = sum(rule.kind == "record" for rule in new)
        alerts = len(new) - records
        made = [counted(records, "recording rule")] * bool(records) + [counted(alerts, "alert")] * bool(alerts)
        return (f"1 rule → {' + '.join(made)}",)
    told = (_slots(proposal, new[0]) if proposal and one == REWRITTEN else one for one in _changes(old, new[0]))
    return tuple(map(one_line, told)) or ("no change",)


def _slots(proposal: Proposal, new: Rule) -> str:
    """``aggregate_count: by service, at_least 4``; the wait has words of its own, and a condition says what it is."""
    condition = beside(new.expr) if "condition" in proposal.slots else None
    if condition is not None:
        if len(condition) > 2 * _LONG:
            condition = condition[: 2 * _LONG - 1] + "…"
        window = proposal.slots.get("within")
        return f"{condition}, within {_value(window)}" if window else condition
    said = {name: value for name, value in proposal.slots.items() if name != "for" and not _points(value)}
    filled = ", ".join(f"{name} {_value(value)}" for name, value in said.items())
    return f"{proposal.template}: {filled or REWRITTEN}"


def _points(value: SlotValue) -> bool:
    """Whether it names a thing of the inventory by number (g0, l2), which tells a reader nothing."""
    parts = value if isinstance(value, tuple) else (value,)
    return any(isinstance(one, str) and _POINTER.fullmatch(one) for one in parts)


def _value(value: SlotValue) -> str:
    if isinstance(value, tuple):
        return " and ".join(value)
    return format_duration(value) if isinstance(value, int) else f"{value:g}" if isinstance(value, float) else value


def note(suggestion: Suggestion, mode: str) -> str:
    """The comment above a changed rule, without ``# ``: where it comes from and its figures.

    ``mode`` is the report's. An accepted suggestion always has evidence.
    """
    made = f"{MARK} {suggestion.id} {suggestion.candidate.proposal.template}"
    if suggestion.evidence is None:
        return one_line(made)
    measure = suggestion.evidence.whole
    figures = (
        f"pages {number(measure.pages[0])} → {number(measure.pages[1])}",
        f"minutes {number(measure.minutes[0])} → {number(measure.minutes[1])}",
        f"{mode} {measure.caught[0] - len(measure.lost)}/{measure.caught[0]} kept"
        + (f" ({measure.caught[1]} by this rule)" if measure.caught[1] < measure.caught[0] else ""),
        f"added delay {delay(measure)}",
    )
    partly = ", partly synthetic" if suggestion.evidence.synthetic else ""
    return one_line(f"{made}: {', '.join(figures)} (grade {suggestion.evidence.grade}{partly})")


def brief(note: str) -> str:
    """A :func:`note` without its figures, for the second and later rules of one suggestion."""
    return ": ".join(note.split(": ", 2)[:2])


def kept(measure: Measure) -> str:
    """``12/12``: of the targets that were caught before, those that still are; fewer by the changed rule itself in
    brackets, ``12/12 (3)``."""
    text = f"{measure.caught[0] - len(measure.lost)}/{measure.caught[0]}"
    return text if measure.caught[1] >= measure.caught[0] else f"{text} ({measure.caught[1]})"


def delay(measure: Measure) -> str:
    """``none`` or ``≤ 1m``."""
    return f"≤ {format_duration(measure.added_delay)}" if measure.added_delay > 0 else "none"


def number(value: float) -> str:
    """A count or an amount as people read it: whole from 100 on, else with one decimal where it has any."""
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.1f}"


def share(value: float) -> str:
    """0.934 → ``93%``; ``–`` where there is no figure."""
    return f"{value:.0%}" if isfinite(value) else "–"


def why(cluster: Cluster) -> str:
    """The figure that makes the cluster noise, as one sentence without a full stop."""
    facts = cluster.facts
    match cluster.pattern:
        case Pattern.FLAPPING:
            return f"{share(facts.flapping_share)} of its noise starts again within 10m of the last end"
        case Pattern.SHORT_LIVED:
            return f"half of its noise lasts {format_duration(facts.duration_median)} or less"
        case Pattern.STORM:
            return f"{share(facts.together_share)} of its noise starts within 2m of another series of the rule"
        case Pattern.NOISY_FEW:
            many = max(facts.series, facts.watched)
            return f"{share(facts.top_share)} of its noise comes from {max(1, many // 10)} of {many} series"
        case Pattern.CHRONIC:
            return f"it fires {share(facts.firing_share)} of the time"
        case Pattern.TIGHT_THRESHOLD:
            return f"half of its noise passes the threshold by {share(facts.margin)} or less"
        case Pattern.CASCADE | Pattern.DUPLICATE if cluster.companions:
            return _company(cluster)
        case Pattern.SEASONAL if facts.season is not None:
            return f"{share(facts.season.share)} of its noise starts {hours(facts.season)}"
        case Pattern.MISSING_DATA if facts.unseen_share >= facts.vanished_share:
            return f"{share(facts.unseen_share)} of its noise is there only while samples are missing"
        case Pattern.MISSING_DATA:
            return f"{share(facts.vanished_share)} of its noise ends as the series vanishes, and soon starts again"
        case Pattern.WITHOUT_SLO:
            return f"it watches a symptom of {facts.indicator}, and no rule pages for its error budget"
        case _:
            return f"{number(facts.per_week)} noisy firings a week, {number(facts.minutes)} minutes in all"


def hours(season: Season) -> str:
    """``from 02:00 to 04:00 UTC``, ``on Mondays from 02:00 to 04:00 UTC``."""
    day, first = divmod(season.begin, 24)
    last = (first + season.hours) % 24
    weekday = f"on {calendar.day_name[day]}s " if season.period > DAY else ""
    return f"{weekday}from {first:02d}:00 to {last:02d}:00 UTC"


def _company(cluster: Cluster) -> str:
    """What the companion does that gives the cluster its name."""
    wanted = Relation.DUPLICATE if cluster.pattern is Pattern.DUPLICATE else Relation.LEADS
    one = next(one for one in cluster.companions if one.relation is wanted)
    name = one.labels.get(ALERT_NAME, str(one.ref))
    if wanted is Relation.DUPLICATE:
        return f"{name} fires together with {share(one.share)} of its noise, and the other way round"
    lag = format_duration(round(abs(one.lag) / SECOND) * SECOND)
    return f"{name} fires {lag} before {share(one.share)} of its noise, {number(one.excess)} times what chance gives"


def counted(number: int, what: str) -> str:
    """``1 rule``, ``2 rules``."""
    return f"{number} {what}{'s' * (number != 1)}"


def _changes(old: Rule, new: Rule) -> Iterator[str]:
    if old.name != new.name:
        yield f"name {old.name} → {new.name}"
    if old.hold != new.hold:
        yield f"for {format_duration(old.hold)} → {format_duration(new.hold)}"
    if old.keep_firing_for != new.keep_firing_for:
        yield f"keep_firing_for {format_duration(old.keep_firing_for)} → {format_duration(new.keep_firing_for)}"
    yield from _pairs(old.labels, new.labels)
    if old.expr != new.expr:
        yield _expression(old.expr, new.expr)
    if old.annotations != new.annotations:
        yield "annotations"


def _pairs(old: Mapping[str, str], new: Mapping[str, str]) -> Iterator[str]:
    for name in sorted({*old, *new}):
        left, right = old.get(name, ""), new.get(name, "")
        if left and right and left != right:
            yield f"{name} {left} → {right}"
        elif left != right:
            yield f"+ {name} {right}" if right else f"− {name} {left}"


def _expression(old: str, new: str) -> str:
    with suppress(ValueError):  # what does not parse is shown as written
        old, new = canonical(old), canonical(new)
    left, right = tokens(old), tokens(new)
    start = 0
    while start < min(len(left), len(right)) and left[start].key == right[start].key:
        start += 1
    end = 0
    while end < min(len(left), len(right)) - start and left[-1 - end].key == right[-1 - end].key:
        end += 1
    if start and left[start - 1].key in _COMPARISONS:
        start -= 1
    before, after = left[start : len(left) - end], right[start : len(right) - end]
    if not before and not after:
        return "expression laid out anew"
    if before and after:
        was, now = _shown(old, before), _shown(new, after)
        if len(was) + len(now) > _LONG:
            was, now = _elided(old, before, new, after)
        return f"{was} → {now}" if len(was) + len(now) <= _LONGEST else REWRITTEN
    return f"+ {_shortened(new, after)}" if after else f"− {_shortened(old, before)}"


def _shortened(text: str, part: tuple[Token, ...]) -> str:
    """``part`` with its middle left out where it is too long: what it begins with and what it is compared with say
    most."""
    whole = _shown(text, part)
    if len(whole) <= _LONGEST:
        return whole
    first, last = 0, len(part)
    while first < len(part) and len(_shown(text, part[: first + 1])) <= _LONG:
        first += 1
    while last > first and len(_shown(text, part[last - 1 :])) <= _LONG // 2:
        last -= 1
    return " ".join(filter(None, (_shown(text, part[:first]), "…", _shown(text, part[last:]))))


def _elided(old: str, before: tuple[Token, ...], new: str, after: tuple[Token, ...]) -> tuple[str, str]:
    """Both sides with their longest common run shown as ``…``."""
    keys = [token.key for token in before], [token.key for token in after]
    run = SequenceMatcher(None, *keys, autojunk=False).find_longest_match()
    if run.size < 3:
        return _shown(old, before), _shown(new, after)
    sides = ((old, before, run.a), (new, after, run.b))
    was, now = (_shown(text, side[:at]) + "…" + _shown(text, side[at + run.size :]) for text, side, at in sides)
    return was, now


def _shown(text: str, part: tuple[Token, ...]) -> str:
    return " ".join(text[part[0].start : part[-1].end].split()) if part else ""
