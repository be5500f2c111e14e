"""The prompt: one cluster's facts and what may be changed, worded by a text in ``prompts/``.

Figures, names and numbered inventories only: never the raw stream and never an alert's annotations. Names, label
values and the expression come from the outside; each is quoted, cut to a bound and free of control characters and
newlines, so that it stays the data it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import count, takewhile
from string import Template as Wording

from rulegen.core.candidate import Slot
from rulegen.core.cluster import Cluster, Companion
from rulegen.core.durations import SECOND, format_duration
from rulegen.core.labels import ALERT_NAME
from rulegen.promql.rewrite import literals
from rulegen.propose.offer import Offer
from rulegen.shipped import shipped

WORDING = "prompts/propose-v1.txt"

_MOST_LABELS = 8
_PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NAME, _VALUE, _EXPRESSION = 60, 60, 500  # characters


def build_prompt(cluster: Cluster, offers: Sequence[Offer]) -> str:
    """The prompt for one cluster and the templates that fit it: some 3,000 characters for an ordinary cluster.

    Raises RulegenError when the wording is missing from the installation.
    """
    rule, facts = cluster.rule, cluster.facts
    return wording().substitute(
        name=quoted(rule.name, _NAME),
        interval=format_duration(cluster.interval),
        hold=format_duration(rule.hold),
        keep_firing_for=format_duration(rule.keep_firing_for),
        labels=", ".join(_pair(*pair) for pair in rule.labels.pairs[:_MOST_LABELS]) or "none",
        expression=quoted(rule.expr, _EXPRESSION),
        pattern=cluster.pattern.value,
        grade=cluster.grade.value,
        episodes=facts.episodes,
        series=facts.series,
        minutes=f"{facts.minutes:.0f}",
        per_week=f"{facts.per_week:.1f}",
        duration_median=_rough(facts.duration_median),
        duration_p90=_rough(facts.duration_p90),
        gap_median=_rough(facts.gap_median),
        flapping=_share(facts.flapping_share),
        together=_share(facts.together_share),
        top=_share(facts.top_share),
        firing=_share(facts.firing_share),
        margin="by an unknown share" if math.isnan(facts.margin) else _share(facts.margin),
        incidents=facts.incidents_touched,
        inventory="\n".join(_inventory(cluster, offers)),
        changes="\n".join(_change(offer) for offer in offers),
    )


@cache
def wording() -> Wording:
    """The text around the facts, with ``$placeholders``."""
    return Wording(shipped(WORDING).read_text(encoding="utf-8"))


def quoted(text: str, most: int) -> str:
    """``text`` in double quotes on one line, cut after ``most`` characters.

    Quotes and backslashes are escaped, and so is every character that does not print or that changes how others are
    shown (controls, line and paragraph separators, direction marks, lone surrogates).
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return '"' + "".join(_safe(char) for char in cut) + '"'


def _safe(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _change(offer: Offer) -> str:
    slots = "; ".join(f"{_slot(slot)}: {' '.join(choice.token for choice in slot.choices)}" for slot in offer.slots)
    return f"{offer.template.name} ({offer.template.summary}) {slots}".rstrip()


def _slot(slot: Slot) -> str:
    return slot.name if slot.most == 1 else f"{slot.name}, up to {slot.most}"


def _inventory(cluster: Cluster, offers: Sequence[Offer]) -> Iterator[str]:
    """One line for each kind of thing that a slot can point at by number; what no slot can name is left out."""
    inventory = cluster.inventory
    levels = inventory.service.levels if inventory.service else ()
    tokens = {choice.token for offer in offers for slot in offer.slots for choice in slot.choices}
    kinds = (
        ("Metrics", "m", [quoted(name, _NAME) for name in inventory.metrics]),
        ("Labels and how many values each has", "l", [f"{_name(name)} {n}" for name, n in inventory.labels]),
        ("Values, noisiest first", "v", [_pair(*pair) for pair in inventory.values]),
        ("Families of values", "f", [quoted(one, _VALUE) for one in _families(offers)]),
        ("Values of what it caught", "k", [_pair(*pair) for pair in inventory.telling]),
        ("Labels that the routing acts upon", "r", [_pair(*pair) for pair in inventory.marks]),
        ("Numbers in the expression", "n", [f"{value:.6g}" for value in literals(cluster.rule.expr)]),
        ("Conditions", "g", [f"{one.kind}: {one.join} {quoted(one.expr, _VALUE)}" for one in inventory.conditions]),
        ("Times of the week with noise and no incident", "h", [str(one) for one in inventory.quiet_hours]),
        ("Other rules that fire with it", "c", [_companion(one) for one in cluster.companions]),
        ("Thresholds", "t", [f"{value:.6g}" for value in inventory.thresholds]),
        ("Buckets of the histogram, nearest first", "b", [quoted(one.bound, _VALUE) for one in levels]),
    )
    for title, letter, items in kinds:
        numbered = [f"{letter}{i} {item}" for i, item in enumerate(items) if f"{letter}{i}" in tokens]
        if numbered:
            yield f"{title}: {', '.join(numbered)}"


def _families(offers: Sequence[Offer]) -> list[str]:
    """``pod~web-.*``, as ``carve_out`` made them: f0, f1, …"""
    choices = {choice.token: choice.value for offer in offers for slot in offer.slots for choice in slot.choices}
    return [str(choices[token]) for token in takewhile(choices.__contains__, (f"f{i}" for i in count()))]


def _companion(one: Companion) -> str:
    name = quoted(one.labels.get(ALERT_NAME, ""), _NAME)
    return f"{name} {one.relation.value} ({_share(one.share)}, {_rough(abs(one.lag))} apart)"


def _pair(name: str, value: str) -> str:
    return f"{_name(name)}={quoted(value, _VALUE)}"


def _name(label: str) -> str:
    """A label's name; in quotes when it is not of Prometheus' classic kind."""
    return label if len(label) <= _NAME and _PLAIN.fullmatch(label) else quoted(label, _NAME)


def _rough(ms: int) -> str:
    """A duration to the second, which is all that a figure is good for."""
    return format_duration(round(ms / SECOND) * SECOND)


def _share(value: float) -> str:
    return f"{value:.0%}"
