"""``rulegen replay``: rules → firings → judged → compared. The one place to read the order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from rulegen.core.alert import Episode
from rulegen.core.backtest import Alike, Backtest, Side
from rulegen.core.history import History
from rulegen.core.labels import Labels
from rulegen.core.notification import sent
from rulegen.core.outcome import Firings
from rulegen.core.routing import Routing
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.errors import UnsupportedError
from rulegen.promql import Evaluator, ExpressionError, selectors
from rulegen.replay import observed
from rulegen.replay.groups import Engine, Replayed, replay_groups
from rulegen.replay.notify import by_week, notify
from rulegen.replay.reads import blind, reads_alerts
from rulegen.replay.recorded import fixed_labels
from rulegen.replay.standin import StoodIn, stood_in
from rulegen.score.catches import alike, compared, judged, keyed
from rulegen.score.judge import Judge
from rulegen.score.paging import matching
from rulegen.score.targets import bursts, incidents

Fired = tuple[RuleRef, Rule, Firings]


@dataclass(frozen=True, slots=True, eq=False)
class _Replay:
    fired: tuple[Fired, ...]
    unscored: tuple[tuple[str, str, str], ...]
    observed: frozenset[RuleRef] = frozenset()
    unmatched: tuple[tuple[str, str], ...] = ()


def backtest(
    history: History,
    settings: Settings,
    *,
    other: RuleSet | None = None,
    routing: Routing | None = None,
    recorded: Iterable[Episode] | None = None,
    sent: bool = False,
    engine: Callable[[frozenset[str]], Engine],
    held: frozenset[str],
    interval: int | None = None,
    measured: bool = True,
) -> Backtest:
    """Replays the history's rules; with ``other`` also those, and says what changes from the first to the second.

    ``routing`` turns firings into notifications, ``recorded`` are alerts that Prometheus recorded, to set beside;
    with ``sent`` some are as it sent them, with labels more, and those that no rule can have made are others'.
    ``engine`` gives what evaluates (rulegen's own over the history's samples, or a server) without the series of some
    names, ``held`` are the names whose series it has: they are the truth, unless ``other`` changes a recording rule
    that made them. A rule none of whose series the history has is replayed from its recorded alerts, taken to have
    been evaluated every ``interval`` ms, as far as those can tell; None where a server evaluates, which has series
    that the history lacks. ``measured`` is false where nobody looked for series: a rule that reads some, and of
    which no alert was recorded, is not replayed then. Raises InputError for settings that can't be read.
    """
    before = _replayed(history, history.rules, engine(frozenset()), held, interval, measured)
    after = None
    if other is not None:
        anew = rerecorded(history.rules, other)
        after = _replayed(history, other, engine(anew), held - anew, interval, measured)
    judge = _judge(history, settings, before)
    return Backtest(
        history.span,
        "bursts" if history.record is None else "incidents",
        int(judge.shown.sum()),
        sum(one.length for one in judge.judged) / (7 * 86_400_000),
        _side(judge, before, routing, history.span),
        None if after is None else _side(judge, after, routing, history.span),
        None if after is None else compared(judge, before.fired, after.fired),
        None if recorded is None else _alike(before, recorded, history.span, sent),
    )


def _replayed(
    history: History,
    rules: RuleSet,
    engine: Engine,
    held: frozenset[str],
    interval: int | None,
    measured: bool,
) -> _Replay:
    ran = replay_groups(rules, engine, history.span, known=held)
    if interval is None:
        return _read_off(ran, StoodIn())
    stood = stood_in(history, rules, _unseen(ran), interval, measured=measured)
    if stood.fired and any(reads_alerts(rule) for _, _, rule in rules):
        # What reads alerts is to see those that were recorded, where nothing else tells of them.
        names = {rule.name for rule, _ in stood.fired.values()}
        there = {one.labels for one in history.samples.by_name.get(observed.ALERTS, ())}
        series = observed.series((one for one in history.episodes if one.name in names), interval)
        more = engine.with_series(one for one in series if one.labels not in there)
        rest = {ref for ref, _, _ in rules} - stood.fired.keys()
        ran = replay_groups(rules, more, history.span, known=held, wanted=rest)
        stood = stood.among(_unseen(ran) | stood.fired.keys())
    return _read_off(ran, stood)


def _unseen(ran: Replayed) -> set[RuleRef]:
    """The alerting rules none of whose series are there."""
    assert isinstance(ran.engine, Evaluator)
    samples = ran.engine.samples
    return {one.ref for one in ran.results if one.firings is not None and blind(one.rule, samples)}


def _read_off(ran: Replayed, stood: StoodIn) -> _Replay:
    results = {one.ref: one for one in ran.results}
    fired = {ref: (one.rule, one.firings) for ref, one in results.items() if one.firings is not None}
    why = {ref: (one.rule, one.error) for ref, one in results.items() if one.error} | stood.why
    fired = {ref: one for ref, one in {**fired, **stood.fired}.items() if ref not in why}
    order = [*results, *(ref for ref in stood.fired if ref not in results)]
    return _Replay(
        tuple((ref, *fired[ref]) for ref in order if ref in fired),
        tuple((f"{ref.path}:{why[ref][0].line}", why[ref][0].name, why[ref][1]) for ref in order if ref in why),
        frozenset(stood.fired),
        tuple((f"{ref.path}:{rule.line}", rule.name) for ref, rule in stood.unmatched.items()),
    )


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
    return Side(judged(judge, replay.fired), replay.unscored, notified, replay.observed, replay.unmatched)


def _alike(before: _Replay, recorded: Iterable[Episode], span: Span, sent: bool) -> tuple[Alike, ...]:
    """Without the rules that were replayed from recorded alerts: those would be set beside themselves."""
    mine = [one for one in before.fired if one[0] not in before.observed]
    left_out = {rule.name for ref, rule, _ in before.fired if ref in before.observed}
    if not sent:
        return alike(mine, _by_name(one for one in recorded if one.name not in left_out), span)
    fixed: dict[str, list[Labels]] = {}
    for _, rule, _ in mine:
        fixed.setdefault(rule.name, []).append(Labels(fixed_labels(rule)))
    wanted = (one for one in recorded if any(one.labels.keep(some) == some for some in fixed.get(one.name, ())))
    return alike(mine, _by_name(wanted), span, sent=True)


def _by_name(episodes: Iterable[Episode]) -> dict[str, dict[Labels, list[Span]]]:
    found: dict[str, dict[Labels, list[Span]]] = {}
    for one in episodes:
        found.setdefault(one.name, {}).setdefault(one.labels, []).append(one.span)
    return found
