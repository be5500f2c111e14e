"""``rulegen replay``: its options, and what they say as values."""

from __future__ import annotations

from typing import Annotated

import typer

from rulegen.cli.options import SERVER, Files, Judging, Quiet, Server, What, Where, opt

COMPARE = "What to set beside it"


def replay(
    where: Where,
    what: What,
    server: Server,
    judging: Judging,
    engine: Annotated[
        str, opt("--engine", "Who evaluates: rulegen, or the server.", SERVER, "local|prometheus")
    ] = "local",
    compare: Annotated[Files | None, opt("--compare", "Other rules; may be repeated.", COMPARE, "PATH")] = None,
    check_against: Annotated[
        str, opt("--check-against", "Recorded alerts to set beside the replay.", COMPARE, "ALERTS")
    ] = "",
    least_alike: Annotated[
        float, opt("--least-alike", "Share alike below which the exit code is 1.", COMPARE, "SHARE")
    ] = 1.0,
    form: Annotated[str, opt("--format", "How to print it.", None, "table|json")] = "table",
    firings: Annotated[int, opt("--firings", "Firings of each rule to show in the table.")] = 5,
    quiet: Quiet = False,
) -> None:
    """Replay rules over a history. Exit code 1: something caught is lost or late, not alike, or not replayed."""
    from dataclasses import replace

    from rulegen.cli import given
    from rulegen.cli.replaying import Beside, perform
    from rulegen.cli.values import number

    sources = replace(given.sources(where, server, what, judging), compare=tuple(compare or ()), engine=engine)
    beside = Beside(check_against, least_alike)
    limit = number("--firings", firings)
    raise typer.Exit(perform(sources, given.settings(judging), beside, form, limit, strict=what.strict, quiet=quiet))
