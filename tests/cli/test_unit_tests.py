"""The unit tests that `suggest` writes, put to promtool; rules as resources; and the user's own unit tests."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import small
from conftest import Run
from histories import promtool
from ruamel.yaml import YAML

from rulegen.ingest.rulefile import read_rules
from rulegen.ingest.unittests import read_unit_tests

DEMO = Path(__file__).resolve().parents[2] / "datasets" / "demo"
SHOP = Path(__file__).resolve().parents[3] / "shared" / "data" / "nezha-onlineboutique"
WHOLE = f"{small.START}..{small.START + small.MINUTES * 60}"
FILES = ("--metrics", "metrics.om", "--rules", "rules.yml")
JUDGED = ("--incidents", "incidents.csv", "--judged", WHOLE, "--lead", "0s")
HOSTILE = "\"}} 1 2 {{ . }}\\n# : 'x' \u202e"


def evidence(out: Path = Path("out")) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "suggestions.json").read_text())
    return found


def as_they_were(out: Path, rules: Path, to: Path) -> Path:
    """The tests in ``out``, beside the old ``rules`` in place of the new ones."""
    shutil.copytree(out / "tests", to / "tests")
    (to / "rules").mkdir()
    shutil.copy(rules, to / "rules" / "rules.yml")
    return to / "tests"


def passes(*files: Path) -> bool:
    done = promtool("test", "rules", *files)
    assert "unmarshal" not in done.stdout + done.stderr
    return done.returncode == 0


def test_of_the_demo_every_claim_is_shown_and_none_holds_of_the_old_rules(
    better: tuple[Path, dict[str, Any]], tmp_path: Path
) -> None:
    rules, said = better
    out = rules.parents[1]
    files = sorted((out / "tests").glob("*.yml"))
    kept = [one for one in said["accepted"] if one["rules"]]  # the others are switched off
    assert {f"tests/{path.name}" for path in files} == {one["test"]["file"] for one in kept}
    assert all((one["test"]["silent"], one["test"]["fires"]) == ("shown", "shown") for one in kept)
    assert len(files) >= 8 and passes(*files)
    for path in as_they_were(out, DEMO / "rules.yml", tmp_path).glob("*.yml"):
        assert not passes(path), f"{path.name}: passes with the rules as they were"


@pytest.mark.skipif(not SHOP.exists(), reason="needs ../shared/data/nezha-onlineboutique")
@pytest.mark.timeout(300)
def test_of_a_real_shop(rulegen: Run, tmp_path: Path) -> None:
    """Two of its services, so that it takes seconds."""
    tree = YAML(typ="safe").load((SHOP / "rules.yml").read_text())
    tree["groups"] = tree["groups"][1:3]
    with (tmp_path / "rules.yml").open("w") as file:
        YAML().dump(tree, file)
    given = ("--metrics", SHOP / "metrics.om.gz", "--incidents", SHOP / "incidents.csv", "--lead", "0s")
    done = rulegen("suggest", "-q", *given, "--rules", tmp_path / "rules.yml", "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    files = sorted((tmp_path / "out" / "tests").glob("*.yml"))
    accepted = evidence(tmp_path / "out")["accepted"]
    tested = [one for one in accepted if one["test"]["file"]]
    assert len(files) == len(tested) >= 4 and passes(*files)
    assert {one["test"]["silent"] for one in accepted if one not in tested} <= {"no alert is left to test"}
    (tmp_path / "old").mkdir()
    for path in as_they_were(tmp_path / "out", tmp_path / "rules.yml", tmp_path / "old").glob("*.yml"):
        assert not passes(path), f"{path.name}: passes with the rules as they were"


def test_a_hostile_label_value_and_annotations(home: Path, rulegen: Run) -> None:
    written = HOSTILE.replace("\\", "\\\\").replace('"', '\\"')
    (home / "metrics.om").write_text(small.metrics().replace("mails", written).replace("orders", f"{written}2"))
    text = small.RULES.replace(
        '"{{ $labels.queue }} is long"', "'{{ $labels.queue }} at {{ $value | humanize }}: \"'"
    )
    (home / "rules.yml").write_text(text)
    start, end = (small.START + minute * 60 for minute in small.INCIDENT)
    (home / "incidents.csv").write_text(f"id,start,end\nI-1,{start},{end}\n")
    done = rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "out")
    assert done.returncode == 0, done.stderr
    (path,) = (home / "out" / "tests").iterdir()
    assert passes(path) and not passes(as_they_were(home / "out", home / "rules.yml", home / "old") / path.name)
    quiet, loud = read_unit_tests(path).tests
    assert [one.labels["queue"] for one in quiet.series] == [HOSTILE]
    (alert,) = loud.alerts[0].alerts
    assert alert.labels["queue"] == f"{HOSTILE}2" and dict(alert.annotations)["summary"] == f'{HOSTILE}2 at 95: "'
    assert "\u202e" not in path.read_text()


def test_recorded_alerts_alone(home: Path, rulegen: Run) -> None:
    """A rule that reads the recorded alerts, and a rule file whose series nobody has: its stand-in is tested."""
    for extra in ((), ("--rules", "rules.yml")):
        out = home / f"out{len(extra)}"
        options = ("--ignore-shorter-than", "5m", "--allowed-delay", "5m", "--no-demote", "--out", out)
        done = rulegen("suggest", "-q", "--alerts", "webhooks.jsonl", *extra, *options)
        assert done.returncode == 0, done.stderr
        (one,) = evidence(out)["accepted"]
        assert one["grade"] == "alerts" and one["test"]["silent"] == one["test"]["fires"] == "shown"
        path = out / one["test"]["file"]
        assert passes(path) and "ALERTS{" in path.read_text()
        (name,) = read_unit_tests(path).rule_files
        assert Path(name).is_relative_to(out / ("tests/rules" if extra else "rules"))


def test_an_earlier_run_leaves_no_test_behind(home: Path, rulegen: Run) -> None:
    assert rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "out").returncode == 0
    assert list((home / "out/tests").iterdir())
    protect = ("--protect", 'alertname="QueueLong"')
    assert rulegen("suggest", "-q", *FILES, *JUDGED, *protect, "--out", "out").returncode == 0
    assert not (home / "out/tests").exists()


def test_rules_and_tests_as_resources(home: Path, rulegen: Run) -> None:
    """A PrometheusRule is nothing that promtool loads: its spec is, and the tests have a plain copy."""
    (home / "in").mkdir()
    (home / "in/My_Queues.yml").write_text("---\n" + small.RULES)
    resource = ("--format", "prometheusrule", "--namespace", "monitoring")
    given = ("--metrics", "metrics.om", "--rules", "in", *JUDGED)
    assert rulegen("suggest", "-q", *given, "--out", "plain").returncode == 0
    done = rulegen("suggest", "-q", *given, *resource, "--out", "out")
    assert done.returncode == 0, done.stderr
    path = home / "out/rules/My_Queues.yml"
    found = YAML(typ="safe").load(path.read_text())
    assert found["apiVersion"] == "monitoring.coreos.com/v1" and found["kind"] == "PrometheusRule"
    assert found["metadata"] == {"name": "my-queues", "namespace": "monitoring"}
    with (home / "spec.yml").open("w") as file:
        YAML().dump(found["spec"], file)
    assert promtool("check", "rules", home / "spec.yml").returncode == 0
    there, here = (read_rules([one])[0] for one in (path, home / "plain/rules/My_Queues.yml"))
    assert [rule.expr for _, _, rule in there] == [rule.expr for _, _, rule in here]
    assert "# rulegen: s-" in path.read_text()
    tests = list((home / "out/tests").glob("*.yml"))
    assert tests and passes(*tests)
    assert (home / "out/tests/rules/My_Queues.yml").read_text() == (home / "plain/rules/My_Queues.yml").read_text()

    # what is a resource already stays one, byte for byte where nothing changes, and is tested through a copy
    given = ("--metrics", "metrics.om", "--rules", path, *JUDGED)
    assert rulegen("suggest", "-q", *given, "--protect", 'severity="page"', *resource, "--out", "o2").returncode == 0
    assert (home / "o2/rules/My_Queues.yml").read_bytes() == path.read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--format", "json"), "neither plain nor prometheusrule"),
        (("--namespace", "x"), "give --format prometheusrule"),
        (("--format", "prometheusrule", "--namespace", "A b"), "is no namespace"),
        (("--rule-tests", "metrics.om"), "metrics.om"),
        (("--rule-tests", "empty"), "no unit tests in this directory"),
    ],
)
def test_what_cannot_be_meant(home: Path, rulegen: Run, options: tuple[str, ...], message: str) -> None:
    (home / "empty").mkdir()
    done = rulegen("suggest", "-q", *FILES, *JUDGED, *options, "--out", "out")
    assert done.returncode == 2 and message in done.stderr
    assert not (home / "out").exists()


def test_a_file_that_can_be_no_resource_is_told_before_the_work(home: Path, rulegen: Run) -> None:
    (home / "rules.yml").write_text(small.RULES + "namespace: team-a\n")
    done = rulegen("suggest", *FILES, *JUDGED, "--format", "prometheusrule", "--out", "out")
    assert done.returncode == 2 and "a spec has groups only, not namespace" in done.stderr
    assert "trying changes" not in done.stderr


TESTS = """\
rule_files: [../rules.yml]
evaluation_interval: 1m
tests:
  - name: long
    input_series: [{series: 'queue_length{queue="a"}', values: '85 85 85 30'}]
    alert_rule_test:
      - {eval_time: 1m, alertname: QueueLong, exp_alerts: [ALERT]}
      - {eval_time: 3m, alertname: QueueLong, exp_alerts: []}
      - {eval_time: 3m, alertname: QueueLong, exp_alerts: [ALERT]}
"""
ALERT = "{exp_labels: {queue: a, severity: page}, exp_annotations: {summary: a is long}}"


def test_the_users_unit_tests(home: Path, rulegen: Run) -> None:
    """One check holds and would not any more, one holds on, and one fails today, for which nobody is blamed."""
    (home / "own").mkdir()
    (home / "own/queue_test.yml").write_text(TESTS.replace("ALERT", ALERT))
    (home / "own/other.yml").write_text("unrelated: true\n")
    done = rulegen("suggest", "-q", *FILES, *JUDGED, "--rule-tests", "own", "--out", "out")
    assert done.returncode == 0, done.stderr
    said = evidence()
    (one,) = said["accepted"]
    (check,) = one["rule_tests_changed"]
    assert check == {
        "file": "own/queue_test.yml",
        "line": 7,
        "test": "long",
        "check": "alert QueueLong at 1m",
        "alert": "QueueLong",
    }
    assert said["rule_tests"]["together"] == [check]
    assert (said["rule_tests"]["files"], said["rule_tests"]["checks"]) == (1, 3)
    assert [one["line"] for one in said["rule_tests"]["failing"]] == [9]
    assert 'changes your unit test own/queue_test.yml:7: test "long": alert QueueLong at 1m' in done.stdout
    assert "Your unit tests: 3 checks of 1 file, 1 check would change, 1 fail already" in done.stdout
    # the judge: promtool, on the file with the rules that were written
    (home / "mine").mkdir()
    shutil.copy(home / "out/rules/rules.yml", home / "rules.yml")
    told = promtool("test", "rules", home / "own/queue_test.yml")
    assert re.findall(r"time: (\w+),", told.stdout + told.stderr) == ["1m", "3m"]


def test_unit_tests_that_still_hold(home: Path, rulegen: Run) -> None:
    (home / "own.yml").write_text(TESTS.replace("../", "").replace("ALERT", ALERT).replace("85 85 85", "100000x9"))
    text = (home / "own.yml").read_text()
    (home / "own.yml").write_text(text.replace("1m, alertname", "9m, alertname").replace("100000x9 30", "95x9"))
    done = rulegen("suggest", "-q", *FILES, *JUDGED, "--rule-tests", "own.yml", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert evidence()["accepted"][0]["rule_tests_changed"] == []
    assert "none would change" in done.stdout
