"""``rulegen suggest``: its options, and what they say as values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulegen.cli import options


def suggest(
    out: Annotated[Path, typer.Option("--out", help="Directory to write to.", metavar="DIR")],
    prometheus: options.Prometheus = "",
    metrics: options.Metrics = None,
    alerts: Annotated[
        Path | None,
        options.opt("--alerts", "Alertmanager webhooks or /api/v2/alerts, JSON(L).", options.READ, "FILE"),
    ] = None,
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
    token: options.Token = None,
    user: options.User = "",
    ca: options.Ca = "",
    timeout: options.Timeout = "30s",
    cache: options.CacheDir = None,
    no_cache: options.NoCache = False,
    lead: options.Lead = "15m",
    carry: options.Carry = "1h",
    grace: options.Grace = "1m",
    allowed_delay: options.AllowedDelay = "2m",
    burst_gap: options.BurstGap = "10m",
    ignore_shorter_than: Annotated[
        str, options.opt("--ignore-shorter-than", "Shorter bursts may go silent.", options.JUDGE, "DURATION")
    ] = "0s",
    group_by: Annotated[
        str, options.opt("--group-by", "What makes one notification group.", options.JUDGE, "LABELS")
    ] = "alertname",
    page: options.Page = options.PAGES,
    protect: Annotated[
        options.Texts | None, options.opt("--protect", "Rules never to touch; repeatable.", options.JUDGE, "MATCHERS")
    ] = None,
    demote: Annotated[
        bool, options.opt("--demote/--no-demote", "May pages become tickets, be muted, or go?", options.JUDGE)
    ] = True,
    allow_losing_lucky: Annotated[
        bool, options.opt("--allow-losing-lucky", "Catches no better than chance may be lost.", options.JUDGE)
    ] = False,
    proposer: Annotated[
        str, options.opt("--proposer", "Who proposes changes.", options.ASK, "search|model")
    ] = "search",
    model: Annotated[
        str, options.opt("--model", "GGUF file; giving it is your consent to it.", options.ASK, "FILE|NAME")
    ] = "",
    allow_unverified: Annotated[
        bool, options.opt("--allow-unverified", "Use a model that differs from its pin.", options.ASK)
    ] = False,
    model_url: Annotated[
        str, options.opt("--model-url", "Or a model behind an OpenAI-compatible API.", options.ASK, "URL")
    ] = "",
    model_name: Annotated[
        str, options.opt("--model-name", "Which of its models; the first.", options.ASK, "NAME")
    ] = "",
    model_timeout: Annotated[
        str, options.opt("--model-timeout", "Longest wait for one answer.", options.ASK, "DURATION")
    ] = "2m",
    prompt: Annotated[
        str, options.opt("--prompt", "Wording of the questions.", options.ASK, "auto|terse|explained")
    ] = "auto",
    samples: Annotated[int, options.opt("--samples", "Proposals asked for in a round.", options.ASK, "N")] = 8,
    rounds: Annotated[int, options.opt("--rounds", "More rounds, told the verdicts.", options.ASK, "N")] = 1,
    polish: Annotated[int, options.opt("--polish", "Most numbers tried around the best.", options.ASK, "N")] = 12,
    deadline: Annotated[
        str, options.opt("--deadline", "For the whole run; noisy rules come first.", options.ASK, "DURATION")
    ] = "",
    seed: Annotated[int, options.opt("--seed", "For everything that is drawn.", options.ASK, "N")] = 0,
    alertmanager: options.Alertmanager = None,
    rule_tests: Annotated[
        options.Files | None,
        options.opt("--rule-tests", "promtool's unit tests of the rules; file or directory.", options.READ, "PATH"),
    ] = None,
    form: Annotated[
        str,
        options.opt("--format", "Rule files as they came, or resources.", options.WRITE, "plain|prometheusrule"),
    ] = "plain",
    namespace: Annotated[
        str, options.opt("--namespace", "Namespace of those resources.", options.WRITE, "NAME")
    ] = "",
    quiet: options.Quiet = False,
) -> None:
    """Read a team's alert history; write the rule changes that a replay of it proved."""
    from rulegen.cli.perform import perform
    from rulegen.cli.proposer import Asked
    from rulegen.cli.sources import Sources
    from rulegen.cli.values import label_names, milliseconds, moment, number, resource_of, time_span
    from rulegen.core.durations import SECOND
    from rulegen.core.settings import Settings

    sources = Sources(
        prometheus=prometheus,
        metrics=metrics,
        alerts=alerts,
        store=store,
        rules=tuple(rules or ()),
        incidents=incidents,
        alertmanager=alertmanager,
        rule_tests=tuple(rule_tests or ()),
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
        cache=cache,
        no_cache=no_cache,
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
    asked = Asked(
        proposer,
        model,
        number("--samples", samples, least=1),
        number("--rounds", rounds),
        number("--polish", polish),
        url=model_url,
        model_name=model_name,
        prompt=prompt,
        timeout=milliseconds("--model-timeout", model_timeout, least=1),
        allow_unverified=allow_unverified,
        deadline=milliseconds("--deadline", deadline, least=SECOND) if deadline else None,
    )
    resource = resource_of(form, namespace)
    perform(sources, settings, asked, out, resource=resource, strict=strict, quiet=quiet)
