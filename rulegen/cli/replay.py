"""``rulegen replay``: its options, and what they say as values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulegen.cli.suggest import JUDGE, PAGES, READ, SERVER, Files, Texts, _opt

COMPARE = "What to set beside it"


def replay(
    prometheus: Annotated[str, _opt("--prometheus", "URL of a Prometheus-compatible API.", READ, "URL")] = "",
    metrics: Annotated[
        Path | None, _opt("--metrics", "OpenMetrics text with times; may be gzip.", READ, "FILE")
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
    compare: Annotated[Files | None, _opt("--compare", "Other rules; may be repeated.", COMPARE, "PATH")] = None,
    alertmanager: Annotated[
        Path | None, _opt("--alertmanager", "alertmanager.yml: count notifications.", COMPARE, "FILE")
    ] = None,
    check_against: Annotated[
        str, _opt("--check-against", "Recorded alerts to set beside the replay.", COMPARE, "ALERTS")
    ] = "",
    least_alike: Annotated[
        float, _opt("--least-alike", "Share alike below which the exit code is 1.", COMPARE, "SHARE")
    ] = 1.0,
    lead: Annotated[str, _opt("--lead", "A firing may precede its incident by this.", JUDGE, "DURATION")] = "15m",
    carry: Annotated[str, _opt("--carry", "Or by this, when it still holds.", JUDGE, "DURATION")] = "1h",
    grace: Annotated[str, _opt("--grace", "Around an incident nothing is noise.", JUDGE, "DURATION")] = "1m",
    allowed_delay: Annotated[
        str, _opt("--allowed-delay", "A catch may come later by this.", JUDGE, "DURATION")
    ] = "2m",
    burst_gap: Annotated[str, _opt("--burst-gap", "Closer firings are one burst.", JUDGE, "DURATION")] = "10m",
    page: Annotated[str, _opt("--page", "Which alerts page.", JUDGE, "MATCHERS")] = PAGES,
    form: Annotated[str, typer.Option("--format", help="How to print it.", metavar="table|json")] = "table",
    firings: Annotated[int, typer.Option("--firings", help="Firings of each rule to show in the table.")] = 5,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress on standard error.")] = False,
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
        rules=tuple(rules or ()),
        compare=tuple(compare or ()),
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
        page=page,
    )
    beside = Beside(alertmanager, check_against, least_alike)
    limit = number("--firings", firings)
    raise typer.Exit(perform(sources, settings, beside, form, limit, strict=strict, quiet=quiet))
