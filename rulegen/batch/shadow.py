"""The new rule beside the old one, so that a team can watch it before it pages anybody."""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.labels import Labels
from rulegen.core.outcome import Report
from rulegen.core.rule import Rule, RuleSet
from rulegen.errors import InputError
from rulegen.score.paging import matching, routing

SUFFIX = "Shadow"
VALUE = "shadow"


def shadow_label(page: str) -> tuple[str, str]:
    """The label that takes the pages from an alert: the first that ``page`` (matchers) looks at, with a value of its
    own. Raises InputError where such an alert would page all the same."""
    names = sorted(routing(page, "--page"))
    if not names:
        raise InputError(f"--shadow: --page {page} looks at no label by which an alert could be kept from paging")
    name = "severity" if "severity" in names else names[0]
    if matching(page, "--page")(Labels({name: VALUE})):
        raise InputError(f'--shadow: --page {page} also matches {name}="{VALUE}", so that a shadow would page')
    return name, VALUE


def shadowed(report: Report, label: tuple[str, str], rules: RuleSet) -> Report:
    """``report`` with rules that stand beside the ones they were to replace. What only takes a rule away, or changes
    the routing alone, has nothing to watch and is left out; so is what has a shadow among ``rules`` already."""
    taken = {(group.path, group.name, rule.name) for _, group, rule in rules}
    kept = []
    for one in report.suggestions:
        place = one.candidate.replaces
        if one.candidate.rules and (place.path, place.group, f"{one.cluster.rule.name}{SUFFIX}") not in taken:
            both = (one.cluster.rule, *shadows(one.candidate.rules, label))
            kept.append(replace(one, candidate=replace(one.candidate, rules=both)))
    return replace(report, suggestions=tuple(kept), rerouted=())


def shadows(rules: tuple[Rule, ...], label: tuple[str, str]) -> tuple[Rule, ...]:
    """``rules`` with their alerts under other names and with ``label``; recording rules stay as they are."""
    return tuple(
        replace(one, name=f"{one.name}{SUFFIX}", labels=Labels({**one.labels, label[0]: label[1]}))
        if one.kind == "alert"
        else one
        for one in rules
    )
