"""The prompt: one cluster's facts and what may be changed, worded by a text in ``prompts/``.

There are two wordings of the same facts: a terse one that the models trained for this task read, some 400 of their
tokens, and one that explains itself to models that were not.

Figures, names and numbered inventories only: never the raw stream and never an alert's annotations. Names, label
values and the expression come from the outside; each is quoted, cut to a bound and free of control characters and
newlines, so that it stays the data it is.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Sequence
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

TERSE, EXPLAINED = "prompts/propose-v2.txt", "prompts/propose-v1.txt"

_MOST_LABELS = 8
_PLAIN = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
_NAME, _VALUE, _EXPRESSION = 60, 60, 500  # characters
_TURN = re.compile(r"<(?=[|｜/]|[a-z_]+>)|\[(?=/?[A-Z_]+\])")  # <|im_end|>, </s>, <end_of_turn>, [/INST]
_LISTED = 8  # things of one kind that the terse wording names
_VERDICT = 100  # characters
_WORDS = 20


def build_prompt(cluster: Cluster, offers: Sequence[Offer], *, explained: bool = False) -> str:
    """The prompt for one cluster and the templates that fit it: about 1,000 characters for an ordinary cluster, or
    3,000 where it is ``explained``.

    Raises RulegenError when the wording is missing from the installation.
    """
    rule, facts = cluster.rule, cluster.facts
    listed = _inventory(cluster, offers) if explained else _terse(cluster, offers)
    return wording(EXPLAINED if explained else TERSE).substitute(
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
        inventory="\n".join(listed),
        changes="\n".join(_change(offer) for offer in offers) if explained else "; ".join(map(_call, offers)),
    )


def revised(prompt: str, tried: Iterable[tuple[str, str]]) -> str:
    """The prompt that asks again, with what came of earlier answers: pairs of an answer and its verdict in words.

    It begins with ``prompt`` but for its last line, so that a model that has read that need not read it again.
    """
    kept, _, last = prompt.rstrip("\n").rpartition("\n")
    lines = [f"tried {answer} {quoted(verdict, _VERDICT)}" for answer, verdict in tried]
    return "\n".join([kept, *lines, last])


@cache
def wording(name: str = TERSE) -> Wording:
    """The text around the facts, with ``$placeholders``; without the line end at its own."""
    return Wording(shipped(name).read_text(encoding="utf-8").removesuffix("\n"))


def quoted(text: str, most: int) -> str:
    """``text`` in double quotes on one line, cut after ``most`` characters.

    Quotes and backslashes are escaped, and so is every character that does not print or that changes how others are
    shown (controls, line and paragraph separators, direction marks, lone surrogates). What looks like the marks with
    which chat formats end a turn and begin another is broken by a backslash: a server may read them anywhere.
    """
    cut = text if len(text) <= most else text[: most - 1] + "…"
    return '"' + _TURN.sub(r"\g<0>\\", "".join(_safe(char) for char in cut)) + '"'


def _safe(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    return char if char.isprintable() else char.encode("unicode_escape").decode("ascii")


def _call(offer: Offer) -> str:
    """``retune t0..t4 1m..1h``: a template with the choices of each slot."""
    return " ".join([offer.template.name, *map(_choices, offer.slots)])


def _choices(slot: Slot) -> str:
    """``t0..t4``, ``5m,10m``, ``l0,l2``; up to three of them: ``3*v0..v6``."""
    if slot.vocabulary is not None:
        return "PromQL"
    tokens = [choice.token for choice in slot.choices]
    short = ",".join(tokens) if len(tokens) < 4 else f"{tokens[0]}..{tokens[-1]}"
    return short if slot.most == 1 else f"{slot.most}*{short}"


def _terse(cluster: Cluster, offers: Sequence[Offer]) -> Iterator[str]:
    """The inventory's lines, each with the first ``_LISTED`` things of a kind; one whose number does not follow from
    its place says it."""
    for _, letter, numbered in _numbered(cluster, offers):
        shown = [f"{token} {item}" if token != f"{letter}{i}" else item for i, (token, item) in enumerate(numbered)]
        more = f" +{len(numbered) - _LISTED}" if len(numbered) > _LISTED else ""
        yield f"{letter} {', '.join(shown[:_LISTED])}{more}"


def _change(offer: Offer) -> str:
    slots = "; ".join(f"{_slot(slot)}: {_tokens(slot)}" for slot in offer.slots)
    return f"{offer.template.name} ({offer.template.summary}) {slots}".rstrip()


def _tokens(slot: Slot) -> str:
    """All choices; of a slot that is written, the words that it is made of, the first ``_WORDS`` of each kind."""
    known = slot.vocabulary
    if known is None:
        return " ".join(choice.token for choice in slot.choices)
    pairs = [f"{name}='{value}'" for name, value in known.pairs[:_WORDS]]
    words = " ".join((*known.metrics[:_WORDS], *known.labels[:_WORDS], *pairs))
    return f"PromQL that compares something with a number, of {words} only, strings in single quotes"


def _slot(slot: Slot) -> str:
    return slot.name if slot.most == 1 else f"{slot.name}, up to {slot.most}"


def _inventory(cluster: Cluster, offers: Sequence[Offer]) -> Iterator[str]:
    """One line for each kind of thing that a slot can point at by number."""
    for title, _, numbered in _numbered(cluster, offers):
        yield f"{title}: {', '.join(f'{token} {item}' for token, item in numbered)}"


def _numbered(cluster: Cluster, offers: Sequence[Offer]) -> Iterator[tuple[str, str, list[tuple[str, str]]]]:
    """Of each kind of thing that a slot can point at by number: its title, its letter, and the things with their
    tokens; what no slot can name is left out."""
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
        numbered = [(f"{letter}{i}", item) for i, item in enumerate(items) if f"{letter}{i}" in tokens]
        if numbered:
            yield title, letter, numbered


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
