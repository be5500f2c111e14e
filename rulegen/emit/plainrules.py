"""Rules as a plain rule file: for promtool, where the file that holds them is not one that it loads."""

from __future__ import annotations

from rulegen.core.durations import format_duration
from rulegen.core.rule import RuleSet
from rulegen.emit import scalar
from rulegen.emit.ruleitem import item
from rulegen.emit.words import one_line


def plain_rules(rules: RuleSet, origin: str) -> str:
    """``rules`` written out, with a comment that names their ``origin``."""
    out = [f"# {one_line(origin)}\n", "groups:\n"]
    for group in rules.groups:
        out.append(f"  - name: {scalar.scalar(group.name)}\n    interval: {format_duration(group.interval)}\n")
        out += [f"    limit: {group.limit}\n"] * bool(group.limit)
        out += [f"    query_offset: {format_duration(group.query_offset)}\n"] * bool(group.query_offset)
        out.append("    rules:\n" if group.rules else "    rules: []\n")
        out += (item(rule, dash=6, indent=8, newline="\n") for rule in group.rules)
    return "".join(out)
