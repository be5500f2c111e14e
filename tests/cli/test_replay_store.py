"""`rulegen replay --store`: what recorded alerts can tell of rules without samples, and what is said of the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from storing import keep

DAY = 86_400
RULES = """\
groups:
  - name: g
    interval: 1m
    rules:
      - {alert: High, expr: m > 5, for: 2m, labels: {severity: page}}
      - {alert: Unheard, expr: n > 5, labels: {severity: page}}
"""
HIGH = {"alertname": "High", "severity": "page", "cluster": "eu"}  # with an external label


def store(home: Path) -> Path:
    """Ten days of High: for four minutes an hour, and once a day for fifty."""
    short = [(HIGH, 3600 * k, 3600 * k + 240) for k in range(1, 240) if k % 24]
    return keep(home / "alerts.db", [*short, *((HIGH, DAY * k, DAY * k + 3000) for k in range(1, 10))])


def rules(home: Path, text: str = RULES, name: str = "rules.yml") -> Path:
    path = home / name
    path.write_text(text)
    return path


def replayed(done: Any) -> dict[str, dict[str, Any]]:
    return {one["rule"]: one for one in json.loads(done.stdout)["rules"]}


def test_without_rules_there_is_nothing_to_replay(rulegen: Run, tmp_path: Path) -> None:
    done = rulegen("replay", "-q", "--store", store(tmp_path))
    message = "no rules to replay: give --rules PATH, or --prometheus URL for the rules of a server"
    assert (done.returncode, done.stderr) == (2, f"rulegen: {message}\n")
    only = rules(tmp_path, "groups: [{name: g, rules: [{record: a, expr: b}]}]\n")
    done = rulegen("replay", "-q", "--store", store(tmp_path), "--rules", only)
    assert (done.returncode, done.stderr) == (2, f"rulegen: {only}: no alerting rule to replay\n")


def test_what_was_recorded_stands_in_and_the_rest_is_named(rulegen: Run, tmp_path: Path) -> None:
    given = ("replay", "-q", "--store", store(tmp_path), "--rules", rules(tmp_path))
    done = rulegen(*given, "--format", "json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    (high,) = found["rules"]
    assert (high["rule"], high["grade"], len(high["firings"])) == ("High", "alerts", 239)
    assert high["firings"][0]["labels"] == HIGH
    why = "there are no samples of what it reads, and no alert of this name was recorded"
    assert found["unscored"] == [{"at": f"{tmp_path}/rules.yml:6", "rule": "Unheard", "why": why}]
    table = rulegen(*given).stdout
    assert "replayed from their recorded alerts (grade alerts): High (1 rule)" in table
    assert f"Unheard: not replayed: {why}" in table


def test_a_longer_wait_can_be_compared_a_threshold_not(rulegen: Run, tmp_path: Path) -> None:
    only = RULES.replace("      - {alert: Unheard, expr: n > 5, labels: {severity: page}}\n", "")
    given = ("replay", "-q", "--store", store(tmp_path), "--rules", rules(tmp_path, only), "--format", "json")
    longer = rules(tmp_path, only.replace("for: 2m", "for: 12m"), "longer.yml")
    done = rulegen(*given, "--compare", longer)
    found = json.loads(done.stdout)
    assert done.returncode == 1 and len(found["change"]["lost"]) == 230  # those of four minutes, each a burst
    assert len(found["compared"]["rules"][0]["firings"]) == 9
    higher = rules(tmp_path, only.replace("m > 5", "m > 6"), "higher.yml")
    done = rulegen(*given, "--compare", higher)
    assert done.returncode == 1
    (unscored,) = json.loads(done.stdout)["compared"]["unscored"]
    assert unscored["why"] == "unsupported: a changed expression can't be judged from recorded alerts alone"
    assert rulegen(*given, "--compare", tmp_path / "rules.yml").returncode == 0


def test_rules_of_one_name_share_no_alert(rulegen: Run, tmp_path: Path) -> None:
    text = RULES.replace("alert: Unheard, expr: n > 5, labels: {severity: page}", "alert: High, expr: m > 3")
    text = text.replace("expr: m > 3", "expr: m > 3, labels: {severity: ticket}")
    alerts = [(HIGH, 60, 300), ({**HIGH, "severity": "ticket"}, 60, 600), ({**HIGH, "severity": "ticket"}, 900, 960)]
    path = keep(tmp_path / "alerts.db", alerts)
    done = rulegen("replay", "-q", "--store", path, "--rules", rules(tmp_path, text), "--format", "json")
    assert done.returncode == 0, done.stderr
    assert [len(one["firings"]) for one in json.loads(done.stdout)["rules"]] == [1, 2]


def test_a_rule_that_reads_alerts_reads_those(rulegen: Run, tmp_path: Path) -> None:
    reader = 'alert: Often, expr: "count_over_time(ALERTS{alertname=\\"High\\",alertstate=\\"firing\\"}[1h]) > 30"'
    text = RULES.replace("alert: Unheard, expr: n > 5", reader)
    done = rulegen("replay", "-q", "--store", store(tmp_path), "--rules", rules(tmp_path, text), "--format", "json")
    assert done.returncode == 0, done.stdout
    assert len(replayed(done)["Often"]["firings"]) == 9
    assert replayed(done)["Often"]["grade"] == "metrics"


def test_beside_samples_what_reads_nothing_is_named(rulegen: Run, home: Path) -> None:
    """And is no finding: there was something to look among, and nothing to fire on."""
    both = RULES.replace("m > 5", "queue_length > 80").replace("High", "QueueLong")
    given = ("replay", "-q", "--metrics", "metrics.om", "--rules", rules(home, both, "both.yml"))
    done = rulegen(*given, "--format", "json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["unmatched"] == [{"at": f"{home}/both.yml:6", "rule": "Unheard"}]
    assert "nothing that they read is in the history: Unheard (1 rule)" in rulegen(*given).stdout


@pytest.mark.parametrize("stored", [False, True])
def test_absence_is_only_known_where_somebody_looked(rulegen: Run, home: Path, stored: bool) -> None:
    text = RULES.replace("n > 5", "absent(n)")
    where = ("--store", store(home)) if stored else ("--metrics", "metrics.om")
    done = rulegen("replay", "-q", *where, "--rules", rules(home, text, "absent.yml"), "--format", "json")
    assert done.returncode == stored
    assert ("Unheard" in replayed(done)) is not stored
