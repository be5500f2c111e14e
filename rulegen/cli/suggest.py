"""``rulegen suggest``: options in, history read, pipeline run, output written and shown."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rulegen.errors import InputError, Problem

if TYPE_CHECKING:
    from rulegen.cli.history import Sources
    from rulegen.core.settings import Settings
    from rulegen.desk import Propose
    from rulegen.propose.asking import AskingModel

READ, JUDGE, ASK = "What to read", "How to judge", "Who proposes"
SHOWN_PROBLEMS = 20


def _opt(flag: str, text: str, panel: str, metavar: str | None = None) -> typer.models.OptionInfo:
    option: typer.models.OptionInfo = typer.Option(flag, help=text, rich_help_panel=panel, metavar=metavar)
    return option


Files = list[Path]


def suggest(
    out: Annotated[Path, typer.Option("--out", help="Directory to write to.")],
    prometheus: Annotated[str, _opt("--prometheus", "URL of a Prometheus-compatible API.", READ, "URL")] = "",
    metrics: Annotated[Path | None, _opt("--metrics", "OpenMetrics text with times, plain or gzip.", READ)] = None,
    alerts: Annotated[
        Path | None, _opt("--alerts", "Alertmanager webhooks or /api/v2/alerts, JSON(L).", READ)
    ] = None,
    rules: Annotated[Files | None, _opt("--rules", "Rule file or directory; may be given again.", READ)] = None,
    incidents: Annotated[Path | None, _opt("--incidents", "CSV or YAML: id, start, end, labels.", READ)] = None,
    impact: Annotated[str, _opt("--impact", "PromQL that holds while something is really wrong.", READ, "EXPR")] = "",
    judged: Annotated[
        list[str] | None, _opt("--judged", "Time for which incidents were recorded.", READ, "START..END")
    ] = None,
    since: Annotated[str, _opt("--since", "How far back, before --end.", READ, "DURATION")] = "",
    start: Annotated[str, _opt("--start", "First time: Unix seconds or RFC 3339.", READ, "TIME")] = "",
    end: Annotated[str, _opt("--end", "Last time (now, or the end of the file).", READ, "TIME")] = "",
    range_semantics: Annotated[
        str, _opt("--range-semantics", "Windows open (Prometheus 3) or closed (2) on the left.", READ, "open|closed")
    ] = "",
    interval: Annotated[
        str, _opt("--interval", "Evaluation interval of groups without one.", READ, "DURATION")
    ] = "1m",
    strict: Annotated[bool, _opt("--strict", "Stop at the first bad item of the input.", READ)] = False,
    token: Annotated[str, _opt("--token-file", "File with a bearer token.", READ, "FILE")] = "",
    user: Annotated[str, _opt("--user", "User for basic auth.", READ)] = "",
    ca: Annotated[str, _opt("--ca", "File with the certificates to trust.", READ, "FILE")] = "",
    timeout: Annotated[str, _opt("--timeout", "Longest wait for one answer.", READ, "DURATION")] = "30s",
    lead: Annotated[str, _opt("--lead", "A firing may precede its incident by this.", JUDGE, "DURATION")] = "15m",
    carry: Annotated[str, _opt("--carry", "Or by this, when it still holds.", JUDGE, "DURATION")] = "1h",
    grace: Annotated[str, _opt("--grace", "Around an incident nothing is noise.", JUDGE, "DURATION")] = "1m",
    allowed_delay: Annotated[
        str, _opt("--allowed-delay", "A catch may come later by this.", JUDGE, "DURATION")
    ] = "2m",
    burst_gap: Annotated[str, _opt("--burst-gap", "Closer firings are one burst.", JUDGE, "DURATION")] = "10m",
    ignore_shorter_than: Annotated[
        str, _opt("--ignore-shorter-than", "Bursts over within this may go silent.", JUDGE, "DURATION")
    ] = "0s",
    group_by: Annotated[
        str, _opt("--group-by", "Labels that make one notification group.", JUDGE, "LABELS")
    ] = "alertname",
    page: Annotated[
        str, _opt("--page", 'Which alerts page. [default: severity=~"page|critical|"]', JUDGE, "MATCHERS")
    ] = "",
    protect: Annotated[
        list[str] | None, _opt("--protect", "Rules never to touch; may be given again.", JUDGE, "MATCHERS")
    ] = None,
    demote: Annotated[
        bool, typer.Option("--demote/--no-demote", help="May a page become a ticket?", rich_help_panel=JUDGE)
    ] = True,
    allow_losing_lucky: Annotated[
        bool, _opt("--allow-losing-lucky", "Catches no better than chance may be lost.", JUDGE)
    ] = False,
    proposer: Annotated[str, _opt("--proposer", "Who proposes changes.", ASK, "search|model")] = "search",
    model: Annotated[Path | None, _opt("--model", "GGUF file; giving it is your consent to use it.", ASK)] = None,
    samples: Annotated[int, _opt("--samples", "Questions to the model for each cluster.", ASK)] = 8,
    seed: Annotated[int, _opt("--seed", "For everything that is drawn.", ASK)] = 0,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and only the table.")] = False,
) -> None:
    """Read a team's alert history; write the rule changes that a replay of it proved."""
    from rulegen.cli.history import Sources
    from rulegen.core.settings import PAGES, Settings

    sources = Sources(
        prometheus=prometheus,
        metrics=metrics,
        alerts=alerts,
        rules=tuple(rules or ()),
        incidents=incidents,
        impact=impact,
        judged=tuple(judged or ()),
        since=since,
        start=start,
        end=end,
        semantics=range_semantics,
        interval=milliseconds("--interval", interval),
        token_file=token,
        user=user,
        ca=ca,
        timeout=milliseconds("--timeout", timeout),
    )
    settings = Settings(
        lead=milliseconds("--lead", lead),
        carry=milliseconds("--carry", carry),
        grace=milliseconds("--grace", grace),
        allowed_delay=milliseconds("--allowed-delay", allowed_delay),
        burst_gap=milliseconds("--burst-gap", burst_gap),
        ignore_shorter_than=milliseconds("--ignore-shorter-than", ignore_shorter_than),
        group_by=tuple(name.strip() for name in group_by.split(",") if name.strip()),
        page=page or PAGES,
        protect=tuple(protect or ()),
        demote=demote,
        lose_lucky=allow_losing_lucky,
        seed=seed,
    )
    run(sources, settings, out, proposer, model, samples, strict=strict, quiet=quiet)


def demo(
    out: Annotated[Path, typer.Option("--out", help="Directory to write to.")] = Path("out"),
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, and only the table.")] = False,
) -> None:
    """Run ``suggest`` on the history that ships with rulegen: three noisy weeks of a small shop."""
    from rulegen.cli.history import Sources
    from rulegen.core.settings import Settings
    from rulegen.shipped import shipped

    home = shipped("datasets/demo")
    sources = Sources(metrics=home / "metrics.om.gz", rules=(home / "rules.yml",), incidents=home / "incidents.csv")
    run(sources, Settings(), out, "search", None, 0, strict=False, quiet=quiet)


def run(
    sources: Sources,
    settings: Settings,
    out: Path,
    proposer: str,
    model: Path | None,
    samples: int,
    *,
    strict: bool,
    quiet: bool,
) -> None:
    """Reads, suggests, writes, shows. Raises RulegenError."""
    from rich.console import Console

    from rulegen.cli.history import read
    from rulegen.cli.progress import watching
    from rulegen.emit.output import output
    from rulegen.emit.terminal import show
    from rulegen.emit.writer import check, write
    from rulegen.pipeline import suggest as find

    check(out)
    propose, asking, who = _proposer(proposer, model, samples, settings)
    with watching(quiet) as progress:
        found = read(sources, progress)
        _tell(found.problems, strict)
        report = find(found.history, settings, propose, progress, interval=sources.interval)
    if asking is not None:
        report = replace(report, doubts=(*report.doubts, *asking.notes))
    written = output(report, found.sources, [str(path) for path in sources.rules])
    write(out, written.files)
    show(report, written, Console(highlight=False), limit=0 if quiet else 10)
    print(f"\n{who}\nWritten to {out}: rules/, suggestions.json, candidates.jsonl.gz")


def milliseconds(option: str, text: str) -> int:
    """An option's duration in ms. Raises InputError that names the option."""
    from rulegen.core.durations import parse_duration

    try:
        return parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def _proposer(
    name: str, path: Path | None, samples: int, settings: Settings
) -> tuple[Propose, AskingModel | None, str]:
    from rulegen.core.candidate import Proposal
    from rulegen.core.cluster import Cluster
    from rulegen.propose.search import enumerate_proposals
    from rulegen.templates import TEMPLATES

    templates = [one for one in TEMPLATES if settings.demote or one.change != "demotion"]

    def search(cluster: Cluster) -> list[Proposal]:
        return list(enumerate_proposals(cluster, templates))

    if name == "search":
        if path is not None:
            raise InputError("--model is only used with --proposer model")
        return search, None, "Proposed by search over the templates: no default model ships yet (--proposer model)."
    if name != "model":
        raise InputError(f"--proposer: {name!r} is neither search nor model")
    if path is None:
        raise InputError("--proposer model: no default model ships yet; name a GGUF file with --model")
    from rulegen.propose.asking import AskingModel
    from rulegen.propose.llama import load

    if samples < 1:
        raise InputError("--samples: ask the model at least once")
    asking = AskingModel(load(path, threads=2, context=4096), templates, samples, settings.seed)
    return asking, asking, f"Proposed by {path.name}, asked {samples} times for each cluster."


def _tell(problems: tuple[Problem, ...], strict: bool) -> None:
    """Bad items among good ones: named up to a point, counted, and with ``strict`` the end."""
    if strict and problems:
        raise InputError(*map(str, problems))
    for problem in problems[:SHOWN_PROBLEMS]:
        typer.echo(f"rulegen: {problem}", err=True)
    if len(problems) > SHOWN_PROBLEMS:
        typer.echo(f"rulegen: … and {len(problems) - SHOWN_PROBLEMS} more problems in the input", err=True)
