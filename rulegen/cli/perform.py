"""One run, in order: check, read, suggest, write, show."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from rulegen.batch.shadow import shadow_label, shadowed
from rulegen.cli.history import Read, read
from rulegen.cli.log import say
from rulegen.cli.progress import watching
from rulegen.cli.proposer import Asked, Proposer, proposer
from rulegen.cli.proposer import check as check_proposer
from rulegen.cli.sources import Sources, apart, files
from rulegen.cli.sources import check as check_sources
from rulegen.core.deadline import ENDLESS, Clock, Deadline
from rulegen.core.durations import SECOND
from rulegen.core.exhibit import Shown
from rulegen.core.outcome import Report
from rulegen.core.routing import Routing
from rulegen.core.settings import Settings
from rulegen.core.source import RoutingSource
from rulegen.desk import Desk, Progress
from rulegen.emit.alertmanager import FRAGMENT, added, fragment, spliced
from rulegen.emit.output import Output, RuleFiles, output, rule_files
from rulegen.emit.resource import Resource
from rulegen.emit.terminal import show
from rulegen.emit.writer import check as check_out
from rulegen.emit.writer import write
from rulegen.errors import InputError
from rulegen.ingest.alertmanager import parse_alertmanager, read_alertmanager_source
from rulegen.ingest.unittests import find_unit_tests
from rulegen.intake import bounded, overviewed
from rulegen.pager import plain_routing
from rulegen.picture import picture
from rulegen.pipeline import study
from rulegen.proof import proved

SHOWN_PROBLEMS = 40  # a file of metrics names its first 20 bad lines and counts the others itself
SHOWN_SUGGESTIONS = 10
FROM_SERVER = (
    "no rule files were given: the new rules take the place of rules that the server has, and both will fire "
    "until you remove the old ones"
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a run found, nothing of it written yet: ``written`` is the output, ``rules`` the rule files in it, and
    ``who`` proposed."""

    read: Read
    desk: Desk
    report: Report
    rules: RuleFiles
    written: Output
    who: Proposer


def perform(
    sources: Sources,
    settings: Settings,
    asked: Asked,
    out: Path,
    *,
    resource: Resource | None = None,
    strict: bool,
    quiet: bool,
    shadow: bool = False,
) -> None:
    """Reads what ``sources`` name, finds suggestions, writes them to ``out`` and shows them on standard output.

    With ``resource`` rule files go out as PrometheusRules. With ``strict`` bad items among good ones are fatal;
    ``quiet`` leaves progress away; with ``shadow`` new rules stand beside the old and page nobody. Raises
    RulegenError.
    """
    with watching(quiet) as progress:
        found = find(sources, settings, asked, out, progress, resource=resource, strict=strict, shadow=shadow)
    write(out, found.written.files)
    tell_of(found, out)


def tell_of(found: Found, out: Path) -> None:
    """The table, the diffs and the doubts, on standard output."""
    show(found.report, found.written, Console(highlight=False), limit=SHOWN_SUGGESTIONS)
    tops = "rules/, tests/" if found.written.tests else "rules/"
    print(f"\n{found.who.title}")
    print(f"Written to {out}: {tops}, suggestions.json, candidates.jsonl.gz, report.html, report.md")


def find(
    sources: Sources,
    settings: Settings,
    asked: Asked,
    out: Path,
    progress: Progress,
    *,
    resource: Resource | None,
    strict: bool,
    shadow: bool = False,
    now: Clock = time.monotonic,
) -> Found:
    """All of :func:`perform` but the writing. ``now`` is the clock of ``--deadline``. Raises RulegenError."""
    deadline = ENDLESS if asked.deadline is None else Deadline(now() + asked.deadline / SECOND, now)
    check_sources(sources, settings)
    apart(files(sources), out)
    check_proposer(asked)
    check_out(out)
    quiet_label = shadow_label(settings.page) if shadow else None
    given = read_alertmanager_source(sources.alertmanager) if sources.alertmanager else None
    routing = given[0] if given else None
    tests = find_unit_tests(sources.rule_tests) if sources.rule_tests else None
    found = read(sources, progress)
    apart([Path(source.path) for source in found.sources], out)
    if resource is not None:  # what can't become one is told before the long work
        resource.of([(source.path, source.text) for source in found.sources])
    tell(found, strict)
    found = replace(found, history=bounded(overviewed(found.history), sources.interval))
    who = proposer(asked, demote=settings.demote, seed=settings.seed, strict=strict, deadline=deadline)
    desk, report = study(
        found.history,
        settings,
        who.propose,
        progress,
        interval=sources.interval,
        routing=routing,
        ask=who.ask,
        deadline=deadline,
    )
    roots = [str(path) for path in sources.rules]
    rules = rule_files(
        shadowed(report, quiet_label, found.history.rules) if quiet_label else report, found.sources, roots
    )
    # A unit test says what the rule that pages does, and with a shadow that is what it did before.
    shown = Shown() if shadow else proved(desk, report, rules, found.sources, tests, progress)
    told = (FROM_SERVER,) if report.suggestions and not sources.rules and len(found.history.rules) else ()
    report = replace(report, doubts=(*report.doubts, *found.doubts, *told, *who.doubts()))
    fragments, unsplit = _fragments(report, given, settings)
    report = replace(report, doubts=(*report.doubts, *unsplit))
    drawn = picture(desk, report, routing)
    written = output(
        report, found.sources, roots, fragments, rules=rules, shown=shown, resource=resource, picture=drawn
    )
    return Found(found, desk, report, rules, written, who)


def _fragments(
    report: Report, given: tuple[Routing, RoutingSource] | None, settings: Settings
) -> tuple[list[tuple[str, bytes]], tuple[str, ...]]:
    """What is to be added to Alertmanager's configuration, and the whole file with it where one was given; that is
    read again, and left out when it would not route as it was judged."""
    if not report.rerouted:
        return [], ()
    routing = given[0] if given else plain_routing(settings.group_by)
    files = [(FRAGMENT, fragment(report.rerouted, routing, report.alerts).encode())]
    if given is None:
        return files, ()
    source = given[1]
    name = Path(source.path).name
    text = spliced(report.rerouted, routing, source, report.alerts)
    if text is not None:
        try:
            if parse_alertmanager(text, name)[0] == added(report.rerouted, routing, report.alerts):
                return [*files, (name if name != FRAGMENT else f"whole-{name}", text.encode())], ()
        except InputError:
            pass  # said below
    where = f"{source.path}: written so that nothing can be added to it safely (braces, anchors)"
    return files, (f"{where}: alertmanager/{FRAGMENT} says what to add",)


def tell(found: Read, strict: bool) -> None:
    """Bad items among good ones, and what a server left open: named up to a point, and counted by file or URL.

    With ``strict`` bad items are the end: raises InputError with all of them.
    """
    if strict and found.problems:
        raise InputError(*map(str, found.problems))
    problems = (*found.problems, *found.remarks)
    if not problems:
        return
    for problem in problems[:SHOWN_PROBLEMS]:
        say(str(problem), "warning")
    if len(problems) > SHOWN_PROBLEMS:
        say(f"… and {len(problems) - SHOWN_PROBLEMS} more like these", "warning")
    counts = Counter(problem.path for problem in problems)
    by_path = ", ".join(f"{count} about {path}" for path, count in counts.items())
    say(f"the rest of the input is used; messages: {by_path}", "warning")
