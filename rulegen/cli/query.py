"""``rulegen query``: one expression over a range of time, answered as Prometheus would."""

from __future__ import annotations

from typing import Annotated

import typer

from rulegen.cli.options import Server, Where, opt


def query(
    expr: Annotated[str, typer.Argument(help="PromQL.", metavar="EXPR")],
    where: Where,
    server: Server,
    step: Annotated[str, opt("--step", "Time between two evaluations.", None, "DURATION")] = "1m",
) -> None:
    """Evaluate an expression over a range of time; print JSON as /api/v1/query_range has it."""
    from rulegen.cli import given
    from rulegen.cli.querying import perform
    from rulegen.cli.values import milliseconds

    perform(expr, given.sources(where, server), milliseconds("--step", step, least=1))
