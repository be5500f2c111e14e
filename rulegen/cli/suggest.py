"""``rulegen suggest``: its options, and what they say as values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

READ, SERVER, JUDGE, ASK = "What to read", "How to ask the server", "How to judge", "Who proposes"
PAGES = 'severity=~"page|critical|"'  # Settings' own; said here again, since --help imports nothing


def _opt(flag: str, text: str, panel: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=text, rich_help_panel=panel, metavar=metavar)
    return option


Files = list[Path]
Texts = list[str]


def suggest(
    out: Annotated[Path, typer.Option("--out", help="Directory to write to.", metavar="DIR")],
    prometheus: Annotated[str, _opt("--prometheus", "URL of a Prometheus-compatible API.", READ, "URL")] = "",
    metrics: Annotated[
        Path | None, _opt("--metrics", "OpenMetrics text with times; may be gzip.", READ, "FILE")
    ] = None,
    alerts: Annotated[
        Path | None, _opt("--alerts", "Alertmanager webhooks or /api/v2/alerts, JSON(L).", READ, "FILE")
    ] = None,
    rules: Annotated[Files | None, _opt("--rules", "Rule file or directory; may be repeated.", READ, "PATH")] = None,
    incidents: Annotated[
        Path | None, _opt("--incidents", "CSV or YAML: id, start, end, labels.", READ, "FILE")
    ] = None,
    impact: Annotated[str, _opt("--impact", "PromQL that holds while something is wrong.", READ, "EXPR")] = "",
    judged: Annotated[
        Texts | None, _opt("--judged", "Time for which incidents were recorded.", READ, "START..END")
    ] = None,
    since: Annotated[str, _opt("--since", "How far back, before --end.", READ, "DURATION")] = "",
    start: Annotated[str, _opt("--start", "First time: Unix seconds or RFC 3339.", READ, "TIME")] = "",
    end: Annotated[str, _opt("--end", "Last time (now, or the end of the file).", READ, "TIME")] = "",
    interval: Annotated[str, _opt("--interval", "Evaluation interval where none is given.", READ, "DURATION")] = "1m",
    range_semantics: Annotated[
        str, _opt("--range-semantics", "Left end of windows: Prometheus 3 open, 2 closed.", READ, "open|closed")
    ] = "",
    strict: Annotated[bool, _opt("--strict", "Bad items of the input are fatal.", READ)] = False,
    token: Annotated[Path | None, _opt("--token-file", "File with a bearer token.", SERVER, "FILE")] = None,
    user: Annotated[str, _opt("--user", "Basic auth; password in RULEGEN_PROMETHEUS_PASSWORD.", SERVER, "NAME")] = "",
    ca: Annotated[str, _opt("--ca", "PEM file with the authorities to trust.", SERVER, "FILE")] = "",
    timeout: Annotated[str, _opt("--timeout", "Longest wait for one answer.", SERVER, "DURATION")] = "30s",
    lead: Annotated[str, _opt("--lead", "A firing may precede its incident by this.", JUDGE, "DURATION")] = "15m",
    carry: Annotated[str, _opt("--carry", "Or by this, when it still holds.", JUDGE, "DURATION")] = "1h",
    grace: Annotated[str, _opt("--grace", "Around an incident nothing is noise.", JUDGE, "DURATION")] = "1m",
    allowed_delay: Annotated[
        str, _opt("--allowed-delay", "A catch may come later by this.", JUDGE, "DURATION")
    ] = "2m",
    burst_gap: Annotated[str, _opt("--burst-gap", "Closer firings are one burst.", JUDGE, "DURATION")] = "10m",
    ignore_shorter_than: Annotated[
        str, _opt("--ignore-shorter-than", "Shorter bursts may go silent.", JUDGE, "DURATION")
    ] = "0s",
    group_by: Annotated[str, _opt("--group-by", "What makes one notification group.", JUDGE, "LABELS")] = "alertname",
    page: Annotated[str, _opt("--page", "Which alerts page.", JUDGE, "MATCHERS")] = PAGES,
    protect: Annotated[
        Texts | None, _opt("--protect", "Rules never to touch; repeatable.", JUDGE, "MATCHERS")
    ] = None,
    demote: Annotated[
        bool, typer.Option("--demote/--no-demote", help="May a page become a ticket?", rich_help_panel=JUDGE)
    ] = True,
    allow_losing_lucky: Annotated[
        bool, _opt("--allow-losing-lucky", "Catches no better than chance may be lost.", JUDGE)
    ] = False,
    proposer: Annotated[str, _opt("--proposer", "Who proposes changes.", ASK, "search|model")] = "search",
    model: Annotated[Path | None, _opt("--model", "GGUF file; giving it is your consent to it.", ASK, "FILE")] = None,
    samples: Annotated[int, _opt("--samples", "Questions to the model a cluster.", ASK, "N")] = 8,
    seed: Annotated[int, _opt("--seed", "For everything that is drawn.", ASK, "N")] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")] = False,
) -> None:
    """Read a team's alert history; write the rule changes that a replay of it proved."""
    from rulegen.cli.perform import perform
    from rulegen.cli.proposer import Asked
    from rulegen.cli.sources import Sources
    from rulegen.cli.values import label_names, milliseconds, moment, number, time_span
    from rulegen.core.durations import SECOND
    from rulegen.core.settings import Settings

    sources = Sources(
        prometheus=prometheus,
        metrics=metrics,
        alerts=alerts,
        rules=tuple(rules or ()),
        incidents=incidents,
        impact=impact,
        judged=tuple(time_span("--judged", text) for text in judged or ()),
        since=milliseconds("--since", since, least=SECOND) if since else None,
        start=moment("--start", start) if start else None,
        end=moment("--end", end) if end else None,
        semantics=range_semantics,
        interval=milliseconds("--interval", interval, least=SECOND),
        token_file=token,
        user=user,
        ca=ca,
        timeout=milliseconds("--timeout", timeout, least=1),
    )
    settings = Settings(
        lead=milliseconds("--lead", lead),
        carry=milliseconds("--carry", carry),
        grace=milliseconds("--grace", grace),
        allowed_delay=milliseconds("--allowed-delay", allowed_delay),
        burst_gap=milliseconds("--burst-gap", burst_gap),
        ignore_shorter_than=milliseconds("--ignore-shorter-than", ignore_shorter_than),
        group_by=label_names("--group-by", group_by),
        page=page,
        protect=tuple(protect or ()),
        demote=demote,
        lose_lucky=allow_losing_lucky,
        seed=number("--seed", seed),
    )
    asked = Asked(proposer, model, number("--samples", samples, least=1))
    perform(sources, settings, asked, out, strict=strict, quiet=quiet)
