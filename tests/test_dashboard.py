"""The Grafana dashboard asks for metrics that exist, in PromQL that parses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import promql_parser as pp
import pytest

from rulegen.batch.metrics import METRICS
from rulegen.batch.state import STATUSES
from rulegen.core.durations import HOUR
from rulegen.listen.meters import Meters
from rulegen.promql import selectors
from rulegen.templates import burn_rate

FILE = Path(__file__).resolve().parents[1] / "docs" / "ops" / "grafana-dashboard.json"
BOARD: dict[str, Any] = json.loads(FILE.read_text())
PANELS = [panel for panel in BOARD["panels"] if panel["type"] != "row"]
EXPRESSIONS = [target["expr"] for panel in PANELS for target in panel["targets"]]


@pytest.fixture(scope="module")
def known() -> set[str]:
    own = {sample.name for metric in Meters().registry.collect() for sample in metric.samples}
    own |= {name + end for name in tuple(own) for end in ("_bucket", "_sum", "_count")}
    return own | set(METRICS) | {"rulegen_listen_commit_seconds_bucket"}


@pytest.mark.parametrize("expr", EXPRESSIONS)
def test_reads_what_is_there(expr: str, known: set[str]) -> None:
    pp.parse(expr)
    for selector in selectors(expr):
        named = [one for one in selector.matchers if one.name == "__name__"]
        (name,) = named
        if name.op == "=~":  # the recording rules of a template, whose names hold the rule's
            made = burn_rate.recorded_name("SlowRequests_0a1b2c", HOUR)
            assert re.fullmatch(name.value, made)
        else:
            assert name.value in known
        for one in selector.matchers:
            if one.name == "status":
                assert one.value in STATUSES


def test_panels_lie_side_by_side() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in BOARD["panels"]:
        place = panel["gridPos"]
        mine = {
            (x, y)
            for x in range(place["x"], place["x"] + place["w"])
            for y in range(place["y"], place["y"] + place["h"])
        }
        assert not mine & taken and place["x"] + place["w"] <= 24, panel["title"]
        taken |= mine
    assert len({panel["id"] for panel in BOARD["panels"]}) == len(BOARD["panels"])


def test_every_metric_of_the_batch_that_changes_is_shown() -> None:
    shown = " ".join(EXPRESSIONS)
    told_elsewhere = {
        "rulegen_build_info",
        "rulegen_last_run_timestamp_seconds",
        "rulegen_last_run_success",
        "rulegen_history_start_timestamp_seconds",
        "rulegen_history_end_timestamp_seconds",
    }
    assert not [name for name in METRICS if name not in shown and name not in told_elsewhere]
