"""A report as rows of the state."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace

from rulegen.batch.rulejson import rules_json
from rulegen.batch.shadow import shadow_label, shadows
from rulegen.batch.state import Made, Seen
from rulegen.core.outcome import Report, Suggestion
from rulegen.core.settings import Settings
from rulegen.emit.words import change


def seen(report: Report, source: str) -> Seen:
    """The history of ``report``, with the noise in it before and with everything accepted."""
    before, after = report.together.pages, report.together.minutes
    return Seen(
        source=source,
        first=report.span.start,
        last=report.span.end,
        mode=report.mode,
        settings=_digest(repr(report.settings)),
        rules=report.rules,
        clusters=sum(rules for _, rules, _ in report.patterns),
        refused=len(report.refused),
        weeks=report.together.weeks,
        pages=before[0],
        pages_after=before[1],
        minutes=after[0],
        minutes_after=after[1],
    )


def made(
    report: Report, source: str, known: Mapping[str, Made], settings: Settings, *, shadow: bool
) -> dict[str, Made]:
    """The accepted suggestions of ``report`` by candidate. What is ``known`` of one stays: when it was first seen,
    what people decided, and where its request is. Changes of the routing alone touch no rule, and are left
    out."""
    found = {}
    for one in report.suggestions:
        row = _made(one, report, source, settings, shadow)
        old = known.get(row.candidate)
        if old is not None:
            row = _with_past(row, old)
        found[row.candidate] = row
    return found


def _made(one: Suggestion, report: Report, source: str, settings: Settings, shadow: bool) -> Made:
    assert one.evidence is not None  # what was accepted has been replayed
    candidate, whole, cut = one.candidate, one.evidence.whole, one.evidence.cut_pages
    beside = shadows(candidate.rules, shadow_label(settings.page)) if shadow else ()
    return Made(
        source=source,
        candidate=candidate.id,
        id=one.id,
        path=candidate.replaces.path,
        grp=candidate.replaces.group,
        rule=one.cluster.rule.name,
        step=one.cluster.interval,
        change=candidate.change,
        template=candidate.proposal.template,
        words=change(one.cluster.rule, candidate.rules, candidate.proposal),
        old=rules_json((one.cluster.rule,)),
        new=rules_json(candidate.rules),
        shadow=rules_json(beside),
        evidence=_digest(repr(one.evidence)),
        mode=report.mode,
        weeks=whole.weeks,
        pages=whole.pages[0],
        pages_after=whole.pages[1],
        low=None if cut is None or math.isnan(cut[1]) else cut[1],
        caught=whole.caught[1],
        delay=whole.added_delay,
        first_seen=report.span.end,
        last_seen=report.span.end,
    )


def _with_past(row: Made, old: Made) -> Made:
    status = "open" if old.status in ("replaced", "withdrawn", "reverted") else old.status
    first = min(old.first_seen, row.first_seen)
    shadow = row.shadow if row.shadow != "[]" else old.shadow
    if old.last_seen > row.last_seen:  # a look at an older stretch of time tells nothing new
        return replace(old, first_seen=first, status=status)
    return replace(row, first_seen=first, status=status, url=old.url, shadow=shadow)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "backslashreplace")).hexdigest()[:16]
