"""A whole report: rule files, evidence, doubts."""

from __future__ import annotations

import gzip
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from rulegen.core.labels import Labels
from rulegen.core.outcome import Front, Point, Quality, Report
from rulegen.core.rule import Rule, RuleRef
from rulegen.core.source import RuleSource
from rulegen.emit import evidence
from rulegen.emit.lostlabels import doubt, lost
from rulegen.emit.output import Output, output
from rulegen.ingest.rulefile import read_rules


@pytest.fixture
def made(two_rules: Path, make_suggestion, make_report) -> tuple[Report, tuple[RuleSource, ...]]:
    rules, sources, _ = read_rules([str(two_rules)])
    (ref, _, slow), (other, _, full) = rules
    retuned = replace(slow, expr='latency_seconds{job="api"} > 95', hold=300_000)
    demoted = replace(full, labels=full.labels.updated({"severity": "ticket"}))
    smooth = replace(full, expr="avg_over_time(disk_used_ratio[10m]) > 0.9")
    accepted = [
        make_suggestion(ref, slow, retuned, id="s-1"),
        make_suggestion(other, full, demoted, id="s-2", template="demote", demotion=True),
    ]
    refused = [make_suggestion(other, full, smooth, id="s-3", template="smooth", reasons=["loses i-7"])]
    return make_report(accepted, refused), sources


def files(out: Output) -> dict[str, bytes]:
    return dict(out.files)


def document(out: Output) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files(out)["suggestions.json"])
    return found


def test_what_goes_out(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, sources = made
    out = output(report, sources, [str(two_rules.parent)])
    assert [path for path, _ in out.files] == ["candidates.jsonl.gz", "rules/api.yml", "suggestions.json"]
    text = files(out)["rules/api.yml"].decode()
    assert "    expr: latency_seconds{job='api'} > 95\n    for: 5m\n" in text
    assert "  # rulegen: s-2 demote: pages 812 → 31" in text
    assert [id for id, _ in out.changed] == ["s-1", "s-2"]
    found = document(out)
    assert found["schema"] == evidence.SCHEMA == 1
    assert [one["id"] for one in found["accepted"]] == ["s-1", "s-2"]
    assert [one["id"] for one in found["refused"]] == ["s-3"]
    first = found["accepted"][0]
    assert first["written"] is True
    assert first["words"] == "for 0s → 5m, > 80 → > 95"
    assert first["slots"] == {"for": "5m", "threshold": 95, "by": ["job", "cluster"]}
    assert first["evidence"]["whole"]["pages"] == [812, 31]
    assert first["evidence"]["longest"] == ["10m", "15m"]
    assert set(first["evidence"]["parts"]) == {"fit", "gate", "audit"}
    assert first["cluster"]["facts"]["margin"] is None  # NaN is no JSON
    assert first["doubts"] == ["its texts mention pod, which the changed alert no longer carries; reword them"]
    assert found["span"] == {"start": "2023-11-14T22:13:20Z", "end": "2023-11-28T22:13:20Z"}
    assert found["refused"][0]["reasons"] == ["loses i-7"]


def test_remarks_go_out(made: tuple[Report, tuple[RuleSource, ...]]) -> None:
    report, sources = made
    first = report.suggestions[0]
    told = replace(first, candidate=replace(first.candidate, remarks=("why", "and why")))
    found = document(output(replace(report, suggestions=(told, *report.suggestions[1:])), sources, []))
    assert [one["remarks"] for one in found["accepted"]] == [
        ["why", "and why"],
        *([[]] * (len(found["accepted"]) - 1)),
    ]


def test_the_same_report_gives_the_same_bytes(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, sources = made
    one, other = (output(report, sources, [str(two_rules)]) for _ in range(2))
    assert one == other
    mixed = replace(report, verdicts=report.verdicts[::-1])
    assert files(output(mixed, sources, [str(two_rules)]))["candidates.jsonl.gz"] == files(one)["candidates.jsonl.gz"]


def test_every_candidate_is_on_a_line(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, sources = made
    unscored = replace(report.verdicts[2], outcome=None, reasons=("unsupported: holt_winters",))
    out = output(replace(report, verdicts=(*report.verdicts[:2], unscored)), sources, [str(two_rules)])
    lines = [json.loads(line) for line in gzip.decompress(files(out)["candidates.jsonl.gz"]).splitlines()]
    assert [line["id"] for line in lines] == ["s-1", "s-2", "s-3"]
    assert lines[0]["outcome"] == {
        "fired": 31,
        "unjudged": 1,
        "longest": "10m",
        "pages": 31,
        "minutes": 201.5,
        "caught": 2,
    }
    assert lines[2]["outcome"] is None


def test_rules_without_a_file_come_in_a_new_one(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, sources = made
    alone = output(report, (), ())
    assert [path for path, _ in alone.files] == ["candidates.jsonl.gz", "rules/rulegen.yml", "suggestions.json"]
    assert alone.changed == ()
    elsewhere = replace(report.suggestions[0].candidate, replaces=RuleRef("/etc/other.yml", "g", 0))
    mixed = replace(report, suggestions=(replace(report.suggestions[0], candidate=elsewhere), report.suggestions[1]))
    out = output(mixed, sources, [str(two_rules)])
    assert sorted(path for path, _ in out.files if path.startswith("rules/")) == [
        "rules/api.yml",
        "rules/rulegen.yml",
    ]


def test_an_untouched_file_comes_out_as_it_was(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, sources = made
    out = output(replace(report, suggestions=()), sources, [str(two_rules)])
    assert files(out)["rules/api.yml"] == two_rules.read_bytes()
    assert "rules/rulegen.yml" not in files(out)


def test_what_could_not_be_written_is_told(made: tuple[Report, tuple[RuleSource, ...]], two_rules: Path) -> None:
    report, _ = made
    two_rules.write_text(two_rules.read_text().replace("- alert: HighLatency", "- &shared\n    alert: HighLatency"))
    _, sources, _ = read_rules([str(two_rules)])
    out = output(report, sources, [str(two_rules)])
    ((id, problem),) = out.problems
    assert id == "s-1"
    assert "shared with others through an anchor" in problem.message
    first = document(out)["accepted"][0]
    assert first["written"] is False
    assert first["problem"] == str(problem)
    assert b"> 95" not in files(out)["rules/api.yml"]


def test_hostile_text_stays_text(made: tuple[Report, tuple[RuleSource, ...]]) -> None:
    report, _ = made
    hostile = replace(report, doubts=('"\n\ud800\x1b[31m',), settings=(("a", "\u202e"),))
    found = json.loads(evidence.suggestions_json(hostile, {}))
    assert found["doubts"] == ['"\n\ud800\x1b[31m']


def test_times_as_people_write_them() -> None:
    assert evidence.time_text(1_700_000_000_123) == "2023-11-14T22:13:20.123Z"
    assert evidence.time_text(0) == "1970-01-01T00:00:00Z"


def test_labels_that_texts_lose(made: tuple[Report, tuple[RuleSource, ...]]) -> None:
    texts = Labels({"a": '{{ $labels.pod }} {{ .Labels.zone }} {{ index $labels "host" }} $labels.job pod_x'})
    rule = Rule("A", "x", annotations=texts)
    assert lost([rule], ["pod", "zone", "host", "job", "other"], ["job"]) == ("host", "pod", "zone")
    assert lost([rule], [], []) == ()
    report, _ = made
    silent = replace(report, verdicts=())
    assert doubt(report.suggestions[0], silent) == ""


def test_quality_intervals_and_fronts_are_in_the_evidence(made: tuple[Report, tuple[RuleSource, ...]]) -> None:
    report, _ = made
    nan = float("nan")
    first = report.suggestions[0]
    assert first.evidence is not None
    sure = replace(
        first.evidence, cut_pages=(0.96, 0.9, 0.98), cut_minutes=(0.9, nan, nan), support=(7, 12), synthetic=("why",)
    )
    point = Point("chosen", 100, 50.0, 0.75, 60_000, chosen=True)
    fuller = replace(
        report,
        together=replace(report.together, quality=(Quality(nan, 0.5, None, 0), Quality(0.4, 0.5, 60_000, 0))),
        suggestions=(replace(first, evidence=sure), *report.suggestions[1:]),
        front=Front((("s-1", (point,)),), (point,)),
    )
    found = json.loads(evidence.suggestions_json(fuller, {}))
    assert found["together"]["quality"] == {
        "precision": [None, 0.4],
        "recall": [0.5, 0.5],
        "detection": [None, "1m"],
        "reset": ["0s", "0s"],
    }
    told = found["accepted"][0]["evidence"]
    assert (told["cut_pages"], told["cut_minutes"]) == ([0.96, 0.9, 0.98], [0.9, None, None])
    assert told["support"] == {"bursts": 7, "targets": 12} and told["synthetic"] == ["why"]
    assert found["front"]["single"]["s-1"] == found["front"]["joint"]
    assert found["front"]["joint"][0] == {
        "name": "chosen",
        "pages": 100,
        "minutes": 50,
        "notices": None,
        "recall": 0.75,
        "delay": "1m",
        "chosen": True,
        "refused": False,
        "beaten": False,
    }
    assert found["walked"] is None and found["gap"] == 0
