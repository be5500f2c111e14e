"""``rulegen replay``: its options, and what they say as values."""

from __future__ import annotations

from typing import Annotated

import typer

from rulegen.cli import options
from rulegen.cli.options import PAGES, SERVER, Files, opt

COMPARE = "What to set beside it"


def replay(
    prometheus: options.Prometheus = "",
    metrics: options.Metrics = None,
    store: options.Store = None,
    rules: options.Rules = None,
    incidents: options.Incidents = None,
    impact: options.Impact = "",
    judged: options.Judged = None,
    since: options.Since = "",
    start: options.Start = "",
    end: options.End = "",
    interval: options.Interval = "1m",
    range_semantics: options.RangeSemantics = "",
    strict: options.Strict = False,
    engine: Annotated[
        str, opt("--engine", "Who evaluates: rulegen, or the server.", SERVER, "local|prometheus")
    ] = "local",
    token: options.Token = None,
    user: options.User = "",
    ca: options.Ca = "",
    timeout: options.Timeout = "30s",
    cache: options.CacheDir = None,
    no_cache: options.NoCache = False,
    compare: Annotated[Files | None, opt("--compare", "Other rules; may be repeated.", COMPARE, "PATH")] = None,
    alertmanager: options.Alertmanager = None,
    check_against: Annotated[
        str, opt("--check-against", "Recorded alerts to set beside the replay.", COMPARE, "ALERTS")
    ] = "",
    least_alike: Annotated[
        float, opt("--least-alike", "Share alike below which the exit code is 1.", COMPARE, "SHARE")
    ] = 1.0,
    lead: options.Lead = "15m",
    carry: options.Carry = "1h",
    grace: options.Grace = "1m",
    allowed_delay: options.AllowedDelay = "2m",
    burst_gap: options.BurstGap = "10m",
    page: options.Page = PAGES,
    form: Annotated[str, typer.Option("--format", help="How to print it.", metavar="table|json")] = "table",
    firings: Annotated[int, typer.Option("--firings", help="Firings of each rule to show in the table.")] = 5,
    quiet: options.Quiet = False,
) -> None:
    """Replay rules over a history. Exit code 1: something caught is lost or late, not alike, or not replayed."""
    from rulegen.cli.replaying import Beside, perform
    from rulegen.cli.sources import Sources
    from rulegen.cli.values import milliseconds, moment, number, time_span
    from rulegen.core.durations import SECOND
    from rulegen.core.settings import Settings

    sources = Sources(
        prometheus=prometheus,
        metrics=metrics,
        store=store,
        rules=tuple(rules or ()),
        compare=tuple(compare or ()),
        incidents=incidents,
        alertmanager=alertmanager,
        impact=impact,
        judged=tuple(time_span("--judged", text) for text in judged or ()),
        since=milliseconds("--since", since, least=SECOND) if since else None,
        start=moment("--start", start) if start else None,
        end=moment("--end", end) if end else None,
        semantics=range_semantics,
        engine=engine,
        interval=milliseconds("--interval", interval, least=SECOND),
        token_file=token,
        user=user,
        ca=ca,
        timeout=milliseconds("--timeout", timeout, least=1),
        cache=cache,
        no_cache=no_cache,
    )
    settings = Settings(
        lead=milliseconds("--lead", lead),
        carry=milliseconds("--carry", carry),
        grace=milliseconds("--grace", grace),
        allowed_delay=milliseconds("--allowed-delay", allowed_delay),
        burst_gap=milliseconds("--burst-gap", burst_gap),
        page=page,
    )
    beside = Beside(check_against, least_alike)
    limit = number("--firings", firings)
    raise typer.Exit(perform(sources, settings, beside, form, limit, strict=strict, quiet=quiet))
