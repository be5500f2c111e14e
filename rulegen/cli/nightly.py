"""``rulegen nightly``: its options, and what they say as values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rulegen.cli.options import Hosting, Judging, Out, Quiet, Requesting, Server, Suggesting, What, Where, opt

NIGHT = "What to keep and to tell"


def nightly(
    out: Out,
    where: Where,
    what: What,
    server: Server,
    judging: Judging,
    suggesting: Suggesting,
    hosting: Hosting,
    requesting: Requesting,
    state: Annotated[
        Path | None, opt("--state", "What is remembered (~/.local/state/rulegen/state.sqlite).", NIGHT, "FILE")
    ] = None,
    wait: Annotated[str, opt("--wait", "For another run to end; then leave.", NIGHT, "DURATION")] = "0s",
    metrics_file: Annotated[
        Path | None, opt("--metrics-file", "For the node exporter's textfile collector.", NIGHT, "FILE.prom")
    ] = None,
    pushgateway: Annotated[str, opt("--pushgateway", "Where to push metrics to.", NIGHT, "URL")] = "",
    pr: Annotated[bool, opt("--pr", "Open and update requests to merge.", NIGHT)] = False,
    shadow: Annotated[bool, opt("--shadow", "New rules beside the old ones, paging nobody.", NIGHT)] = False,
    log_format: Annotated[str, opt("--log-format", "Of what goes to standard error.", NIGHT, "text|json")] = "text",
    quiet: Quiet = False,
) -> None:
    """Look at what is new: suggest, look back at what was merged, remember, and tell how it went."""
    from dataclasses import replace

    from rulegen.cli import given, log
    from rulegen.cli.overnight import Ask, Told, perform, state_file
    from rulegen.cli.requesting import plan_of
    from rulegen.cli.values import milliseconds, resource_of
    from rulegen.core.durations import SECOND
    from rulegen.errors import InputError

    log.choose(log_format)
    sources = replace(
        given.sources(where, server, what, judging),
        alerts=suggesting.alerts,
        rule_tests=tuple(suggesting.rule_tests or ()),
    )
    if pr and shadow:
        raise InputError("--pr and --shadow: a shadow is not for a request; merge it by hand, or leave one out")
    plan = plan_of(requesting.tests_dir, requesting.batch, requesting.max_open, requesting.author, dry=False)
    ask = Ask(hosting.repo, hosting.remote, hosting.forge, hosting.base, plan) if pr else None
    night = Told(state or state_file(), milliseconds("--wait", wait) / SECOND, metrics_file, pushgateway, ask)
    perform(
        sources,
        given.settings(judging, suggesting),
        given.asked(suggesting),
        out,
        night,
        resource=resource_of(suggesting.form, suggesting.namespace),
        strict=what.strict,
        quiet=quiet,
        shadow=shadow,
    )
