"""``rulegen query``: one expression over a range of time, answered as Prometheus would."""

from __future__ import annotations

from typing import Annotated

import typer

from rulegen.cli import options


def query(
    expr: Annotated[str, typer.Argument(help="PromQL.", metavar="EXPR")],
    prometheus: options.Prometheus = "",
    metrics: options.Metrics = None,
    start: options.Start = "",
    end: options.End = "",
    step: Annotated[str, typer.Option("--step", help="Time between two evaluations.", metavar="DURATION")] = "1m",
    range_semantics: options.RangeSemantics = "",
    token: options.Token = None,
    user: options.User = "",
    ca: options.Ca = "",
    timeout: options.Timeout = "30s",
    cache: options.CacheDir = None,
    no_cache: options.NoCache = False,
) -> None:
    """Evaluate an expression over a range of time; print JSON as /api/v1/query_range has it."""
    from rulegen.cli.querying import perform
    from rulegen.cli.sources import Sources
    from rulegen.cli.values import milliseconds, moment

    sources = Sources(
        prometheus=prometheus,
        metrics=metrics,
        start=moment("--start", start) if start else None,
        end=moment("--end", end) if end else None,
        semantics=range_semantics,
        token_file=token,
        user=user,
        ca=ca,
        timeout=milliseconds("--timeout", timeout, least=1),
        cache=cache,
        no_cache=no_cache,
    )
    perform(expr, sources, milliseconds("--step", step, least=1))
