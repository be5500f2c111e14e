"""One night, in order: lock, read, suggest, look back, write, remember, tell."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from rulegen.batch.aftermath import acceptance, accuracy, aftermath, least_cut, standing, told
from rulegen.batch.lock import locked
from rulegen.batch.metrics import Night, push_metrics, registry, write_metrics
from rulegen.batch.publish import publish
from rulegen.batch.remember import made, seen
from rulegen.batch.revert import revert
from rulegen.batch.state import Became, Made, Seen, State, Status, opened
from rulegen.cli.log import say
from rulegen.cli.perform import Found, find, tell_of
from rulegen.cli.progress import watching
from rulegen.cli.proposer import Asked
from rulegen.cli.requesting import TEXTS, requested, shown
from rulegen.cli.reverting import revert_claim
from rulegen.cli.sources import Sources
from rulegen.core.settings import Settings
from rulegen.desk import Progress
from rulegen.emit.resource import Resource
from rulegen.errors import RulegenError, UpstreamError
from rulegen.forge import Plan as RequestPlan
from rulegen.forge import read_claims
from rulegen.ingest.prometheus.credentials import clean_url

CLAIMS = "claims.json"
REVERTS = "reverts"


@dataclass(frozen=True, slots=True)
class Ask:
    """Where to ask people to merge, and how."""

    repo: Path
    remote: str
    forge: str
    base: str
    plan: RequestPlan


@dataclass(frozen=True, slots=True)
class Told:
    """Where a night keeps what it knows and tells how it went. ``wait`` is in seconds."""

    state: Path
    wait: float = 0.0
    metrics: Path | None = None
    pushgateway: str = ""
    ask: Ask | None = None


@dataclass(slots=True)
class Stages:
    """Seconds by stage."""

    clock: Callable[[], float] = time.monotonic
    took: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        begun = self.clock()
        try:
            yield
        finally:
            self.took[name] = self.took.get(name, 0.0) + self.clock() - begun


def perform(
    sources: Sources,
    settings: Settings,
    asked: Asked,
    out: Path,
    night: Told,
    *,
    resource: Resource | None = None,
    strict: bool,
    quiet: bool,
    shadow: bool = False,
) -> None:
    """Raises RulegenError; whatever happens, the metrics say so, and the next run finds everything as this one did or
    as it left it, never in between."""
    with locked(night.state.with_name(f"{night.state.name}.lock"), night.wait):
        try:
            result = _night(sources, settings, asked, out, night, resource, strict, quiet, shadow)
        except BaseException:
            _tell(night, None)
            raise
        _tell(night, result)


def _tell(night: Told, result: Night | None) -> None:
    """Of a night that failed, failing to tell of it must not hide why."""
    metrics = registry(time.time(), result)
    try:
        if night.pushgateway:
            push_metrics(night.pushgateway, metrics)
    except RulegenError as error:
        if result is not None:
            raise
        say(str(error), "warning")
    finally:
        if night.metrics is not None:
            try:
                write_metrics(night.metrics, metrics)
            except RulegenError as error:
                if result is not None:
                    raise
                say(str(error), "warning")


def _night(
    sources: Sources,
    settings: Settings,
    asked: Asked,
    out: Path,
    night: Told,
    resource: Resource | None,
    strict: bool,
    quiet: bool,
    shadow: bool,
) -> Night:
    stages = Stages()
    with opened(night.state) as state, watching(quiet) as progress:
        source = source_of(sources)
        known = {one.candidate: one for one in state.suggestions(source)}
        with stages.stage("suggest"):
            found = find(sources, settings, asked, out, progress, resource=resource, strict=strict, shadow=shadow)
        with stages.stage("look back"):
            plan = _plan(found, source, settings, known, shadow)
            outcomes = _looked_back(found, plan, sources.interval, progress)
        with stages.stage("write"):
            publish(out, (*found.written.files, *_files(found, plan, known, outcomes)))
        with stages.stage("remember"):
            _remembered(state, plan, outcomes)
        tell_of(found, out)
        if night.ask is not None:
            with stages.stage("request"):
                _requested(night.ask, out, found, plan, outcomes, state, progress)
        suggestions, history = state.suggestions(source), plan.seen
    for line in told(outcomes, {one.candidate: one for one in suggestions}):
        print(line)
    say(
        f"{len(found.report.suggestions)} suggestions, {len(outcomes)} merged ones looked back at",
        event="night",
        accepted=len(found.report.suggestions),
        refused=len(found.report.refused),
        failed=[one.candidate for one in outcomes if one.verdict == "failed"],
    )
    problems = len(found.read.problems) + sum(count for _, count in found.report.repaired)
    return Night(history, len(found.report.suggestions), problems, stages.took, suggestions, outcomes)


@dataclass(frozen=True, slots=True)
class Plan:
    """What this night changes in the state: the history seen, tonight's suggestions, what was decided since (by
    candidate), and the merged ones (or those in the shadow) to look back at."""

    seen: Seen
    made: Mapping[str, Made]
    decided: Sequence[tuple[Made, Status]]
    merged: Sequence[Made]

    @property
    def after(self) -> dict[str, Made]:
        """What was decided, as it will stand in the state."""
        return {one.candidate: replace(one, status=status) for one, status in self.decided}


def _plan(found: Found, source: str, settings: Settings, known: Mapping[str, Made], shadow: bool) -> Plan:
    report, history = found.report, found.read.history
    tonight = made(report, source, known, settings, shadow=shadow)
    decided: list[tuple[Made, Status]] = []
    merged: list[Made] = []
    for candidate, one in known.items():
        where = standing(history.rules, one)
        here = tonight.get(candidate)
        status = one.status
        if where.merged:
            status = "merged"
        elif one.status == "merged":
            status = "reverted"
        elif here is None and one.status == "open":
            other = any(each.id == one.id for each in tonight.values())
            status = "replaced" if other else "withdrawn"
        if where.merged or where.shadow is not None:
            merged.append(one)
        if where.shadow is not None and here is not None:  # its claim is the one that is being watched
            tonight[candidate] = one
        if status != one.status:
            decided.append((one, status))  # type: ignore[arg-type] # one of the literals above
    return Plan(seen(report, source), tonight, decided, merged)


def _looked_back(found: Found, plan: Plan, interval: int, progress: Progress) -> tuple[Became, ...]:
    progress("looking back", 0, len(plan.merged))
    return aftermath(found.desk, plan.merged, interval)


def _files(
    found: Found, plan: Plan, known: Mapping[str, Made], outcomes: Sequence[Became]
) -> Iterator[tuple[str, bytes]]:
    """``claims.json`` and the patches of those that failed."""
    by_candidate = {one.candidate: one for one in plan.merged}
    rows = []
    for one in outcomes:
        claim = by_candidate[one.candidate]
        patch, why_not = "", ""
        if one.verdict == "failed":
            patch, why_not = revert(claim, one, found.read.history.rules, found.read.sources)
        path = f"{REVERTS}/{claim.id}.patch" if patch else None
        if path:
            yield path, patch.encode()
        rows.append(
            {
                "id": claim.id,
                "candidate": one.candidate,
                "rule": claim.rule,
                "change": claim.words,
                "since": one.since,
                "until": one.until,
                "claim": {
                    "weeks": claim.weeks,
                    "pages": [claim.pages, claim.pages_after],
                    "least_cut": least_cut(claim),
                    "caught": claim.caught,
                    "added_delay_ms": claim.delay,
                },
                "outcome": {
                    "weeks": one.weeks,
                    "pages": [one.pages, one.pages_after],
                    "caught": one.targets,
                    "lost": one.lost.split("\n") if one.lost else [],
                    "late": one.late.split("\n") if one.late else [],
                    "added_delay_ms": one.delay,
                },
                "verdict": one.verdict,
                "why": one.why,
                "revert": path,
                "no_revert": why_not or None,
            }
        )
    document = {
        "schema": 1,
        "acceptance": acceptance(tuple({**known, **plan.made, **plan.after}.values())),
        "accuracy": accuracy(outcomes),
        "claims": rows,
    }
    yield CLAIMS, (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8", "backslashreplace")


def _remembered(state: State, plan: Plan, outcomes: Sequence[Became]) -> None:
    with state.night():
        state.see(plan.seen)
        state.make(tuple(plan.made.values()))
        for one, status in plan.decided:
            state.decide(one, status, plan.seen.last)
        state.became(outcomes)


def _requested(
    ask: Ask,
    out: Path,
    found: Found,
    plan: Plan,
    outcomes: Sequence[Became],
    state: State,
    progress: Progress,
) -> None:
    """Asks people to merge tonight's suggestions and to put back what failed. What they said of one goes into the
    state; that one was merged is seen in the rule files, which are what is run. Raises UpstreamError when a request
    could not be made: everything else is written by then, and the next run carries on."""
    claims = read_claims(out)
    by_candidate = {one.candidate: one for one in plan.merged}
    rules, files = found.read.history.rules, found.read.sources
    failed = [one for one in outcomes if one.verdict == "failed"]
    reverts = [revert_claim(by_candidate[one.candidate], one, rules, files) for one in failed]
    claims = replace(claims, claims=(*(one for one in reverts if one is not None), *claims.claims))
    texts = out.with_name(f"{out.name}-{TEXTS}")
    published = requested(claims, texts, ask.repo, ask.remote, ask.forge, ask.base, ask.plan, progress)
    for line in shown(published, claims, ask.plan.dry):
        print(line)
    by_id = {one.id: one for one in plan.made.values()}
    with state.night():
        for each in published:
            one = by_id.get(each.id)
            if one is None:
                continue
            if each.url:
                state.make([one := replace(one, url=each.url)])
            if each.status == "declined" and one.status != "closed":
                state.decide(one, "closed", plan.seen.last)
            elif each.status in ("opened", "updated", "unchanged") and one.status == "closed":
                state.decide(one, "open", plan.seen.last)
    if wrong := [each for each in published if each.failed]:
        raise UpstreamError(f"{len(wrong)} requests could not be made, the first: {wrong[0].name}: {wrong[0].why}")


def source_of(sources: Sources) -> str:
    """What names where the history comes from, without a secret: the server's URL, or the files' paths. A record of
    alerts beside a server may come and go; what people decided stays."""
    if sources.prometheus:
        return clean_url(sources.prometheus)[0]
    return ",".join(str(path) for path in (sources.metrics, sources.alerts, sources.store) if path is not None)


def state_file() -> Path:
    """XDG Base Directory Specification: a relative $XDG_STATE_HOME counts as none."""
    named = os.environ.get("XDG_STATE_HOME", "")
    return (Path(named) if named.startswith("/") else Path.home() / ".local" / "state") / "rulegen" / "state.sqlite"
