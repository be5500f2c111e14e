"""What ``rulegen replay`` says: tables for people, JSON for machines."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from statistics import median
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rulegen.core.backtest import Alike, Backtest, RuleReplay, Side
from rulegen.core.durations import WEEK, format_duration
from rulegen.core.labels import ALERT_NAME
from rulegen.emit.times import time_text
from rulegen.emit.words import counted, one_line


def as_json(found: Backtest) -> str:
    """One document, sorted as the rules stand in their files; times RFC 3339, durations in seconds."""
    return json.dumps(_document(found), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def _document(found: Backtest) -> dict[str, Any]:
    document: dict[str, Any] = {
        "start": time_text(found.span.start),
        "end": time_text(found.span.end),
        "mode": found.mode,
        "targets": found.targets,
        "weeks": round(found.weeks, 6),
        **_side(found.before),
    }
    if found.after is not None and found.comparison is not None:
        change = found.comparison
        document["compared"] = _side(found.after)
        document["change"] = {
            "lost": list(change.lost),
            "later": [{"id": name, "by": by / 1000} for name, by in change.later],
            "sooner": [{"id": name, "by": by / 1000} for name, by in change.sooner],
            "gained": list(change.gained),
            "pages": list(change.pages),
            "minutes": [round(one, 3) for one in change.minutes],
        }
    if found.alike is not None:
        every = total(found.alike)
        document["alike"] = {
            "share": round(every.share, 6),
            "rules": [
                {"rule": one.rule, "both": one.both, "recorded": one.recorded, "replayed": one.replayed}
                for one in found.alike
            ],
        }
    return document


def _side(side: Side) -> dict[str, Any]:
    return {
        "rules": [_rule(one, "alerts" if one.ref in side.observed else "metrics") for one in side.rules],
        "unmatched": [{"at": at, "rule": rule} for at, rule in side.unmatched],
        "unscored": [{"at": at, "rule": rule, "why": why} for at, rule, why in side.unscored],
        "notifications": {receiver: list(weeks) for receiver, weeks in side.notified.items()},
    }


def _rule(one: RuleReplay, grade: str) -> dict[str, Any]:
    firings = one.firings
    columns = (firings.series, firings.since, firings.start, firings.end)
    rows = zip(*(column.tolist() for column in columns), strict=True)
    return {
        "rule": one.rule.name,
        "at": f"{one.ref.path}:{one.rule.line}",
        "group": one.ref.group,
        "grade": grade,
        "firings": [
            {
                "labels": dict(firings.labels[row]),
                "pending": time_text(since),
                "start": time_text(start),
                "end": time_text(end),
                "verdict": word,
            }
            for (row, since, start, end), word in zip(rows, one.words, strict=True)
        ],
        "caught": list(one.caught),
        "first": list(one.first),
        "alone": list(one.alone),
        "delays": [delay / 1000 for delay in one.delays],
        "resets": [reset / 1000 for reset in one.resets],
    }


def total(alike: Sequence[Alike]) -> Alike:
    """All rules together."""
    return Alike(
        "all rules", *(sum(getattr(one, part) for one in alike) for part in ("both", "recorded", "replayed"))
    )


def show(found: Backtest, console: Console, *, limit: int) -> None:
    """Prints tables: by rule, what changes, notifications, what was recorded, and the first ``limit`` firings of each
    rule (0: none). Names are never read as markup, and carry no control characters."""
    what = "incidents" if found.mode == "incidents" else "bursts that paged"
    console.print(
        Text(
            f"{time_text(found.span.start)} to {time_text(found.span.end)}, "
            f"{counted(len(found.before.rules), 'alerting rule')}, {found.targets} {what}"
        )
    )
    console.print(_by_rule(found, found.before))
    if found.after is not None:
        console.print(Text("\nThe other rules:", "bold"))
        console.print(_by_rule(found, found.after))
        _change(found, console)
    if found.before.notified:
        console.print(_notifications(found))
    if found.alike is not None:
        console.print(_alike(found.alike))
    for one in found.before.rules if limit else ():
        _firings(one, console, limit)
    for side in (found.before, *([found.after] if found.after else [])):
        _unknown(side, console)


def _unknown(side: Side, console: Console) -> None:
    """What of the rules was not replayed from samples, and why."""
    if names := [one.rule.name for one in side.rules if one.ref in side.observed]:
        told = (
            f"no samples of what they read, so replayed from their recorded alerts (grade alerts): {_listed(names)}"
        )
        console.print(Text(told), soft_wrap=True)
    if side.unmatched:
        told = f"nothing that they read is in the history: {_listed([name for _, name in side.unmatched])}"
        console.print(Text(told), soft_wrap=True)
    for at, rule, why in side.unscored:
        console.print(Text(f"{at}: {rule}: not replayed: {one_line(why)}", "red"), soft_wrap=True)


def _listed(names: Sequence[str]) -> str:
    return f"{one_line(', '.join(names))} ({counted(len(names), 'rule')})"


def _table(*columns: str) -> Table:
    """Figures to the right, names to the left and whole where there is room."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in columns:
        named = name in ("rule", "receiver", "beside ALERTS")
        table.add_column(name, justify="left" if named else "right", overflow="fold", no_wrap=not named)
    return table


def _by_rule(found: Backtest, side: Side) -> Table:
    names = Counter(one.rule.name for one in side.rules)
    twice = frozenset(name for name, count in names.items() if count > 1)
    if found.mode != "incidents":
        table = _table("firings", "paging", "bursts first", "alone", "rule")
        for one in _noisiest(side):
            paging = sum(word != "silent" for word in one.words)
            table.add_row(*_cells(one, twice, paging, len(one.first), len(one.alone)))
        return table
    columns = ("firings", "caught", "for\nnothing", "un-\njudged", "incidents:\nfirst, alone", "delay", "reset")
    table = _table(*columns, "rule")
    for one in _noisiest(side):
        counts = [one.words.count(word) for word in ("caught", "for nothing", "unjudged")]
        incidents = f"{len(one.caught)}: {len(one.first)}, {len(one.alone)}"
        table.add_row(*_cells(one, twice, *counts, incidents, _median(one.delays), _median(one.resets)))
    return table


def _noisiest(side: Side) -> Iterator[RuleReplay]:
    """Rules that fired, by firings for nothing, then firings."""
    fired = (one for one in side.rules if len(one.firings))
    yield from sorted(fired, key=lambda one: (-one.words.count("for nothing"), -len(one.firings), one.rule.name))


def _cells(one: RuleReplay, twice: Collection[str], *figures: object) -> tuple[Text | str, ...]:
    """The figures, and the rule; of several with one name also where it stands."""
    place = f"{one.ref.path.rsplit('/', 1)[-1]}:{one.rule.line}"
    where = f" ({one.ref.group}, {place})" if one.rule.name in twice else ""
    return (str(len(one.firings)), *map(str, figures), Text(one_line(f"{one.rule.name}{where}")))


def _median(times: Sequence[int]) -> str:
    return format_duration(round(median(times) / 1000) * 1000) if times else "–"


def _change(found: Backtest, console: Console) -> None:
    change = found.comparison
    assert change is not None
    weeks = found.weeks or 1.0
    pages, minutes = (f"{old / weeks:.1f} → {new / weeks:.1f}" for old, new in (change.pages, change.minutes))
    console.print(Text(f"\nnoise a week: pages {pages}, paging minutes {minutes}", "bold"))
    for name, some, style in (("lost", change.lost, "red"), ("gained", change.gained, "green")):
        if some:
            console.print(Text(f"{name}: {one_line(', '.join(some))}", style), soft_wrap=True)
    for name, moved, style in (("later", change.later, "red"), ("sooner", change.sooner, "green")):
        if moved:
            listed = ", ".join(f"{one_line(one)} by {format_duration(by)}" for one, by in moved)
            console.print(Text(f"{name}: {listed}", style), soft_wrap=True)
    if not (change.lost or change.later):
        console.print(Text("nothing that was caught is lost or caught too late"))


def _notifications(found: Backtest) -> Table:
    columns = ["receiver", "notifications", "a week", *(["other rules", "a week"] if found.after else [])]
    table = _table(*columns)
    weeks = max(found.span.length / WEEK, 1e-9)
    sides = [found.before.notified, *([found.after.notified] if found.after else [])]
    for receiver in sorted(set().union(*sides)):
        row: list[str] = []
        for side in sides:
            count = sum(side.get(receiver, ()))
            row += [str(count), f"{count / weeks:.1f}"]
        table.add_row(Text(one_line(receiver)), *row)
    return table


def _alike(alike: Sequence[Alike]) -> Table:
    table = _table("beside ALERTS", "alike", "recorded only", "replayed only", "share alike")
    for one in [one for one in alike if one.episodes] + [total(alike)]:
        share = f"{one.share:.1%}" if one.episodes else "nothing to compare"
        table.add_row(Text(one_line(one.rule)), str(one.both), str(one.recorded), str(one.replayed), share)
    return table


def _firings(one: RuleReplay, console: Console, limit: int) -> None:
    firings = one.firings
    if not len(firings):
        return
    console.print(Text(f"\n{one_line(one.rule.name)}", "bold"))
    for k in range(min(limit, len(firings))):
        labels = firings.labels[int(firings.series[k])].drop((ALERT_NAME,))
        pending, start, end = (time_text(int(times[k])) for times in (firings.since, firings.start, firings.end))
        waited = f" (pending {pending})" if pending != start else ""
        line = f"  {start} to {end}{waited}  {one.words[k]}  {one_line(str(labels))}"
        console.print(Text(line), soft_wrap=True)
    if len(firings) > limit:
        console.print(Text(f"  … and {len(firings) - limit} more (--firings says how many to show)"))
