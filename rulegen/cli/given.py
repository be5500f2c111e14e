"""What a command's groups of options say, as values. Raises InputError for a value that can't be read."""

from __future__ import annotations

from rulegen.cli.options import Judging, Server, Suggesting, What, Where
from rulegen.cli.proposer import Asked
from rulegen.cli.sources import Sources
from rulegen.cli.values import label_names, milliseconds, moment, number, time_span
from rulegen.core.durations import SECOND
from rulegen.core.settings import Settings


def sources(where: Where, server: Server, what: What | None = None, judging: Judging | None = None) -> Sources:
    """What to read: of a command without rules ``what`` and ``judging`` are None."""
    what = what or What()
    return Sources(
        prometheus=where.prometheus,
        metrics=where.metrics,
        store=what.store,
        rules=tuple(what.rules or ()),
        incidents=what.incidents,
        alertmanager=judging.alertmanager if judging else None,
        impact=what.impact,
        judged=tuple(time_span("--judged", text) for text in what.judged or ()),
        since=milliseconds("--since", what.since, least=SECOND) if what.since else None,
        start=moment("--start", where.start) if where.start else None,
        end=moment("--end", where.end) if where.end else None,
        semantics=where.range_semantics,
        interval=milliseconds("--interval", what.interval, least=SECOND),
        token_file=server.token_file,
        user=server.user,
        ca=str(server.ca or ""),
        timeout=milliseconds("--timeout", server.timeout, least=1),
        cache=server.cache,
        no_cache=server.no_cache,
    )


def settings(judging: Judging, suggesting: Suggesting | None = None, *, lose_lucky: bool = False) -> Settings:
    """How to judge: of a command that makes no suggestions ``suggesting`` is None."""
    more = suggesting or Suggesting()
    return Settings(
        lead=milliseconds("--lead", judging.lead),
        carry=milliseconds("--carry", judging.carry),
        grace=milliseconds("--grace", judging.grace),
        allowed_delay=milliseconds("--allowed-delay", judging.allowed_delay),
        burst_gap=milliseconds("--burst-gap", judging.burst_gap),
        ignore_shorter_than=milliseconds("--ignore-shorter-than", more.ignore_shorter_than),
        group_by=label_names("--group-by", more.group_by),
        page=judging.page,
        protect=tuple(more.protect or ()),
        demote=more.demote,
        lose_lucky=lose_lucky,
        seed=number("--seed", more.seed),
    )


def asked(suggesting: Suggesting) -> Asked:
    """Who proposes. Raises InputError for a number that can't be."""
    return Asked(
        suggesting.proposer,
        suggesting.model,
        number("--samples", suggesting.samples, least=1),
        number("--rounds", suggesting.rounds),
        number("--polish", suggesting.polish),
        url=suggesting.model_url,
        model_name=suggesting.model_name,
        prompt=suggesting.prompt,
        timeout=milliseconds("--model-timeout", suggesting.model_timeout, least=1),
        free_form=suggesting.free_form,
        allow_unverified=suggesting.allow_unverified,
        deadline=milliseconds("--deadline", suggesting.deadline, least=SECOND) if suggesting.deadline else None,
    )
