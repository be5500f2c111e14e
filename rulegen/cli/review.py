"""``rulegen review``: its options."""

from __future__ import annotations

from typing import Annotated

import typer

from rulegen.cli.options import Hosting, Judging, Quiet, Server, What, Where, opt

REVIEW = "What to review"


def review(
    where: Where,
    what: What,
    server: Server,
    judging: Judging,
    hosting: Hosting,
    head: Annotated[str, opt("--head", "The change.", REVIEW, "COMMIT")] = "HEAD",
    request: Annotated[int, opt("--request", "Comment on that pull or merge request.", REVIEW, "NUMBER")] = 0,
    fail_on: Annotated[
        str, opt("--fail-on", "Exit code 1: any of lost, late, noisier, unread; or none.", REVIEW, "WORDS")
    ] = "lost,late,unread",
    quiet: Quiet = False,
) -> None:
    """Say what a change of rules would have done: --base and --head replayed over one history."""
    from rulegen.cli import given
    from rulegen.cli.reviewing import Change, perform

    sources = given.sources(where, server, what, judging)
    change = Change(hosting.repo, hosting.remote, hosting.forge, hosting.base, head, request)
    raise typer.Exit(perform(sources, given.settings(judging), change, fail_on, strict=what.strict, quiet=quiet))
