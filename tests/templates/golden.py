"""The templates' cases: a rule, what is known of its noise, filled slots by their tokens, the rules that come out."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from histories import PATH, ref
from ruamel.yaml import YAML

from rulegen.core.candidate import Slot, Slots, SlotValue
from rulegen.core.cluster import (
    Cluster,
    Companion,
    Condition,
    Facts,
    Grade,
    Inventory,
    Level,
    Pattern,
    Relation,
    Service,
)
from rulegen.core.durations import MINUTE, parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.timeinterval import TimeInterval
from rulegen.templates import TEMPLATES
from rulegen.templates.template import Template

CASES = Path(__file__).parent / "cases"
BY_NAME = {template.name: template for template in TEMPLATES}


@dataclass(frozen=True)
class Case:
    template: Template
    name: str
    cluster: Cluster
    choices: dict[str, list[str]] | None  # slot → tokens, in order; None: the template does not fit
    slots: dict[str, str | list[str]]  # slot → token, or tokens
    rules: tuple[Rule, ...]
    routing: tuple[str, ...] = ()  # in words

    def filled(self) -> Slots:
        offered = self.template.slots(self.cluster)
        assert offered is not None
        return Slots(tuple((slot.name, _value(slot, self.slots[slot.name])) for slot in offered))


def cases() -> list[Case]:
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        for given in YAML(typ="safe").load(path.read_text()):
            found.append(_case(BY_NAME[path.stem], given))
    return found


def rule(given: dict[str, Any]) -> Rule:
    kind = "alert" if "alert" in given else "record"
    waits = [parse_duration(given.get(key, "0s")) for key in ("for", "keep_firing_for")]
    labels = Labels(given.get("labels", {}))
    return Rule(given[kind], given["expr"], kind, *waits, labels)  # type: ignore[arg-type]


def cluster(
    old: Rule, inventory: Inventory, series: int = 4, grade: Grade = Grade.METRICS, place: RuleRef | None = None
) -> Cluster:
    facts = Facts(20, 90.0, 10.0, series, 2 * MINUTE, 9 * MINUTE, 4 * MINUTE, 0.5, 0.1, 0.4, 0.01, 0.2, 1)
    return Cluster("c-1", old, place or ref(), MINUTE, grade, Pattern.MIXED, facts, inventory, ())


def _case(template: Template, given: dict[str, Any]) -> Case:
    known = given.get("known", {})
    inventory = Inventory(
        metrics=(),
        labels=tuple(known.get("labels", {}).items()),
        values=tuple((label, value) for label, value in known.get("values", [])),
        thresholds=tuple(map(float, known.get("thresholds", []))),
        conditions=tuple(_condition(one) for one in known.get("conditions", [])),
        counters=tuple(known.get("counters", [])),
        telling=tuple((label, value) for label, value in known.get("telling", [])),
        marks=tuple((label, value) for label, value in known.get("marks", [])),
        quiet_hours=tuple(map(_hours, known.get("quiet_hours", []))),
        service=_service(known["service"]) if "service" in known else None,
        reach=parse_duration(known.get("reach", "0s")),
    )
    place = RuleRef(known.get("path", PATH), "g", 0)
    about = cluster(rule(given["rule"]), inventory, known.get("series", 4), place=place)
    about = replace(about, facts=replace(about.facts, vanished_share=known.get("vanished_share", 0.0)))
    companions = tuple(_companion(number, one) for number, one in enumerate(known.get("companions", [])))
    interval = parse_duration(known.get("interval", "1m"))
    return Case(
        template,
        f"{template.name}: {given['case']}",
        replace(about, companions=companions, interval=interval),
        given.get("choices"),
        given.get("slots", {}),
        tuple(rule(one) for one in given.get("rules", [])),
        tuple(given.get("routing", [])),
    )


def _condition(given: dict[str, Any]) -> Condition:
    on = given.get("on")
    return Condition(given["kind"], given["join"], given["expr"], None if on is None else tuple(on))


def _hours(given: dict[str, Any]) -> TimeInterval:
    """Ranges of hours of the day, the last excluded, and of weekdays (Sunday is 0), both ends included."""
    times = tuple((start * 60, end * 60) for start, end in given["hours"])
    weekdays = tuple((first, last) for first, last in given["weekdays"]) if "weekdays" in given else None
    return TimeInterval(times=times, weekdays=weekdays)


def _service(given: dict[str, Any]) -> Service:
    return Service(given["expr"], tuple(Level(**level) for level in given["levels"]))


def _companion(number: int, given: dict[str, Any]) -> Companion:
    equal = tuple(given.get("equal", ()))
    return Companion(ref(number + 1), Labels(given["labels"]), Relation(given["relation"]), MINUTE, 0.9, 20.0, equal)


def _value(slot: Slot, tokens: str | list[str]) -> SlotValue:
    named = {choice.token: choice.value for choice in slot.choices}
    if slot.most == 1:
        (token,) = [tokens] if isinstance(tokens, str) else tokens
        return named[token]
    return tuple(str(choice.value) for choice in slot.choices if choice.token in tokens)
