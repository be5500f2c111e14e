"""One replay, in order: check, read, replay, show. The exit code guards a merge."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from rulegen.backtest import backtest
from rulegen.cli.history import Read, connection, read
from rulegen.cli.perform import tell
from rulegen.cli.progress import watching
from rulegen.cli.sources import Sources, check
from rulegen.core.alert import Episode
from rulegen.core.backtest import Backtest
from rulegen.core.settings import Settings
from rulegen.emit.backtest import as_json, show, total
from rulegen.errors import InputError
from rulegen.ingest.alertmanager import read_alertmanager
from rulegen.ingest.prometheus import ServerEngine, recorded_alerts
from rulegen.promql import Evaluator
from rulegen.replay.groups import Engine
from rulegen.replay.observed import ALERTS

FINE, FINDING = 0, 1


@dataclass(frozen=True, slots=True)
class Beside:
    """What the replay is set beside: a routing, recorded alerts, and the least share of them that is to be alike."""

    alertmanager: Path | None = None
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
    routing = read_alertmanager(beside.alertmanager) if beside.alertmanager else None
    with watching(quiet) as progress:
        found = read(sources, progress)
        tell(found, strict)
        progress("replaying rules", 0, 1)
        recorded = _recorded(found, sources) if beside.check_against else None
        with _engine(sources, found) as engine:
            result = backtest(
                found.history,
                settings,
                other=found.compared if sources.compare else None,
                routing=routing,
                recorded=recorded,
                engine=engine,
            )
    if form == "json":
        print(as_json(result), end="")
    else:
        show(result, Console(highlight=False), limit=limit)
        for doubt in found.doubts:
            print(f"doubt: {doubt}")
    return FINDING if _findings(result, beside) else FINE


@contextmanager
def _engine(sources: Sources, found: Read) -> Iterator[Engine]:
    """Rulegen's own over the samples that were read, or the server's."""
    history = found.history
    if sources.engine == "local":
        yield Evaluator(history.samples, semantics=history.semantics)
        return
    with connection(sources) as conn:
        yield ServerEngine(conn)


def _recorded(found: Read, sources: Sources) -> tuple[Episode, ...]:
    """Alerts that a server recorded, from its own answer or from the series in a file. Raises InputError for none."""
    history = found.history
    episodes = history.episodes
    if not sources.prometheus:
        episodes = recorded_alerts(history.samples.by_name.get(ALERTS, ()), history.span, sources.interval)
    if not episodes:
        raise InputError(f"--check-against: no series {ALERTS} with alertstate firing in the history")
    return episodes


def _findings(result: Backtest, beside: Beside) -> bool:
    change, sides = result.comparison, [result.before, *([result.after] if result.after else [])]
    worse = change is not None and bool(change.lost or change.later)
    unlike = result.alike is not None and total(result.alike).share < beside.least_alike
    return worse or unlike or any(side.unscored for side in sides)
