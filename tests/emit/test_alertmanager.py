"""What is added to an Alertmanager configuration: read again it routes as judged, and amtool takes it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import strategies as st
from ruamel.yaml import YAML

from rulegen.core.candidate import Grouping, Mute, RoutingChange
from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Suggestion
from rulegen.core.routing import Inhibition
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.timeinterval import TimeInterval
from rulegen.emit.alertmanager import added, fragment, spliced
from rulegen.ingest.alertmanager import parse_alertmanager
from rulegen.templates.template import exactly

OLD = Rule("Noisy", "up == 0", labels=Labels({"severity": "page"}))
NOISY = exactly({"alertname": "Noisy", "severity": "page"})
CHANGES: tuple[RoutingChange, ...] = (
    Inhibition(exactly({"alertname": "NodeDown"}), NOISY, ("cluster", "node")),
    Grouping(NOISY, ("alertname", "cluster"), MINUTE, 10 * MINUTE, 12 * HOUR),
    Mute(
        exactly({"alertname": "Other"}),
        (TimeInterval(times=((120, 240),), weekdays=((0, 0), (2, 4))), TimeInterval(times=((0, 1440),))),
    ),
)
ALERTS = (
    Labels({"alertname": "Noisy", "severity": "page", "team": "a", "node": "n1"}),
    Labels({"alertname": "Noisy", "severity": "page", "team": "b", "node": "n2"}),
    Labels({"alertname": "Other", "severity": "page", "team": "a"}),
)
CONFIGS = {
    "least": "route:\n  receiver: r\nreceivers:\n  - name: r\n",
    "no line end": "receivers:\n- name: r\nroute:\n  receiver: r",
    "all there": """\
# ours
global:
  resolve_timeout: 5m
inhibit_rules:
  # the big one
  - source_matchers: [alertname="ClusterDown"]
    target_matchers: [severity="page"]   # everything
    equal: [cluster]
time_intervals:
  - name: rulegen
    time_intervals:
      - weekdays: ['saturday', 'sunday']
route:
  receiver: default
  group_by: [alertname, node]
  routes:
    # team a sleeps at weekends
    - matchers: [team="a"]
      receiver: a
      mute_time_intervals: [rulegen]
      continue: true
    - matchers: [severity="page"]
      receiver: pager
      routes:
        - matchers: [team="b"]
          group_wait: 10s
  # the end of the tree
receivers:
  - name: default
  - name: a
  - name: pager
""",
    "empty lists": "inhibit_rules: []\nroute:\n  receiver: r\n  routes:\nreceivers:\n  - name: r\n",
    "windows": "route:\r\n  receiver: r\r\n  routes:\r\n    - receiver: q\r\n      matchers: ['team=\"b\"']\r\n"
    "receivers:\r\n  - name: r\r\n  - name: q\r\n",
}
FLOW = "route: {receiver: r, routes: [{matchers: ['a=b'], receiver: r}]}\nreceivers: [{name: r}]\n"


Make = Callable[..., list[Suggestion]]


@pytest.fixture(scope="module")
def suggestions(make_suggestion: Callable[..., Suggestion]) -> Make:
    def made(*changes: RoutingChange) -> list[Suggestion]:
        found = []
        for number, change in enumerate(changes):
            one = make_suggestion(RuleRef("r.yml", "g", number), OLD, OLD, id=f"s-{number}-routing", template="group")
            found.append(replace(one, candidate=replace(one.candidate, change="routing", routing=(change,))))
        return found

    return made


def amtool(path: Path) -> None:
    done = subprocess.run(["amtool", "check-config", path], capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
@pytest.mark.parametrize("which", [(0,), (1,), (2,), (0, 1, 2), (2, 1, 0)], ids=str)
def test_the_users_file_with_it_routes_as_judged(
    text: str, which: tuple[int, ...], tmp_path: Path, suggestions: Make
) -> None:
    routing, source = parse_alertmanager(text, "am.yml")
    wanted = suggestions(*(CHANGES[k] for k in which))
    new = spliced(wanted, routing, source, ALERTS)
    assert new is not None
    assert parse_alertmanager(new, "am.yml")[0] == added(wanted, routing, ALERTS) != routing
    (tmp_path / "am.yml").write_bytes(new.encode())
    amtool(tmp_path / "am.yml")
    old = [line for line in text.splitlines() if "[]" not in line]
    rest = iter(new.splitlines())
    assert all(line in rest for line in old), "every old line stands there still, in order"
    assert ("\r\n" in text) == ("\r\n" in new) and new.count("\r\n") in (0, new.count("\n"))


def test_what_is_written_in_braces_is_left_alone(suggestions: Make) -> None:
    routing, source = parse_alertmanager(FLOW, "am.yml")
    assert spliced(suggestions(CHANGES[1]), routing, source, ALERTS) is None
    assert spliced(suggestions(CHANGES[0]), routing, source, ALERTS) is not None  # a key of its own at the top


@pytest.mark.parametrize("text", CONFIGS.values(), ids=CONFIGS)
def test_amtool_takes_the_fragment_inside_a_whole_configuration(text: str, tmp_path: Path, suggestions: Make) -> None:
    routing, _ = parse_alertmanager(text, "am.yml")
    wanted = suggestions(*CHANGES)
    yaml = YAML(typ="safe")
    whole, more = yaml.load(text), yaml.load(fragment(wanted, routing, ALERTS))
    for key in ("inhibit_rules", "time_intervals"):
        whole[key] = [*(whole.get(key) or []), *more[key]]
    whole["route"]["routes"] = [*more["route"]["routes"], *(whole["route"].get("routes") or [])]
    with (tmp_path / "am.yml").open("w") as file:
        YAML().dump(whole, file)
    amtool(tmp_path / "am.yml")


@unhurried
@given(name=st.text(min_size=1), value=st.text())
def test_names_and_values_from_outside_stay_what_they_are(suggestions: Make, name: str, value: str) -> None:
    """Alert names and label values are written by strangers; they come back as they were or not at all."""
    try:
        name.encode(), value.encode()
    except UnicodeEncodeError:
        return
    text = CONFIGS["least"]
    routing, source = parse_alertmanager(text, "am.yml")
    wanted = suggestions(Inhibition(exactly({"alertname": name}), exactly({"alertname": value or "x"}), ("a",)))
    new = spliced(wanted, routing, source, ())
    assert new is not None and parse_alertmanager(new, "am.yml")[0] == added(wanted, routing, ())
