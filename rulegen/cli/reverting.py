"""A claim that failed, as one to put back what it replaced."""

from __future__ import annotations

from collections.abc import Sequence

from rulegen.batch.aftermath import standing
from rulegen.batch.rulejson import rules_from
from rulegen.batch.state import Became, Made
from rulegen.core.durations import format_duration
from rulegen.core.rule import Rule, RuleSet
from rulegen.core.source import RuleSource
from rulegen.emit.words import MARK, change, one_line
from rulegen.forge.claim import Claim


def revert_claim(one: Made, became: Became, rules: RuleSet, sources: Sequence[RuleSource]) -> Claim | None:
    """The request that puts the old rule of ``one`` back; None where several rules took its place or none did, which
    is for a person to undo. Its figures are those of the time since the merge: as it is, and with the old rule."""
    where = standing(rules, one)
    if not where.merged or where.new is None or len(where.new) != 1:
        return None
    (ref,) = where.new
    now = next(rule for at, _, rule in rules if at == ref)
    (old,) = rules_from(one.old)
    lost = len(became.lost.split("\n")) if became.lost else 0
    return Claim.model_validate(
        {
            "id": f"{one.id}-revert",
            "change": "revert",
            "template": "revert",
            "words": change(now, (old,)),
            "pattern": f"{one.id} changed it, and since then {became.why}",
            "grade": "metrics",
            "replaces": {
                "path": ref.path,
                "home": next((source.home for source in sources if source.path == ref.path), None),
                "group": ref.group,
                "index": ref.index,
            },
            "rule": _text(now),
            "rules": [_text(old)],
            "evidence": {
                "whole": {
                    "weeks": became.weeks,
                    "pages": (became.pages_after, became.pages),
                    "minutes": (0.0, 0.0),
                    "caught": (became.targets - lost, became.targets),
                },
                "support": {"bursts": became.pages, "targets": became.targets},
            },
            "provenance": {"proposer": "nightly"},
            "note": one_line(f"{MARK} {one.id} reverted: {became.why}"),
        }
    )


def _text(rule: Rule) -> dict[str, object]:
    return {
        "kind": rule.kind,
        "name": rule.name,
        "expr": rule.expr,
        "for": format_duration(rule.hold),
        "keep_firing_for": format_duration(rule.keep_firing_for),
        "labels": dict(rule.labels),
        "annotations": dict(rule.annotations),
    }
