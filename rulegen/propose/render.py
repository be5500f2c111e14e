"""From proposals to candidates: rules that parse, under an id that the same rules always get."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import lru_cache
from hashlib import sha256

from rulegen.core.candidate import Candidate, Proposal
from rulegen.core.cluster import Cluster
from rulegen.core.rule import Rule
from rulegen.promql.parse import ExpressionError, parse
from rulegen.propose.refused import Refused
from rulegen.templates.template import Template


def render(cluster: Cluster, proposal: Proposal, templates: Iterable[Template]) -> Candidate | Refused:
    """The rules that ``proposal`` puts in the place of the cluster's.

    Refused when the template is unknown or turns the slots down, when an expression does not parse, and when the
    rule comes out as it was.
    """
    template = next((one for one in templates if one.name == proposal.template), None)
    if template is None:
        return Refused(f"there is no template {proposal.template!r}")
    try:
        rules = template.render(cluster, proposal.slots)
        routing = template.route(cluster, proposal.slots) if template.route else ()
        meant = [_meaning(rule) for rule in rules]
    except ExpressionError as error:
        return Refused(f"{template.name} renders what is not PromQL: {error.message}")
    except ValueError as error:
        return Refused(f"{template.name}: {error}")
    if meant == [_meaning(cluster.rule)] and not routing:
        return Refused(f"{template.name}: the rule stays as it was")
    written = json.dumps([cluster.id, meant, *([repr(routing)] if routing else [])], separators=(",", ":"))
    return Candidate(
        id=sha256(written.encode()).hexdigest()[:12],
        cluster_id=cluster.id,
        replaces=cluster.ref,
        rules=rules,
        change=template.change,
        proposal=proposal,
        routing=routing,
        remarks=template.remarks(cluster, proposal.slots) if template.remarks else (),
    )


def distinct(candidates: Iterable[Candidate]) -> tuple[Candidate, ...]:
    """The candidates without those whose rules came before, whoever proposed them."""
    found: dict[str, Candidate] = {}
    for candidate in candidates:
        found.setdefault(candidate.id, candidate)
    return tuple(found.values())


def _meaning(rule: Rule) -> list[object]:
    """What a rule does, as JSON values: annotations and the place in a file are left out, and the way that the
    expression is laid out. Raises ExpressionError."""
    return [
        rule.kind,
        rule.name,
        _plain(rule.expr),
        rule.hold,
        rule.keep_firing_for,
        [list(pair) for pair in rule.labels.pairs],
    ]


@lru_cache(maxsize=2**16)  # the same candidates are offered again for each part of the history
def _plain(expr: str) -> str:
    return parse(expr).prettify()
