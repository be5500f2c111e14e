"""What a change of rules would have done, as the comment on the request that makes it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count

from rulegen.core.backtest import Backtest, Comparison, RuleReplay, Side
from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule
from rulegen.emit.expression import same
from rulegen.emit.markdown import ROOM, clipped, code, fitted, plain, table
from rulegen.emit.times import time_text
from rulegen.emit.words import change, counted, number

LIMIT = 50  # rules and targets each that are listed; the rest is counted
WHAT = ("lost", "late", "noisier", "unread")  # what can be found about a change

Key = tuple[str, str, str, int]  # path, group, name, and which of that name


@dataclass(frozen=True, slots=True)
class Reviewed:
    """``found`` compares the rules at the commit ``base`` with those at ``head``; ``folders`` are where each side's
    files lay while they were read, and ``doubts`` what the evidence can't say."""

    found: Backtest
    base: str
    head: str
    folders: tuple[str, str]
    doubts: tuple[str, ...] = ()

    @property
    def findings(self) -> frozenset[str]:
        """Those of ``WHAT`` that hold."""
        change = self.comparison
        held = (change.lost, change.later, _noisier(change), self.unread)
        return frozenset(word for word, one in zip(WHAT, held, strict=True) if one)

    @property
    def comparison(self) -> Comparison:
        assert self.found.comparison is not None, "two sets of rules were compared"
        return self.found.comparison

    @property
    def unread(self) -> tuple[tuple[str, str, str], ...]:
        """(where, rule, why) of what can't be judged with the change, and could before."""
        before, after = (_unscored(side, folder) for side, folder in zip(self.sides, self.folders, strict=True))
        known = {(rule, why) for _, rule, why in before}
        return tuple(one for one in after if one[1:] not in known)

    @property
    def sides(self) -> tuple[Side, Side]:
        assert self.found.after is not None, "two sets of rules were compared"
        return self.found.before, self.found.after


def review(one: Reviewed) -> str:
    """The whole comment, in Markdown; names and texts of rules are quoted, since anybody may have written them."""
    end = list(_end(one))
    room = ROOM - sum(len(line) + 1 for line in end)
    return "\n".join([*fitted(_lines(one), room), *end]).rstrip() + "\n"


def _lines(one: Reviewed) -> Iterator[str]:
    found, change = one.found, one.comparison
    what = "incident" if found.mode == "incidents" else "burst"
    yield f"### What these rules would have done, {time_text(found.span.start)} to {time_text(found.span.end)}"
    yield ""
    weeks = found.weeks or 1.0
    pages, minutes = (
        f"{number(old / weeks)} → {number(new / weeks)} a week" for old, new in (change.pages, change.minutes)
    )
    beside = counted(found.targets, what)
    yield f"Pages for nothing: **{pages}**, paging minutes for nothing: **{minutes}**, over {beside}."
    yield ""
    yield from _targets(one)
    yield from _rules(one)
    yield from _notified(found)
    if unread := one.unread:
        yield f"**{counted(len(unread), 'rule')} of this change could not be judged:**"
        yield ""
        for where, rule, why in unread[:LIMIT]:
            yield f"- {code(where)} {plain(clipped(rule, 200))}: {plain(clipped(why, 500))}"
        yield from _more(len(unread))
        yield ""


def _end(one: Reviewed) -> Iterator[str]:
    yield f"<sub>`rulegen review` of {one.base[:12]} → {one.head[:12]}: both replayed over the same history."
    if one.found.mode != "incidents":
        yield "No incidents were given: a burst of pages as the rules are stands for one."
    yield from fitted((plain(clipped(doubt, 500)) for doubt in one.doubts), ROOM // 4)
    yield "</sub>"


def _targets(one: Reviewed) -> Iterator[str]:
    change = one.comparison
    later, sooner = (
        [f"{_id(name)} by {format_duration(by)}" for name, by in each] for each in (change.later, change.sooner)
    )
    parts = (
        ("no longer caught", [_id(name) for name in change.lost], "**"),
        ("caught later", later, "**"),
        ("caught sooner", sooner, ""),
        ("newly caught", [_id(name) for name in change.gained], ""),
    )
    for words, names, loud in parts:
        if names:
            shown = ", ".join(names[:LIMIT]) + (f" and {len(names) - LIMIT} more" if len(names) > LIMIT else "")
            yield f"- {loud}{len(names)} {words}{loud}: {shown}"
    if not (change.lost or change.later):
        yield "Nothing that was caught is lost or caught too late."
    yield ""


def _id(target: str) -> str:
    return plain(clipped(target, 100))


def _rules(one: Reviewed) -> Iterator[str]:
    before, after = (_keyed(side, folder) for side, folder in zip(one.sides, one.folders, strict=True))
    keys = [key for key in dict.fromkeys((*before, *after)) if _differs(before.get(key), after.get(key))]
    if not keys:
        yield "No alerting rule fires otherwise than before."
        yield ""
        return
    nothing = "for nothing" if one.found.mode == "incidents" else "paging"
    heads = ("rule", "change", "firings", nothing, "caught")
    yield from table(heads, (_row(key, before.get(key), after.get(key)) for key in keys[:LIMIT]))
    yield from _more(len(keys))
    yield ""


def _row(key: Key, old: RuleReplay | None, new: RuleReplay | None) -> tuple[str, ...]:
    path, _, name, _ = key
    words = "new" if old is None else "removed" if new is None else _change(old.rule, new.rule)
    figures = (
        tuple("–" if side is None else str(figure(side)) for side in (old, new)) for figure in (_fired, _noise, _hits)
    )
    return (f"{plain(clipped(name, 200))} ({code(path)})", words, *(" → ".join(pair) for pair in figures))


def _change(old: Rule, new: Rule) -> str:
    return plain(clipped(change(old, (new,)), 300)) or "what it reads"


def _fired(one: RuleReplay) -> int:
    return len(one.firings)


def _noise(one: RuleReplay) -> int:
    """Firings for nothing; where all are, since no incidents are known, those that page."""
    counted = one.words.count("for nothing")
    return counted or sum(word not in ("silent", "caught", "near", "unjudged") for word in one.words)


def _hits(one: RuleReplay) -> int:
    return len(one.caught)


def _keyed(side: Side, folder: str) -> dict[Key, RuleReplay]:
    found: dict[Key, RuleReplay] = {}
    for one in side.rules:
        key = (_within(one.ref.path, folder), one.ref.group, one.rule.name)
        found[next((*key, n) for n in count() if (*key, n) not in found)] = one
    return found


def _differs(old: RuleReplay | None, new: RuleReplay | None) -> bool:
    if old is None or new is None:
        return True
    alike = same(old.rule.expr, new.rule.expr) and _but_expression(old.rule) == _but_expression(new.rule)
    return not alike or old.words != new.words or old.caught != new.caught


def _but_expression(rule: Rule) -> tuple[object, ...]:
    return rule.hold, rule.keep_firing_for, rule.labels, rule.annotations


def _notified(found: Backtest) -> Iterator[str]:
    sides: tuple[Mapping[str, Sequence[int]], ...] = (
        found.before.notified,
        found.after.notified if found.after is not None else {},
    )
    receivers: Collection[str] = sorted(set().union(*sides))
    if receivers:
        rows = ((plain(one), *(str(sum(side.get(one, ()))) for side in sides)) for one in receivers)
        yield from table(("receiver", "notifications", "with this change"), rows)
        yield ""


def _noisier(change: Comparison) -> bool:
    return any(new > old for old, new in (change.pages, change.minutes))


def _unscored(side: Side, folder: str) -> tuple[tuple[str, str, str], ...]:
    return tuple((_within(at, folder), rule, why.replace(f"{folder}/", "")) for at, rule, why in side.unscored)


def _within(path: str, folder: str) -> str:
    return path.removeprefix(f"{folder}/")


def _more(total: int) -> Iterator[str]:
    if total > LIMIT:
        yield ""
        yield f"… and {total - LIMIT} more"
