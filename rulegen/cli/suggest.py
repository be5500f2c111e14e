"""``rulegen suggest``: its options, and what they say as values."""

from __future__ import annotations

from typing import Annotated

from rulegen.cli.options import JUDGE, Judging, Out, Quiet, Server, Suggesting, What, Where, opt


def suggest(
    out: Out,
    where: Where,
    what: What,
    server: Server,
    judging: Judging,
    suggesting: Suggesting,
    allow_losing_lucky: Annotated[
        bool, opt("--allow-losing-lucky", "Catches no better than chance may be lost.", JUDGE)
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Read a team's alert history; write the rule changes that a replay of it proved."""
    from dataclasses import replace

    from rulegen.cli import given
    from rulegen.cli.perform import perform
    from rulegen.cli.values import resource_of

    sources = replace(
        given.sources(where, server, what, judging),
        alerts=suggesting.alerts,
        rule_tests=tuple(suggesting.rule_tests or ()),
    )
    settings = given.settings(judging, suggesting, lose_lucky=allow_losing_lucky)
    resource = resource_of(suggesting.form, suggesting.namespace)
    perform(sources, settings, given.asked(suggesting), out, resource=resource, strict=what.strict, quiet=quiet)
