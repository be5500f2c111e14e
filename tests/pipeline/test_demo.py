"""What the demo shows: the kinds of noise that were planted in its history, by name."""

from __future__ import annotations

import json

from rulegen.cli.history import read
from rulegen.cli.sources import Sources
from rulegen.core.cluster import Pattern
from rulegen.core.settings import Settings
from rulegen.desk import Desk
from rulegen.score.parts import split
from rulegen.shipped import shipped

# Planted as something else, which the figures do not show: the twin fires longer than its double and is only covered
# by it; the chronic fault shows by day alone; single pods never go together; a threshold of 0 has no tenth.
OTHERWISE = {
    "PodMemoryHigh": Pattern.TIGHT_THRESHOLD,
    "ReplicationLag": Pattern.SEASONAL,
    "EndpointDown": Pattern.MIXED,
    "PodRestarted": Pattern.MIXED,
}


def test_the_demo_names_the_planted_kinds_of_noise() -> None:
    home = shipped("datasets/demo")
    sources = Sources(metrics=home / "metrics.om.gz", rules=(home / "rules.yml",), incidents=home / "incidents.csv")
    desk = Desk.of(read(sources, lambda *_: None).history, Settings(), lambda _: (), 60_000, lambda *_: None)
    named = {one.rule.name: one.pattern for one in desk.select(split(desk.judge)).clusters}
    planted = {one["rule"]: one["pattern"] for one in json.loads((home / "truth.json").read_text())["rules"]}
    assert named == {
        name: OTHERWISE.get(name, Pattern(pattern)) for name, pattern in planted.items() if pattern is not None
    }
    assert len(set(named.values()) - {Pattern.MIXED}) >= 6
