"""New rules in a file of their own, for what no rule file of the user's holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rulegen.core.durations import format_duration
from rulegen.core.outcome import Suggestion
from rulegen.core.rule import Rule
from rulegen.emit.ruleitem import item, ordered
from rulegen.emit.words import note, one_line
from rulegen.promql import selectors

GROUP = "rulegen"
SUFFIX = "Quieter"
BESIDE = """\
# These alerts read the ones that fire today and take over their pages. Send the alerts of the old names to where
# tickets go, or you are paged by both.
"""
INSTEAD = """\
# These rules REPLACE rules of the server, whose files were not given: take the old ones out where they stand
# (file:group:position from 0), or both will fire.
"""


def new_rules(suggestions: Sequence[Suggestion], mode: str) -> str:
    """A rule file with the rules of ``suggestions`` [at least one], one group for each evaluation interval.

    A recording rule that several suggestions need is written once. ``mode`` is the report's.
    """
    intervals = sorted({one.cluster.interval for one in suggestions})
    homes = {one.candidate.replaces for one in suggestions if one.candidate.replaces.path}
    instead = "".join(f"# {one_line(str(home))}\n" for home in sorted(homes))
    beside = any(reads_alerts(rule) for one in suggestions for rule in one.candidate.rules)
    out = [BESIDE * beside, INSTEAD * bool(homes), instead, "groups:\n"]
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
    if rule.kind == "alert" and reads_alerts(rule):
        # Under its old name the new alert would show up in the ALERTS that it reads, and keep itself firing.
        rule = replace(rule, name=f"{rule.name}{SUFFIX}")
    return item(rule, dash=6, indent=8, newline="\n", note=note(suggestion, mode))


def reads_alerts(rule: Rule) -> bool:
    """Whether ``rule`` watches the alerts that others fire, and so takes a place beside them."""
    return any(selector.name == "ALERTS" for selector in selectors(rule.expr))
