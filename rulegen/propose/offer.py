"""Offers: the templates that fit one cluster, with the choices that each leaves open."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster
from rulegen.templates.template import Template

_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
_TOKEN = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,39}")

Picks = Sequence[Sequence[Choice]]
"""What is picked for each slot, in the template's order; several choices only where the slot allows them."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A template that fits, and its slots for this cluster. Every slot has at least one choice, or is written."""

    template: Template
    slots: tuple[Slot, ...]

    def filled(self, picks: Picks) -> Slots:
        """The slots filled with ``picks``."""
        return Slots(tuple(_fill(slot, pick) for slot, pick in zip(self.slots, picks, strict=True)))


def offers_for(cluster: Cluster, templates: Iterable[Template]) -> tuple[Offer, ...]:
    """The templates that fit ``cluster`` and its grade of evidence, in the given order.

    A template with a slot that has nothing to choose from does not fit. Raises ValueError when a template names
    something in a way that is not safe to stand in a grammar: names and tokens are plain ASCII, and label values or
    metric names are pointed at by number.
    """
    found = []
    for template in templates:
        if cluster.grade not in template.grades:
            continue
        slots = template.slots(cluster)
        if slots is None or any(not slot.choices and slot.vocabulary is None for slot in slots):
            continue
        _check(template.name, slots)
        found.append(Offer(template, slots))
    return tuple(found)


def _fill(slot: Slot, pick: Sequence[Choice]) -> tuple[str, str | int | float | tuple[str, ...]]:
    if slot.most == 1:
        return slot.name, pick[0].value
    return slot.name, tuple(str(choice.value) for choice in pick)


def _check(template: str, slots: tuple[Slot, ...]) -> None:
    for name in (template, *(slot.name for slot in slots)):
        if not _NAME.fullmatch(name):
            raise ValueError(f"template {template!r}: {name!r} is not a safe name (a-z, 0-9 and _)")
    if len({slot.name for slot in slots}) < len(slots):
        raise ValueError(f"template {template!r}: two slots of one name")
    for slot in slots:
        tokens = [choice.token for choice in slot.choices]
        unsafe = next((token for token in tokens if not _TOKEN.fullmatch(token)), None)
        if unsafe is not None:
            raise ValueError(f"template {template!r}, slot {slot.name!r}: {unsafe!r} is not a safe token")
        if len(set(tokens)) < len(tokens):
            raise ValueError(f"template {template!r}, slot {slot.name!r}: two choices with one token")
        if slot.most < 1:
            raise ValueError(f"template {template!r}, slot {slot.name!r}: picks at most {slot.most}")
        if slot.most > 1 and not all(isinstance(choice.value, str) for choice in slot.choices):
            raise ValueError(f"template {template!r}, slot {slot.name!r}: only words can be picked together")
