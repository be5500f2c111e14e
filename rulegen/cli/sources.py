"""What a run reads, as the user named it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.emit.output import RULES, TESTS
from rulegen.errors import InputError, UnsupportedError
from rulegen.promql import ExpressionError, selectors
from rulegen.score.paging import matching


@dataclass(frozen=True, slots=True)
class Sources:
    """Files, a server, and the time wanted of them. ``start``, ``end`` and ``judged`` are ms since the epoch,
    ``since``, ``interval`` and ``timeout`` ms; None is "not given". ``token_file`` holds a bearer token."""

    prometheus: str = ""
    metrics: Path | None = None
    alerts: Path | None = None
    store: Path | None = None  # of `rulegen listen`
    rules: tuple[Path, ...] = ()
    compare: tuple[Path, ...] = ()  # rules to set beside those
    rule_tests: tuple[Path, ...] = ()  # promtool's unit tests of the rules
    incidents: Path | None = None
    alertmanager: Path | None = None
    impact: str = ""
    judged: tuple[Span, ...] = ()
    since: int | None = None
    start: int | None = None
    end: int | None = None
    semantics: str = ""
    interval: int = MINUTE
    engine: str = "local"  # or "prometheus": the server evaluates
    token_file: Path | None = None
    user: str = ""
    ca: str = ""
    timeout: int = 30 * SECOND
    cache: Path | None = None  # None: the user's own, see history.cache_directory
    no_cache: bool = False


def about_server(sources: Sources) -> Iterator[str]:
    """What contradicts itself among the options about a server."""
    if not sources.prometheus and (sources.token_file or sources.user or sources.ca or sources.cache):
        yield "--token-file, --user, --ca and --cache are for a server: give --prometheus URL"
    if sources.token_file and sources.user:
        yield "--token-file and --user are two ways to log in: give one"
    if sources.cache and sources.no_cache:
        yield "--cache and --no-cache contradict each other: give one"


def check(sources: Sources, settings: Settings) -> None:
    """What can be seen to be wrong before the long work starts.

    Raises InputError for options that contradict each other and for texts that do not parse.
    """
    if wrong := tuple(_contradictions(sources)):
        raise InputError(*wrong)
    _matchers(settings)
    if sources.impact:
        _impact(sources.impact)


def files(sources: Sources) -> tuple[Path, ...]:
    """The files that ``sources`` name, directories of rules among them."""
    given = (sources.metrics, sources.alerts, sources.store, sources.incidents, sources.alertmanager, *sources.rules)
    return tuple(path for path in given if path is not None)


def apart(paths: Collection[Path], out: Path) -> None:
    """Raises InputError when one of ``paths`` lies where the rules or tests of this run will stand."""
    for folder in (RULES, TESTS):
        replaced = (out / folder).resolve()
        for path in paths:
            if path.resolve().is_relative_to(replaced):
                raise InputError(
                    f"{path}: lies in {out / folder}, which this run writes anew; name another place for --out"
                )


def _contradictions(sources: Sources) -> Iterator[str]:
    server, files = sources.prometheus, sources.metrics or sources.alerts or sources.store
    if not (server or files):
        yield "nothing to read: give --prometheus URL, --metrics FILE, --alerts FILE or --store FILE"
    if server and sources.metrics:
        yield "--prometheus already brings metrics: leave out --metrics"
    if sources.alerts and sources.store:
        yield "--alerts and --store are two records of alerts: give one (rulegen push puts the first into the second)"
    if sources.metrics and not sources.rules:
        yield "--metrics needs --rules: without rules there is nothing to replay"
    if sources.incidents and sources.impact:
        yield "--incidents and --impact both say what was wrong: give one"
    if sources.judged and not sources.incidents:
        yield "--judged says for which time --incidents was kept: give both"
    if sources.impact and not (server or sources.metrics):
        yield "--impact needs metrics: give --prometheus or --metrics"
    if sources.since is not None and sources.start is not None:
        yield "--since and --start both say where to begin: give one"
    if sources.start is not None and sources.end is not None and sources.end <= sources.start:
        yield "--end must come after --start"
    if sources.engine not in ("local", "prometheus"):
        yield f"--engine: {sources.engine!r} is neither local nor prometheus"
    if sources.engine == "prometheus" and not server:
        yield "--engine prometheus needs --prometheus URL"
    yield from about_server(sources)
    if sources.semantics not in ("", "open", "closed"):
        yield f"--range-semantics: {sources.semantics!r} is neither open nor closed"


def _matchers(settings: Settings) -> None:
    for option, text in (("--page", settings.page), *(("--protect", text) for text in settings.protect)):
        if not text.strip():
            raise InputError(f'{option}: no matcher; write it as severity="page"')
        if text.strip().startswith("{"):
            raise InputError(f"{option} {text}: leave out the braces")
        matching(text, option)


def _impact(expr: str) -> None:
    try:
        found = selectors(expr)
    except (ExpressionError, UnsupportedError) as error:
        raise InputError(f"--impact: {error}") from None
    if not found:
        raise InputError(f"--impact: {expr} reads no series; give a comparison that holds while something is wrong")
