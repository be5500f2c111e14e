"""One replay, in order: check, read, replay, show. The exit code guards a merge."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from rulegen.backtest import backtest
from rulegen.cli.history import Read, connection, read
from rulegen.cli.perform import tell
from rulegen.cli.progress import watching
from rulegen.cli.sources import Sources, check
from rulegen.core.alert import Episode
from rulegen.core.backtest import Backtest, Side
from rulegen.core.series import Samples
from rulegen.core.settings import Settings
from rulegen.core.spans import Grid
from rulegen.emit.backtest import as_json, show, total
from rulegen.errors import InputError
from rulegen.ingest.alertmanager import read_alertmanager
from rulegen.ingest.prometheus import ServerEngine, query_range, recorded_alerts
from rulegen.ingest.records import both
from rulegen.promql import Evaluator
from rulegen.replay.groups import Engine
from rulegen.replay.observed import ALERTS

FINE, FINDING = 0, 1
WIDE = 160  # columns where no terminal tells its own: names stay whole
SEEN_AT = 500  # times at which a server is asked whether it holds a recorded series


@dataclass(frozen=True, slots=True)
class Beside:
    """What the replay is set beside: a routing, recorded alerts, and the least share of them that is to be alike."""

    check_against: str = ""
    least_alike: float = 1.0


def perform(
    sources: Sources, settings: Settings, beside: Beside, form: str, limit: int, *, strict: bool, quiet: bool
) -> int:
    """Prints what the rules did, and gives the exit code. Raises RulegenError."""
    if form not in ("table", "json"):
        raise InputError(f"--format: {form!r} is neither table nor json")
    if beside.check_against not in ("", ALERTS):
        raise InputError(f"--check-against: {beside.check_against!r}: recorded alerts are the series {ALERTS}")
    if not 0 <= beside.least_alike <= 1:
        raise InputError(f"--least-alike: {beside.least_alike:g} is no share; give 0 to 1")
    check(sources, settings)
    if not (sources.rules or sources.prometheus):
        raise InputError("no rules to replay: give --rules PATH, or --prometheus URL for the rules of a server")
    routing = read_alertmanager(sources.alertmanager) if sources.alertmanager else None
    with watching(quiet) as progress:
        found = read(sources, progress)
        tell(found, strict)
        _some_alerting(sources, found)
        progress("replaying rules", 0, 1)
        recorded = _recorded(found, sources) if beside.check_against else None
        with engine_over(sources, found) as (engine, held):
            result = backtest(
                found.history,
                settings,
                other=found.compared if sources.compare else None,
                routing=routing,
                recorded=recorded,
                sent=sources.store is not None,
                engine=engine,
                held=held,
                interval=sources.interval if sources.engine == "local" else None,
                measured=found.measured,
            )
    result = replace(
        result,
        before=with_unread(result.before, found, sources.rules or (Path(sources.prometheus),)),
        after=result.after and with_unread(result.after, found, sources.compare),
    )
    if form == "json":
        print(as_json(result), end="")
    else:
        show(result, Console(highlight=False, width=None if sys.stdout.isatty() else WIDE), limit=limit)
        for doubt in found.doubts:
            print(f"doubt: {doubt}")
    return FINDING if _findings(result, beside) else FINE


def _some_alerting(sources: Sources, found: Read) -> None:
    """Raises InputError where nothing could fire; what can't be read is a finding of its own."""
    if not found.problems and not any(rule.kind == "alert" for _, _, rule in found.history.rules):
        where = ", ".join(map(str, sources.rules)) or sources.prometheus
        raise InputError(f"{where}: no alerting rule to replay")


def with_unread(side: Side, found: Read, paths: Iterable[Path]) -> Side:
    """With the rules of ``paths`` that could not be read: left out they would look like less noise."""
    names = [str(path) for path in paths]
    wrong = (
        one for one in found.problems if any(one.path == name or one.path.startswith(f"{name}/") for name in names)
    )
    unread = tuple((f"{one.path}:{one.line}", "cannot be read", one.message) for one in wrong)
    return replace(side, unscored=(*side.unscored, *unread))


Make = Callable[[frozenset[str]], Engine]


@contextmanager
def engine_over(sources: Sources, found: Read) -> Iterator[tuple[Make, frozenset[str]]]:
    """What evaluates without the series of some names, and the names whose series it has: rulegen's own engine over
    the samples that were read, or the server."""
    history = found.history
    if sources.engine == "local":
        held = history.samples.by_name

        def local(without: frozenset[str]) -> Engine:
            kept = Samples({name: some for name, some in held.items() if name not in without})
            return Evaluator(kept, semantics=history.semantics)

        yield local, frozenset(held)
        return
    with connection(sources) as conn:
        names = {
            rule.name for rules in (history.rules, found.compared) for _, _, rule in rules if rule.kind == "record"
        }
        step = max(sources.interval, history.span.length // SEEN_AT)
        grid = Grid(history.span.start, history.span.end, step)
        there = frozenset(name for name in sorted(names) if query_range(conn, f"count({name})", grid)[0])
        yield lambda without: ServerEngine(conn, without), there


def _recorded(found: Read, sources: Sources) -> tuple[Episode, ...]:
    """Alerts that a server recorded, from its own answer or from the series in a file, and what a store has beyond
    them. Raises InputError for none."""
    history = found.history
    episodes = history.episodes
    if not sources.prometheus:
        series = history.samples.by_name.get(ALERTS, ())
        episodes = both(recorded_alerts(series, history.span, sources.interval), episodes, sources.interval)
    if not episodes:
        beside = f", nor an alert of that time in {sources.store}" if sources.store else ""
        raise InputError(f"--check-against: no series {ALERTS} with alertstate firing in the history{beside}")
    return episodes


def _findings(result: Backtest, beside: Beside) -> bool:
    change, sides = result.comparison, [result.before, *([result.after] if result.after else [])]
    worse = change is not None and bool(change.lost or change.later)
    unlike = result.alike is not None and total(result.alike).share < beside.least_alike
    nothing = result.alike is not None and (not total(result.alike).episodes or bool(result.before.observed))
    return worse or unlike or nothing or any(side.unscored for side in sides)
