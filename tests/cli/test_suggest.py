"""``rulegen suggest`` from end to end on a small history."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import small
from conftest import Run
from tinygguf import make_tiny_gguf

from rulegen.ingest.rulefile import read_rules

FILES = ("--metrics", "metrics.om", "--rules", "rules.yml")
WHOLE = f"{small.START}..{small.START + small.MINUTES * 60}"
JUDGED = ("--incidents", "incidents.csv", "--judged", WHOLE, "--lead", "0s")


def evidence(out: Path = Path("out")) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((out / "suggestions.json").read_text())
    return found


def test_metrics_rules_and_incidents(home: Path, rulegen: Run) -> None:
    done = rulegen("suggest", *FILES, *JUDGED, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines() == [
        "rulegen: reading files …",
        "rulegen: replaying the rules as they are …",
        "rulegen: trying changes …",
        "rulegen: trying changes of the routing …",
        "rulegen: cutting unit tests …",
    ]
    (one,) = evidence()["accepted"]
    assert one["grade"] == "metrics" and one["written"]
    assert evidence()["together"]["caught"] == [1, 1] and evidence()["together"]["pages"][1] == 0
    (rule,) = [rule for _, _, rule in read_rules(["out/rules/rules.yml"])[0]]
    assert rule.expr != "queue_length > 80" or rule.hold
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "candidates.jsonl.gz",
        "report.html",
        "report.md",
        "rules",
        "suggestions.json",
        "tests",
    ]
    assert "QueueLong" in done.stdout and "Written to out" in done.stdout


def test_impact_is_a_record_of_incidents(home: Path, rulegen: Run) -> None:
    given = rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "given")
    held = 'queue_length{queue="orders"} > 50'
    found = rulegen("suggest", "-q", *FILES, "--impact", held, "--lead", "0s", "--out", "found")
    assert given.returncode == found.returncode == 0, found.stderr
    assert (home / "given/rules/rules.yml").read_text() == (home / "found/rules/rules.yml").read_text()
    assert evidence(Path("found"))["mode"] == "incidents"


def test_judged_may_be_given_again_and_bounds_what_is_noise(home: Path, rulegen: Run) -> None:
    first = f"{small.START}..{small.START + 100 * 60}"
    second = f"{small.START + 200 * 60}..{small.START + 330 * 60}"
    done = rulegen(
        "suggest", "-q", *FILES, "--incidents", "incidents.csv", "--judged", first, "--judged", second, "--out", "out"
    )
    assert done.returncode == 0, done.stderr
    assert len(evidence()["judged"]) == 2
    # Noise every twenty minutes: 0 to 100, and 200 to 330 without 300 and 320, which lie in the incident.
    assert evidence()["before"]["pages"][0] == 6 + 5
    assert evidence()["unjudged"] == 5
    assert "5 firings unjudged" in done.stdout


@pytest.mark.parametrize(
    ("options", "minutes"),
    [
        (("--since", "1h"), 60),
        (("--start", str(small.START + 240 * 60)), 119),
        (("--start", str(small.START + 60 * 60), "--end", str(small.START + 120 * 60)), 60),
        (("--end", str(small.START + 90 * 60), "--since", "30m"), 30),
        (("--start", "2023-11-14T22:14:00Z"), 359),
    ],
)
def test_the_range_can_be_named(options: tuple[str, ...], minutes: int, home: Path, rulegen: Run) -> None:
    done = rulegen("suggest", "-q", *FILES, *options, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert evidence()["before"]["weeks"] == pytest.approx(minutes / (7 * 24 * 60), rel=1e-4)


def test_what_is_protected_is_left_as_it_is(home: Path, rulegen: Run) -> None:
    done = rulegen("suggest", "-q", *FILES, *JUDGED, "--protect", 'alertname=~"Queue.*"', "--out", "out")
    assert done.returncode == 0, done.stderr
    assert evidence()["accepted"] == evidence()["refused"] == []
    assert (home / "out/rules/rules.yml").read_bytes() == (home / "rules.yml").read_bytes()


def test_range_semantics_say_which_samples_a_window_holds(home: Path, rulegen: Run) -> None:
    """Samples stand exactly a minute apart, so a closed window of a minute holds two of them and an open one one."""
    (home / "rules.yml").write_text(small.RULES.replace("queue_length > 80", "sum_over_time(queue_length[1m]) > 100"))
    pages = {}
    for semantics in ("open", "closed"):
        done = rulegen("suggest", "-q", *FILES, "--range-semantics", semantics, "--out", semantics)
        assert done.returncode == 0, done.stderr
        pages[semantics] = evidence(Path(semantics))["before"]["pages"][0]
    assert pages["open"] == 0 < pages["closed"]


def test_a_selector_that_matched_nothing_is_named(home: Path, rulegen: Run) -> None:
    text = small.RULES + '      - alert: Gone\n        expr: queue_lenght{queue="mails"} > 5\n'
    (home / "rules.yml").write_text(text)
    done = rulegen("suggest", "--strict", *FILES, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert 'queue_lenght{queue="mails"}' in done.stdout + done.stderr


BAD_RULES = small.RULES + "      - alert: Broken\n        expr: sum(up\n      - alert: Nothing\n"
BAD_METRICS = small.metrics().replace("# EOF", 'queue_length{queue="x"} ten 1700000100\n# EOF')


def test_bad_items_among_good_ones_are_named_and_counted(home: Path, rulegen: Run) -> None:
    (home / "rules.yml").write_text(BAD_RULES)
    (home / "metrics.om").write_text(BAD_METRICS)
    done = rulegen("suggest", "-q", *FILES, "--out", "out")
    assert done.returncode == 0
    *named, count = done.stderr.splitlines()
    assert [line.split(": ")[1] for line in named] == ["rules.yml:12", "rules.yml:13", "metrics.om:722"]
    assert count == "rulegen: the rest of the input is used; messages: 2 about rules.yml, 1 about metrics.om"
    tried = [one for one in evidence()["accepted"] + evidence()["refused"] if not one["routing"]]
    assert len(tried) == 1
    strict = rulegen("suggest", "-q", "--strict", *FILES, "--out", "strict")
    assert strict.returncode == 2 and strict.stdout == "" and not (home / "strict").exists()
    assert strict.stderr.splitlines() == named


def test_many_bad_items_are_named_up_to_a_point(home: Path, rulegen: Run) -> None:
    bad = "".join(f"queue_length {number} noon\n" for number in range(50))
    (home / "metrics.om").write_text(small.metrics().replace("# EOF", bad + "# EOF"))
    done = rulegen("suggest", "-q", *FILES, "--out", "out")
    assert done.returncode == 0
    assert "rulegen: metrics.om: 30 more bad lines" in done.stderr
    assert len(done.stderr.splitlines()) == 22


def test_many_bad_rules_are_counted(home: Path, rulegen: Run) -> None:
    bad = "".join(f"      - alert: Broken{number}\n        expr: sum(up\n" for number in range(50))
    (home / "rules.yml").write_text(small.RULES + bad)
    done = rulegen("suggest", "-q", *FILES, "--out", "out")
    assert done.returncode == 0
    *named, more, count = done.stderr.splitlines()
    assert len(named) == 40 and more == "rulegen: … and 10 more like these"
    assert count == "rulegen: the rest of the input is used; messages: 50 about rules.yml"


def test_what_was_written_before_stays_when_a_run_fails(home: Path, rulegen: Run) -> None:
    assert rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "out").returncode == 0
    before = {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()}
    (home / "metrics.om").write_text("half a line")
    assert rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "out").returncode == 2
    assert {path: path.read_bytes() for path in Path("out").rglob("*") if path.is_file()} == before


def test_alerts_alone_give_new_rules_and_say_how_little_that_proves(home: Path, rulegen: Run) -> None:
    options = ("--alerts", "webhooks.jsonl", "--ignore-shorter-than", "5m")
    done = rulegen("suggest", "-q", *options, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to("out/rules")) for path in Path("out/rules").rglob("*")] == ["rulegen.yml"]
    assert "grade of the evidence: alerts" in done.stdout
    ((_, _, rule),) = read_rules(["out/rules/rulegen.yml"])[0]
    # Under its old name it would be among the ALERTS that it reads, and keep itself firing for ever.
    assert 'ALERTS{alertname="QueueLong"' in rule.expr and rule.name != "QueueLong"
    checked = subprocess.run(
        ["promtool", "check", "rules", "out/rules/rulegen.yml"], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stderr


def test_alerts_with_their_rules_change_the_rules(home: Path, rulegen: Run) -> None:
    options = (
        "--alerts",
        "webhooks.jsonl",
        "--rules",
        "rules.yml",
        "--ignore-shorter-than",
        "5m",
        "--allowed-delay",
        "5m",
    )
    done = rulegen("suggest", "-q", *options, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert [str(path.relative_to("out/rules")) for path in Path("out/rules").rglob("*")] == ["rules.yml"]
    ((_, _, rule),) = read_rules(["out/rules/rules.yml"])[0]
    assert (rule.name, rule.expr) == ("QueueLong", "queue_length > 80") and rule.hold > 0
    assert evidence()["accepted"][0]["grade"] == "alerts"


def test_a_model_proposes(home: Path, rulegen: Run) -> None:
    model = make_tiny_gguf(home / "tiny.gguf")
    asked = ("--proposer", "model", "--model", model, "--samples", "1", "--polish", "0")
    done = rulegen("suggest", "-q", *FILES, *JUDGED, *asked, "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "Proposed by tiny.gguf, asked for 1 change of each rule, and once more" in done.stdout
    assert "the model failed" not in done.stdout
    (one,) = evidence()["accepted"] + evidence()["refused"]
    assert one["provenance"]["proposer"] == "model" and len(one["provenance"]["model_sha256"]) == 64


def test_the_model_that_ships_proposes(home: Path, rulegen: Run) -> None:
    """Found by no name, verified against its pin, asked in the wording that it was trained on, and of use."""
    done = rulegen("suggest", "-q", *FILES, *JUDGED, "--proposer", "model", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert "Proposed by rulegen-small.gguf, asked for 8 changes of each rule" in done.stdout
    assert "the model failed" not in done.stdout and "could not be used" not in done.stdout
    (one,) = evidence()["accepted"]
    assert one["provenance"]["proposer"] in ("model", "polish")
    assert rulegen("model", "verify").returncode == 0


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "broken.gguf: there is no such file"),
        (b"", "broken.gguf: not a GGUF file: it is empty"),
        (b"PK\x03\x04", "broken.gguf: not a GGUF file: it does not start as one does"),
        (b"GGUF" + bytes(60), "broken.gguf: llama.cpp cannot load this model"),
    ],
)
def test_a_model_that_cannot_be_loaded_degrades_to_search(
    content: bytes | None, said: str, home: Path, rulegen: Run
) -> None:
    if content is not None:
        (home / "broken.gguf").write_bytes(content)
    asked = ("--proposer", "model", "--model", "broken.gguf")
    assert rulegen("suggest", "-q", *FILES, *JUDGED, "--out", "search").returncode == 0
    done = rulegen("suggest", "-q", *FILES, *JUDGED, *asked, "--out", "out")
    assert done.returncode == 0 and done.stderr == ""
    assert f"the model failed, so search proposed instead: {said}" in done.stdout
    assert (home / "out/rules/rules.yml").read_bytes() == (home / "search/rules/rules.yml").read_bytes()
    assert any(said in doubt for doubt in evidence()["doubts"])
    strict = rulegen("suggest", "-q", "--strict", *FILES, *JUDGED, *asked, "--out", "strict")
    assert strict.returncode == 1 and strict.stderr.startswith(f"rulegen: {said}")
    assert len(strict.stderr.splitlines()) == 1 and not (home / "strict").exists()


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    """In two processes with other hash seeds, in two directories, whatever the proposer."""
    runs = []
    for seed in ("1", "2"):
        home = tmp_path / f"at-{seed}"
        home.mkdir()
        small.put(home)
        make_tiny_gguf(home / "tiny.gguf")
        asked = ("--proposer", "model", "--model", "tiny.gguf", "--samples", "1", "--seed", "7")
        said = []
        for number, options in enumerate(
            (
                (*FILES, *JUDGED),
                (*FILES, *JUDGED, *asked),
                ("--alerts", "webhooks.jsonl", "--ignore-shorter-than", "5m"),
            )
        ):
            command = [sys.executable, "-m", "rulegen.cli.main", "suggest", *options, "--out", f"out{number}"]
            done = subprocess.run(
                command,
                cwd=home,
                env={**os.environ, "PYTHONPATH": ":".join(filter(None, sys.path)), "PYTHONHASHSEED": seed},
                capture_output=True,
                timeout=120,
            )
            assert done.returncode == 0, done.stderr
            said.append(done.stdout)
        files = {str(path.relative_to(home)): path.read_bytes() for path in home.rglob("*") if path.is_file()}
        runs.append((said, files))
    assert runs[0] == runs[1]
