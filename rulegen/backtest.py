"""``rulegen replay``: rules → firings → judged → compared. The one place to read the order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rulegen.core.alert import Episode
from rulegen.core.backtest import Backtest, Side
from rulegen.core.history import History
from rulegen.core.labels import Labels
from rulegen.core.notification import sent
from rulegen.core.outcome import Firings
from rulegen.core.routing import Routing
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.errors import UnsupportedError
from rulegen.promql import ExpressionError, selectors
from rulegen.replay.groups import Engine, replay_groups
from rulegen.replay.notify import by_week, notify
from rulegen.score.catches import alike, compared, judged, keyed
from rulegen.score.judge import Judge
from rulegen.score.paging import matching
from rulegen.score.targets import bursts, incidents

Fired = tuple[RuleRef, Rule, Firings]


@dataclass(frozen=True, slots=True, eq=False)
class _Replay:
    fired: tuple[Fired, ...]
    unscored: tuple[tuple[str, str, str], ...]


def backtest(
    history: History,
    settings: Settings,
    *,
    other: RuleSet | None = None,
    routing: Routing | None = None,
    recorded: Iterable[Episode] | None = None,
    engine: Callable[[frozenset[str]], Engine],
    held: frozenset[str],
) -> Backtest:
    """Replays the history's rules; with ``other`` also those, and says what changes from the first to the second.

    ``routing`` turns firings into notifications, ``recorded`` are alerts that Prometheus recorded, to set beside.
    ``engine`` gives what evaluates (rulegen's own over the history's samples, or a server) without the series of some
    names, ``held`` are the names whose series it has: they are the truth, unless ``other`` changes a recording rule
    that made them. Raises InputError for settings that can't be read.
    """
    before = _replayed(history.rules, engine(frozenset()), history.span, held)
    after = None
    if other is not None:
        anew = rerecorded(history.rules, other)
        after = _replayed(other, engine(anew), history.span, held - anew)
    judge = _judge(history, settings, before)
    return Backtest(
        history.span,
        "bursts" if history.record is None else "incidents",
        int(judge.shown.sum()),
        sum(one.length for one in judge.judged) / (7 * 86_400_000),
        _side(judge, before, routing, history.span),
        None if after is None else _side(judge, after, routing, history.span),
        None if after is None else compared(judge, before.fired, after.fired),
        None if recorded is None else alike(before.fired, _by_name(recorded), history.span),
    )


def _replayed(rules: RuleSet, engine: Engine, span: Span, known: frozenset[str]) -> _Replay:
    results = replay_groups(rules, engine, span, known=known).results
    fired = tuple((one.ref, one.rule, one.firings) for one in results if one.firings is not None)
    unscored = tuple((f"{one.ref.path}:{one.rule.line}", one.rule.name, one.error) for one in results if one.error)
    return _Replay(fired, unscored)


def rerecorded(old: RuleSet, new: RuleSet) -> frozenset[str]:
    """The names that rules of ``new`` record otherwise than ``old`` did: by another rule, or from such a name."""
    rules = [rule for _, _, rule in new if rule.kind == "record"]
    changed = {rule.name for rule in rules if _recording(old, rule.name) != _recording(new, rule.name)}
    changed |= {rule.name for _, _, rule in old if rule.kind == "record"} - {rule.name for rule in rules}
    while True:
        more = {rule.name for rule in rules if rule.name not in changed and _reads(rule, changed)}
        if not more:
            return frozenset(changed)
        changed |= more


def _recording(rules: RuleSet, name: str) -> list[tuple[str, Labels, int, int]]:
    return [
        (rule.expr, rule.labels, group.interval, group.query_offset)
        for _, group, rule in rules
        if rule.kind == "record" and rule.name == name
    ]


def _reads(rule: Rule, names: set[str]) -> bool:
    try:
        return any(one.name is None or one.name in names for one in selectors(rule.expr)) and bool(names)
    except (ExpressionError, UnsupportedError):
        return False  # replaying it gives the reason


def _judge(history: History, settings: Settings, before: _Replay) -> Judge:
    """Targets are the incidents, or the bursts of the rules as they are."""
    pages, record = matching(settings.page, "--page"), history.record
    targets = bursts(keyed(before.fired), pages, settings) if record is None else incidents(record)
    spans = (history.span,) if record is None else record.judged
    return Judge(targets, spans, history.span, pages, settings, all_pages_are_noise=record is None)


def _side(judge: Judge, replay: _Replay, routing: Routing | None, span: Span) -> Side:
    notified: dict[str, tuple[int, ...]] = {}
    if routing is not None and replay.fired:
        notifications = notify(routing, sent([firings for _, _, firings in replay.fired]))
        counts = by_week(notifications, span.start, span.end)
        notified = {receiver: tuple(row.tolist()) for receiver, row in counts.items()}
    return Side(judged(judge, replay.fired), replay.unscored, notified)


def _by_name(episodes: Iterable[Episode]) -> dict[str, dict[Labels, list[Span]]]:
    found: dict[str, dict[Labels, list[Span]]] = {}
    for one in episodes:
        found.setdefault(one.name, {}).setdefault(one.labels, []).append(one.span)
    return found
