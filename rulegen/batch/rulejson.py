"""A rule as JSON text, and back: what the state remembers of rules that may be gone from every file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, TypeAdapter

from rulegen.core.labels import Labels
from rulegen.core.rule import Rule


class _Rule(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    expr: str
    kind: Literal["alert", "record"]
    hold: int
    keep_firing_for: int
    labels: dict[str, str]
    annotations: dict[str, str]


_RULES = TypeAdapter(list[_Rule])


def rules_json(rules: Sequence[Rule]) -> str:
    """The rules, sorted keys, durations in ms; where they stood in a file is left out."""
    return json.dumps(
        [
            {
                "name": one.name,
                "expr": one.expr,
                "kind": one.kind,
                "hold": one.hold,
                "keep_firing_for": one.keep_firing_for,
                "labels": dict(one.labels),
                "annotations": dict(one.annotations),
            }
            for one in rules
        ],
        sort_keys=True,
    )


def rules_from(text: str) -> tuple[Rule, ...]:
    """What :func:`rules_json` wrote. Raises pydantic's ValidationError for anything else."""
    return tuple(
        Rule(one.name, one.expr, one.kind, one.hold, one.keep_firing_for, Labels(one.labels), Labels(one.annotations))
        for one in _RULES.validate_json(text)
    )
