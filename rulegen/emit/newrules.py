"""New rules in a file of their own, for what no rule file of the user's holds."""

from __future__ import annotations

from collections.abc import Sequence

from rulegen.core.durations import format_duration
from rulegen.core.outcome import Suggestion
from rulegen.core.rule import Rule
from rulegen.emit.ruleitem import item, ordered
from rulegen.emit.words import note

GROUP = "rulegen"


def new_rules(suggestions: Sequence[Suggestion], mode: str) -> str:
    """A rule file with the rules of ``suggestions`` [at least one], one group for each evaluation interval.

    A recording rule that several suggestions need is written once. ``mode`` is the report's.
    """
    intervals = sorted({one.cluster.interval for one in suggestions})
    out = ["groups:\n"]
    for interval in intervals:
        name = GROUP if len(intervals) == 1 else f"{GROUP}-{format_duration(interval)}"
        out.append(f"  - name: {name}\n    interval: {format_duration(interval)}\n    rules:\n")
        written: set[Rule] = set()
        for suggestion in suggestions:
            if suggestion.cluster.interval == interval:
                out += (_once(rule, suggestion, mode, written) for rule in ordered(suggestion.candidate.rules))
    return "".join(out)


def _once(rule: Rule, suggestion: Suggestion, mode: str, written: set[Rule]) -> str:
    if rule.kind == "record" and rule in written:
        return ""
    written.add(rule)
    return item(rule, dash=6, indent=8, newline="\n", note=note(suggestion, mode))
