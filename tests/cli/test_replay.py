"""`rulegen replay` on the demo history and on a small one, beside what `suggest` says and recorded alerts."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from conftest import Run

DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo"
GIVEN = ("--metrics", DEMO / "metrics.om.gz", "--incidents", DEMO / "incidents.csv")
RULES = ("--rules", DEMO / "rules.yml")


def test_as_suggest_counts_it(rulegen: Run, better: tuple[Path, dict[str, Any]]) -> None:
    rules, said = better
    done = rulegen("replay", "-q", *GIVEN, *RULES, "--compare", rules, "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["mode"] == "incidents" and found["targets"] == 24
    assert set().union(*(rule["caught"] for rule in found["rules"])) == _ids()
    assert found["change"]["pages"] == said["together"]["pages"]
    assert found["change"]["minutes"] == pytest.approx(said["together"]["minutes"])
    assert (found["change"]["lost"], found["change"]["later"]) == ([], [])
    for rule in found["rules"]:
        assert len(rule["delays"]) == len(rule["resets"]) == len(rule["caught"])
        assert set(rule["alone"]) <= set(rule["first"]) <= set(rule["caught"])
        caught = [one for one in rule["firings"] if one["verdict"] == "caught"]
        assert bool(caught) == bool(rule["caught"])
        assert all(one["pending"] <= one["start"] <= one["end"] for one in rule["firings"])
    # Of each caught incident some rule was the first, and at most one caught it alone.
    alone = [one for rule in found["rules"] for one in rule["alone"]]
    assert len(alone) == len(set(alone))
    assert set().union(*(rule["first"] for rule in found["rules"])) == _ids()


def _ids() -> set[str]:
    return {line.split(",")[0] for line in (DEMO / "incidents.csv").read_text().splitlines()[1:]}


def test_a_rule_that_is_gone_loses_what_it_caught_alone(rulegen: Run, tmp_path: Path) -> None:
    text = (DEMO / "rules.yml").read_text()
    without = tmp_path / "without.yml"
    without.write_text(
        re.sub(
            r"(- alert: WorkersSaturated\n.*?expr:).*?\n(        (?:for|labels):)",
            r"\1 vector(1) > 2\n\2",
            text,
            flags=re.S,
        )
    )
    assert without.read_text() != text
    done = rulegen("replay", "-q", *GIVEN, *RULES, "--compare", without, "--format", "json")
    found = json.loads(done.stdout)
    (gone,) = (rule for rule in found["rules"] if rule["rule"] == "WorkersSaturated")
    assert gone["alone"] and found["change"]["lost"] == gone["alone"]
    assert done.returncode == 1


def test_notifications_are_counted_by_receiver(rulegen: Run) -> None:
    done = rulegen("replay", "-q", *GIVEN, *RULES, "--alertmanager", DEMO / "alertmanager.yml", "--format", "json")
    counts = json.loads(done.stdout)["notifications"]
    assert all(len(weeks) == 3 for weeks in counts.values())
    firings = sum(len(rule["firings"]) for rule in json.loads(done.stdout)["rules"])
    assert sum(counts["pager"]) > 0
    assert firings


def test_without_incidents_bursts_are_kept(rulegen: Run) -> None:
    done = rulegen("replay", "-q", "--metrics", DEMO / "metrics.om.gz", *RULES, "--compare", DEMO / "rules.yml")
    assert done.returncode == 0, done.stderr
    assert "870 bursts" in done.stdout
    assert "nothing that was caught is lost or caught too late" in done.stdout


RULE = """\
groups:
  - name: g
    interval: 1m
    rules:
      - {alert: High, expr: m > 5, for: 2m, labels: {severity: page}}
"""


def history(path: Path, recorded: list[tuple[int, int]]) -> Path:
    """An hour in which m is above 5 from minute 10 to 19 and 40 to 44, and ALERTS as ``recorded`` (minutes)."""
    lines = [f"m {9 if 10 <= k < 20 or 40 <= k < 45 else 1} {60 * k}" for k in range(60)]
    for first, last in recorded:
        labels = '{alertname="High",alertstate="firing",severity="page"}'
        lines += [f"ALERTS{labels} 1 {60 * k + 7}" for k in range(first, last + 1)]
    path.write_text("\n".join([*lines, "# EOF\n"]))
    return path


@pytest.mark.parametrize(
    ("recorded", "figures", "code"),
    [
        ([(12, 19), (42, 44)], (2, 0, 0), 0),  # as Prometheus would have it, seven seconds later
        ([(12, 19)], (1, 0, 1), 1),
        ([(12, 19), (42, 44), (52, 54)], (2, 1, 0), 1),
        ([(15, 19), (42, 44)], (1, 1, 1), 1),  # began three minutes too late
    ],
)
def test_beside_recorded_alerts(
    rulegen: Run, tmp_path: Path, recorded: list[tuple[int, int]], figures: tuple[int, int, int], code: int
) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE)
    metrics = history(tmp_path / "m.om", recorded)
    given = ("--metrics", metrics, "--rules", rules, "--check-against", "ALERTS", "--format", "json")
    done = rulegen("replay", "-q", *given)
    assert done.returncode == code, done.stderr
    (rule,) = json.loads(done.stdout)["alike"]["rules"]
    assert (rule["both"], rule["recorded"], rule["replayed"]) == figures
    assert rulegen("replay", "-q", *given, "--least-alike", "0").returncode == 0


def test_a_rule_that_could_not_be_replayed_is_a_finding(rulegen: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE.replace("m > 5", "info(m) > 5"))
    done = rulegen("replay", "-q", "--metrics", history(tmp_path / "m.om", []), "--rules", rules)
    assert done.returncode == 1
    assert "not replayed: unsupported" in done.stdout


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "xml"), "--format: 'xml' is neither table nor json"),
        (("--check-against", "UP"), "--check-against: 'UP': recorded alerts are the series ALERTS"),
        (("--check-against", "ALERTS"), "--check-against: no series ALERTS with alertstate firing in the history"),
        (("--least-alike", "2"), "--least-alike: 2 is no share; give 0 to 1"),
        (("--compare", "none.yml"), "none.yml: no such file"),
        (("--alertmanager", "none.yml"), "none.yml: no such file"),
    ],
)
def test_bad_options(rulegen: Run, tmp_path: Path, options: tuple[str, ...], message: str) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE)
    done = rulegen("replay", "-q", "--metrics", history(tmp_path / "m.om", []), "--rules", rules, *options)
    assert (done.returncode, done.stderr) == (2, f"rulegen: {message}\n")


def test_alerts_of_a_rule_that_is_gone_are_recorded_only(rulegen: Run, tmp_path: Path) -> None:
    rules = tmp_path / "rules.yml"
    rules.write_text(RULE.replace("High", "Higher").replace("m > 5", "m > 50"))
    metrics = history(tmp_path / "m.om", [(12, 19)])
    given = ("--metrics", metrics, "--rules", rules, "--check-against", "ALERTS")
    done = rulegen("replay", "-q", *given, "--format", "json")
    assert done.returncode == 1
    alike = json.loads(done.stdout)["alike"]
    assert [(one["rule"], one["recorded"]) for one in alike["rules"]] == [("Higher", 0), ("High", 1)]
    assert alike["share"] == 0


def test_a_changed_recording_rule_is_recorded_anew(rulegen: Run, tmp_path: Path) -> None:
    """Also where the history holds what the old rule recorded, and for what reads it through another."""
    rules = """\
groups:
  - name: g
    rules:
      - {record: level, expr: m}
      - {record: level:max, expr: max(level)}
      - {alert: High, expr: "level:max > 5", labels: {severity: page}}
"""
    lines = [f"{name} {9 if 30 <= k < 40 else 1} {60 * k}" for name in ("m", "level", "level:max") for k in range(60)]
    (tmp_path / "m.om").write_text("\n".join([*lines, "# EOF\n"]))
    (tmp_path / "old.yml").write_text(rules)
    (tmp_path / "new.yml").write_text(rules.replace("expr: m}", "expr: m * 0}"))
    given = ("--metrics", tmp_path / "m.om", "--rules", tmp_path / "old.yml", "--format", "json")
    same = rulegen("replay", "-q", *given, "--compare", tmp_path / "old.yml")
    assert (same.returncode, len(json.loads(same.stdout)["rules"][0]["firings"])) == (0, 1)
    done = rulegen("replay", "-q", *given, "--compare", tmp_path / "new.yml")
    found = json.loads(done.stdout)
    assert done.returncode == 1
    assert len(found["change"]["lost"]) == 1
    assert found["compared"]["rules"][0]["firings"] == []


def test_a_rule_that_cannot_be_read_is_a_finding(rulegen: Run, tmp_path: Path) -> None:
    """Left out it would look like less noise."""
    metrics = history(tmp_path / "m.om", [])
    good, bad = tmp_path / "good.yml", tmp_path / "bad.yml"
    more = "      - {alert: Other, expr: m > 3, labels: {severity: page}}\n"
    good.write_text(RULE + more)
    bad.write_text(RULE.replace("m > 5", '"raet(m[5m]) > 5"') + more)
    given = ("--metrics", metrics, "--format", "json")
    done = rulegen("replay", "-q", *given, "--rules", good, "--compare", bad)
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["unscored"], len(found["compared"]["unscored"])) == ([], 1)
    assert "raet" in found["compared"]["unscored"][0]["why"]
    alone = rulegen("replay", "-q", *given, "--rules", bad)
    assert (alone.returncode, len(json.loads(alone.stdout)["unscored"])) == (1, 1)
