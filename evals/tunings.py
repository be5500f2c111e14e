"""How many of the changes that people made the templates can express: the rule after from the rule before, exactly.

``python -m evals.tunings [FILE] [--misses]`` reads one change a line (default: human-tunings/tunings.jsonl beside the
repository) and tries: every template is given values for its slots that stand in the rule after, and renders; then
every template once more on what came out. A change is expressed when the result is the rule after: the same ``for``,
``keep_firing_for`` and labels, and the same expression but for how it is written (``evals.sameness``); the alert's
name is not compared.

Two figures are printed. *Any value*: a slot takes any value of its kind, as a proposer could be offered it.
*Offered*: only the waits, windows, severities and factors that the template itself offers, with thresholds at the
usual multiples, and no more picks than it allows; names of labels, values and conditions are those of the rule after,
since an inventory holds what exists.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import lru_cache
from itertools import islice, product
from pathlib import Path
from typing import Any

import promql_parser as pp

from evals.placeholders import readable
from evals.sameness import constant, normal
from rulegen.cluster.describe import FACTORS
from rulegen.core.candidate import Slot, Slots, SlotValue
from rulegen.core.cluster import Cluster, Companion, Condition, Facts, Grade, Inventory, Pattern, Relation
from rulegen.core.durations import HOUR, MINUTE, parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.promql.reselect import bare, branches
from rulegen.promql.rewrite import comparison
from rulegen.promql.tree import nodes
from rulegen.templates import TEMPLATES

MOST_FILLINGS = 120  # of one template's slots
MOST_BETWEEN = 8  # rules after the first step from which a second is tried, the nearest first
FACTS = Facts(50, 200.0, 25.0, 4, 2 * MINUTE, 9 * MINUTE, 4 * MINUTE, 0.5, 0.1, 0.4, 0.01, 0.2, 1)
PLACE = RuleRef("rules.yml", "g", 0)
SEVERAL = ("targets", "by", "labels")  # slots that take several picks, where there is more than one to pick
SCRAPED = ("instance", "job", "pod")  # labels that a firing series has, whether a rule speaks of them or not
OTHER = Companion(RuleRef("rules.yml", "g", 1), Labels({"alertname": "Other"}), Relation.COVERS, 0, 1.0, 9.0)


@dataclass(frozen=True, slots=True)
class Change:
    """What somebody did to a rule. ``after`` None: it was retired."""

    before: Rule
    after: Rule | None
    kinds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Words:
    """What stands in the rule after and may be needed to get there."""

    durations: tuple[int, ...]
    numbers: tuple[float, ...]
    factors: tuple[float, ...]  # by which a number of the rule before becomes one of the rule after
    excluded: tuple[tuple[str, str], ...]  # label, pattern: on the rule after and not on the one before
    wanted: tuple[tuple[str, str], ...]
    groupings: tuple[tuple[str, ...], ...]
    conditions: tuple[Condition, ...]
    labels: tuple[tuple[str, str], ...]  # that the change sets; an empty value: it takes the label away


def main() -> None:
    arguments = [one for one in sys.argv[1:] if not one.startswith("--")]
    default = Path(__file__).parents[2] / "shared/data/human-tunings/tunings.jsonl"
    lines = Path(arguments[0] if arguments else default).read_text().splitlines()
    changes = [_change(json.loads(line)) for line in lines]
    every = [expressed(change) for change in changes]
    offered = [
        None if steps is None else expressed(change, offered=True)
        for change, steps in zip(changes, every, strict=True)
    ]
    found, also = sum(one is not None for one in every), sum(one is not None for one in offered)
    print(f"{len(changes)} changes; expressed exactly by one template or two, any value of a slot's kind: ", end="")
    print(f"{found} ({found / len(changes):.1%}); values that are offered only: {also} ({also / len(changes):.1%})\n")
    _by_template(every)
    _by_kind(changes, every, offered)
    if "--misses" in sys.argv:
        for number, (change, steps) in enumerate(zip(changes, every, strict=True)):
            if steps is None:
                print(f"\n{number} {', '.join(change.kinds)}\n- {change.before}\n+ {change.after}")


def expressed(change: Change, *, offered: bool = False) -> tuple[str, ...] | None:
    """The template, or the two in order, that make the rule after out of the rule before; None: none were found.

    The second step is tried from what the first brought nearer to the rule after.
    """
    if change.after is None:
        made = (rules for rules, _ in _made("dedupe", change, words(change), offered))
        return ("dedupe",) if any(not rules for rules in made) else None
    goal, known = change.after, words(change)
    reached: dict[object, tuple[Rule, str]] = {}
    for rule, name in steps(change.before, change, known, offered):
        if same(rule, goal):
            return (name,)
        reached.setdefault((rule.expr, rule.hold, rule.keep_firing_for, rule.labels), (rule, name))
    far = distance(change.before, change.after)
    nearer = [(distance(rule, change.after), at, rule, name) for at, (rule, name) in enumerate(reached.values())]
    for how_far, _, between, first in sorted(nearer, key=lambda one: one[:2])[:MOST_BETWEEN]:
        if how_far < far:
            for rule, second in steps(between, change, known, offered):
                if same(rule, goal):
                    return first, second
    return None


def steps(rule: Rule, change: Change, known: Words, offered: bool) -> Iterator[tuple[Rule, str]]:
    """What each template alone makes of ``rule``; of two rules that it makes, the one that still pages."""
    for template in TEMPLATES:
        for rules, _ in _made(template.name, replace(change, before=rule), known, offered):
            alerts = [one for one in rules if one.kind == "alert"]
            if len(rules) == 1 and alerts:
                yield alerts[0], template.name


def _made(name: str, change: Change, known: Words, offered: bool) -> Iterator[tuple[tuple[Rule, ...], Slots]]:
    template = next((one for one in TEMPLATES if one.name == name), None)
    if template is None:
        return
    cluster = cluster_of(change, known, offered)
    try:
        slots = template.slots(cluster)
    except ValueError:
        return  # what does not parse
    for filled in islice(_fillings(slots or (), change, known, offered), MOST_FILLINGS) if slots else ():
        try:
            yield template.render(cluster, filled), filled
        except (ValueError, KeyError):
            continue


def _fillings(slots: Sequence[Slot], change: Change, known: Words, offered: bool) -> Iterator[Slots]:
    values = [tuple(_values(slot, change, known, offered)) for slot in slots]
    for picked in product(*values):
        yield Slots(tuple((slot.name, value) for slot, value in zip(slots, picked, strict=True)))


def _values(slot: Slot, change: Change, known: Words, offered: bool) -> Iterable[SlotValue]:
    """Values of the slot's kind that could lead to the rule after; of those, where it is asked, what is offered."""
    choices = [choice.value for choice in slot.choices]
    if slot.name in SEVERAL:
        return dict.fromkeys(_picks(slot, known, offered))
    if all(isinstance(value, int) for value in choices):
        rules = [change.before, change.after or change.before]
        waits = {"for": [one.hold for one in rules], "keep_firing_for": [one.keep_firing_for for one in rules]}
        wanted: list[SlotValue] = [*dict.fromkeys(waits.get(slot.name, known.durations))]
        return [one for one in wanted if one in choices] if offered else wanted
    if all(isinstance(value, float) for value in choices):
        numbers: list[SlotValue] = [*(known.factors if slot.name == "factor" else known.numbers)]
        return [one for one in numbers if one in choices] if offered else numbers
    if slot.name == "selectors" and not offered:
        return dict.fromkeys([*choices, *(f"s{at}" for at in range(12))])
    if slot.name == "number" and not offered:
        return dict.fromkeys([*choices, *(f"n{at}" for at in range(12))])
    if change.after is not None and slot.name in change.after.labels and not offered:
        return dict.fromkeys([*choices, change.after.labels[slot.name]])
    return choices


def _picks(slot: Slot, known: Words, offered: bool) -> Iterator[tuple[str, ...]]:
    """One pick each; all those that belong together."""
    names = [str(choice.value) for choice in slot.choices]
    for name in names:
        if slot.name != "by" or any(name in labels for labels in known.groupings):
            yield (name,)
    if slot.name == "by":
        for labels in known.groupings:
            if set(labels) <= set(names) and len(labels) <= (slot.most if offered else len(labels)):
                yield tuple(one for one in names if one in labels)
        return
    apart: dict[str, list[str]] = {}
    for name in names:
        apart.setdefault(name.split("=")[0].split("~")[0], []).append(name)
    for group in (*apart.values(), names):
        if len(group) <= (slot.most if offered else len(group)):
            yield tuple(group)
    if slot.name == "targets" and not offered:
        for label, pattern in dict.fromkeys((*known.excluded, *known.wanted)):
            yield (f"{label}~{pattern}",)
        for pairs in (known.excluded, known.wanted):
            for label in dict.fromkeys(label for label, _ in pairs):
                yield tuple(f"{label}~{pattern}" for name, pattern in pairs if name == label)


def cluster_of(change: Change, known: Words, offered: bool) -> Cluster:
    """The rule before with an inventory of what the rule after speaks of."""
    rule = change.before
    names = list(dict.fromkeys([*(name for group in known.groupings for name in group), *SCRAPED]))
    found = _comparison(rule.expr)
    limits = {found.threshold * f for f in FACTORS} | {found.threshold / f for f in FACTORS} if found else set()
    inventory = Inventory(
        labels=tuple((name, 2) for name in names),
        values=known.excluded,
        thresholds=tuple(sorted(limits if offered else known.numbers)),
        conditions=known.conditions,
        counters=_bare(rule.expr),
        telling=known.wanted,
        marks=known.labels,
    )
    return Cluster(
        "c", rule, PLACE, MINUTE, Grade.METRICS, Pattern.MIXED, FACTS, inventory, (), (replace(OTHER, equal=()),)
    )


def words(change: Change) -> Words:
    """What the rule after says that may be needed to get there from the rule before."""
    before, after = change.before, change.after or change.before
    old, new = _tree(before.expr), _tree(after.expr)
    groupings = [_by(node) for node in new] + [_by(node) for node in old]
    pairs = {True: _matchers(new), False: _matchers(old)}
    fresh = [one for one in pairs[True] if one not in pairs[False]]
    gone = [one for one in pairs[False] if one not in pairs[True]]
    marks = [(name, after.labels.get(name, "")) for name in sorted({*before.labels, *after.labels})]
    return Words(
        durations=tuple(
            dict.fromkeys((before.hold, after.hold, before.keep_firing_for, after.keep_firing_for, *_durations(new)))
        ),
        numbers=tuple(sorted({value for node in new if (value := constant(node)) is not None})),
        factors=tuple(sorted(_factors(old, new))),
        excluded=tuple(
            dict.fromkeys(
                [(name, text) for name, negative, text in fresh if negative]
                + [(name, text) for name, negative, text in gone if not negative]
            )
        ),
        wanted=tuple(dict.fromkeys((name, text) for name, negative, text in fresh if not negative)),
        groupings=tuple(dict.fromkeys(group for group in groupings if group is not None)),
        conditions=tuple(dict.fromkeys(_conditions(new))),
        labels=tuple((name, value) for name, value in marks if before.labels.get(name, "") != value),
    )


def same(rule: Rule, goal: Rule) -> bool:
    """Whether both do the same. What is cheap to compare comes first."""
    waits = rule.hold == goal.hold and rule.keep_firing_for == goal.keep_firing_for
    return waits and rule.labels == goal.labels and _normal(rule.expr) == _normal(goal.expr)


def distance(rule: Rule, goal: Rule) -> int:
    """How many pieces of text the two do not share, and how many of the other fields differ."""
    left, right = Counter(_pieces(rule.expr)), Counter(_pieces(goal.expr))
    for side, one in ((left, rule), (right, goal)):
        side.update(f"{name}={value}" for name, value in one.labels.pairs)
        side[f"for {one.hold}"] += 1
        side[f"keep {one.keep_firing_for}"] += 1
    return ((left - right) + (right - left)).total()


def _pieces(expr: str) -> list[str]:
    return re.findall(r"\w+|[^\w\s]", _normal(expr))


def _by_template(every: Sequence[tuple[str, ...] | None]) -> None:
    print("| template | in how many |")
    print("|---|---|")
    used = Counter(name for steps in every if steps for name in steps)
    for name, count in sorted(used.items(), key=lambda one: (-one[1], one[0])):
        print(f"| `{name}` | {count} |")


def _by_kind(
    changes: Sequence[Change], every: Sequence[tuple[str, ...] | None], offered: Sequence[tuple[str, ...] | None]
) -> None:
    """A change of several kinds counts for each of them."""
    print("\n| kind of change | changes | expressed | from offered values | missed |")
    print("|---|---|---|---|---|")
    rows: dict[str, list[int]] = {}
    for change, found, also in zip(changes, every, offered, strict=True):
        for kind in change.kinds:
            row = rows.setdefault(kind, [0, 0, 0])
            for at, yes in enumerate((True, found is not None, also is not None)):
                row[at] += yes
    for kind, (count, found_, also_) in sorted(rows.items(), key=lambda one: (-one[1][0], one[0])):
        print(f"| {kind} | {count} | {found_} | {also_} | {count - found_} |")


def _change(record: dict[str, Any]) -> Change:
    after = None if record["after"] is None else _rule(record["after"])
    return Change(_rule(record["before"]), after, tuple(record["families"]))


def _rule(given: dict[str, Any]) -> Rule:
    hold, keep = (_duration(given.get(key)) for key in ("for", "keep_firing_for"))
    labels = Labels({name: str(value) for name, value in given["labels"].items()})
    return Rule(given["alert"], readable(given["expr"]), "alert", hold, keep, labels)


def _duration(text: str | None) -> int:
    """Text that a program fills in becomes a duration that stands for it."""
    try:
        return parse_duration(text or "0s")
    except ValueError:
        return HOUR * 1000 + sum(map(ord, text or ""))


@lru_cache(maxsize=4096)
def _normal(expr: str) -> str:
    try:
        return normal(expr)
    except ValueError:
        return expr


def _tree(expr: str) -> list[pp.Expr]:
    try:
        return [node for node, _ in nodes(pp.parse(expr))]
    except ValueError:
        return []


def _comparison(expr: str) -> Any:
    try:
        return comparison(expr)
    except ValueError:
        return None


def _bare(expr: str) -> tuple[str, ...]:
    try:
        return bare(expr)
    except ValueError:
        return ()


def _by(node: pp.Expr) -> tuple[str, ...] | None:
    if not isinstance(node, pp.AggregateExpr) or node.modifier is None:
        return None
    return tuple(sorted(node.modifier.labels)) if node.modifier.type == pp.AggModifierType.By else None


def _matchers(pieces: Iterable[pp.Expr]) -> list[tuple[str, bool, str]]:
    """Label, whether it is left out, pattern: one for each alternative."""
    found = []
    for node in pieces:
        if isinstance(node, pp.VectorSelector | pp.MatrixSelector):
            selector = node.vector_selector if isinstance(node, pp.MatrixSelector) else node
            for one in selector.matchers.matchers:
                negative = one.op in (pp.MatchOp.NotEqual, pp.MatchOp.NotRe)
                plain = one.op in (pp.MatchOp.NotEqual, pp.MatchOp.Equal)
                found += [(one.name, negative, text) for text in ([one.value] if plain else branches(one.value))]
    return found


def _factors(old: Iterable[pp.Expr], new: Iterable[pp.Expr]) -> set[float]:
    before, after = ({node.val for node in pieces if isinstance(node, pp.NumberLiteral)} for pieces in (old, new))
    return {float(f"{two / one:.15g}") for one in before for two in after - before if one}


def _conditions(pieces: Iterable[pp.Expr]) -> Iterator[Condition]:
    for node in pieces:
        if isinstance(node, pp.BinaryExpr) and str(node.op) in ("and", "unless"):
            matching = node.modifier.matching if node.modifier is not None else None
            on = None
            if matching is not None and matching.type == pp.LabelModifierType.Include:
                on = tuple(matching.labels)
            elif matching is not None and matching.labels:
                continue
            yield Condition("second signal", "and" if str(node.op) == "and" else "unless", node.rhs.prettify(), on)


def _ms(length: timedelta | None) -> int:
    return 0 if length is None else round(length.total_seconds() * 1000)


def _durations(pieces: Iterable[pp.Expr]) -> Iterator[int]:
    for node in pieces:
        if isinstance(node, pp.MatrixSelector | pp.SubqueryExpr):
            yield _ms(node.range)
        selector = node.vector_selector if isinstance(node, pp.MatrixSelector) else node
        if isinstance(selector, pp.VectorSelector) and selector.offset is not None:
            yield _ms(selector.offset)


if __name__ == "__main__":
    main()
