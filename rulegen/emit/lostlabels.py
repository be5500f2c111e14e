"""Labels that a rule's texts mention and its changed form no longer carries."""

from __future__ import annotations

import re
from collections.abc import Iterable

from rulegen.core.outcome import Report, Suggestion
from rulegen.core.rule import Rule

# The ways a Prometheus template names a label: {{ $labels.pod }}, {{ .Labels.pod }}, {{ index $labels "pod" }}.
_MENTION = re.compile(
    r"(?:\$labels|\.Labels)\.([A-Za-z_][A-Za-z0-9_]*)|index\s+(?:\$labels|\.Labels)\s+[\"`]([^\"`]+)"
)


def mentioned(rule: Rule) -> frozenset[str]:
    """The label names that the templates in the rule's labels and annotations read."""
    texts = (*rule.labels.values(), *rule.annotations.values())
    return frozenset(one or other for text in texts for one, other in _MENTION.findall(text))


def lost(rules: Iterable[Rule], had: Iterable[str], has: Iterable[str]) -> tuple[str, ...]:
    """Labels that ``rules`` mention, that the alerts ``had`` before and that they do not have now, sorted."""
    names = frozenset[str]().union(*(mentioned(rule) for rule in rules))
    return tuple(sorted((names & frozenset(had)) - frozenset(has)))


def doubt(suggestion: Suggestion, report: Report) -> str:
    """A sentence about texts that will come out empty; "" when none will, or nothing was replayed."""
    candidate = suggestion.candidate
    outcome = next((v.outcome for v in report.verdicts if v.candidate.id == candidate.id and v.outcome), None)
    if outcome is None or not outcome.fired.any():
        return ""
    gone = lost(candidate.rules, (name for name, _ in suggestion.cluster.inventory.labels), outcome.keys)
    if not gone:
        return ""
    return f"its texts mention {', '.join(gone)}, which the changed alert no longer carries; reword them"
