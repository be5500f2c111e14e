from __future__ import annotations

import io
import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from rulegen.core.cluster import Pattern
from rulegen.core.outcome import Front, Point, Quality, Report
from rulegen.emit.output import Output, output
from rulegen.emit.terminal import show
from rulegen.errors import Problem
from rulegen.ingest.rulefile import read_rules

Made = tuple[Report, Output]


@pytest.fixture
def made(two_rules: Path, make_suggestion, make_report) -> Made:
    rules, sources, _ = read_rules([str(two_rules)])
    (ref, _, slow), (other, _, full) = rules
    retuned = replace(slow, expr='latency_seconds{job="api"} > 95', hold=300_000)
    demoted = replace(full, labels=full.labels.updated({"severity": "ticket"}))
    report = make_report(
        [
            make_suggestion(ref, slow, retuned, id="s-1"),
            make_suggestion(other, full, demoted, id="s-2", template="demote", demotion=True),
        ],
        [make_suggestion(other, full, demoted, id="s-3", template="smooth", reasons=["loses i-7 and i-9"])],
    )
    return report, output(report, sources, [str(two_rules)])


def shown(made: Made, width: int = 80, limit: int = 10, **options: object) -> str:
    file = io.StringIO()
    show(*made, Console(file=file, width=width, **options), limit)
    return file.getvalue()


def test_the_table_says_it_in_ten_seconds(made: Made) -> None:
    text = shown(made)
    table = text.split("grade of the evidence")[0].splitlines()
    assert "2023-11-14T22:13:20Z to 2023-11-28T22:13:20Z, 132 rules, 12 incidents caught" in table
    assert "noise before: 500 pages and 2500 paging minutes a week" in table
    header = next(line for line in table if line.startswith("rule"))
    assert header.split() == ["rule", "and", "change", "pages/week", "min/week", "kept", "delay"]
    at, row = next((i, line) for i, line in enumerate(table) if line.startswith("HighLatency"))
    assert " ".join(row.split()) == "HighLatency 406 → 15.5 2006 → 101 12/12 ≤ 1m"
    assert table[at + 1].strip() == "flapping: for 0s → 5m"
    assert any(line.startswith("1 tuning together ") for line in table)
    assert any(line.startswith("  pages −78%, minutes") for line in table)
    assert any(line.startswith("with 1 demotion ") for line in table)
    assert any(line.startswith("  pages −88%, minutes") for line in table)
    assert max(map(len, table)) <= 80
    assert "pages cut by 63% (51% to 72%)" in text


def test_changes_of_each_kind_are_counted_apart_and_remarks_are_shown(made: Made) -> None:
    report, out = made
    first, second = report.suggestions
    muted = replace(first, candidate=replace(first.candidate, change="silencing", remarks=("no alert for 14.4 ×",)))
    text = shown((replace(report, suggestions=(muted, second)), out))
    rows = [line.rstrip() for line in text.splitlines()]
    assert any(
        line.startswith("with 1 demotion and 1 silencing ") or line == "with 1 demotion and 1" for line in rows
    )
    assert any(line.startswith("0 tunings together ") for line in rows)
    assert "no alert for 14.4 ×" in rows


def test_kinds_of_noise_and_repairs_are_told_with_their_counts(made: Made) -> None:
    report = replace(
        made[0],
        patterns=((Pattern.FLAPPING, 2, 1030), (Pattern.STORM, 1, 7)),
        repaired=(("alerts that end before they start", 1200),),
    )
    text = shown((report, made[1]), width=200)
    kinds = "kinds of noise (noisy firings in the part learned from): flapping 2 rules (1030), storm 1 rule (7)"
    assert kinds in text
    assert "Odd in the input, and what was made of it:\n  1,200 alerts that end before they start\n" in text
    document = json.loads(dict(output(report, (), []).files)["suggestions.json"])
    assert document["patterns"][0] == {"pattern": "flapping", "rules": 2, "firings": 1030}
    assert document["repaired"] == [{"what": "alerts that end before they start", "count": 1200}]


def test_each_suggestion_is_a_diff_that_patch_takes(made: Made, two_rules: Path, tmp_path: Path) -> None:
    text = shown(made)
    assert "HighLatency: for 0s → 5m, > 80 → > 95 (retune s-1)" in text
    assert "flapping: 62% of its noise starts again within 10m of the last end" in text
    assert "doubt: its texts mention pod" in text
    start = text.index("--- ")
    patch = text[start : text.index("\n\nDiskFull")] + "\n"
    done = subprocess.run(
        ["git", "apply", "--unsafe-paths", "-p0", "--directory=/", "-"],
        input=patch,
        capture_output=True,
        text=True,
        timeout=60,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "> 95\n    for: 5m\n" in two_rules.read_text()
    assert "severity: page\n" in two_rules.read_text()


def test_refusals_unscored_and_doubts_are_said(made: Made) -> None:
    text = shown(made)
    assert "Refused, the best of each cluster (1):" in text
    assert re.search(
        r"^  DiskFull \(\w+\), smooth \(severity page → ticket\): loses i-7 and i-9$", text, re.MULTILINE
    )
    assert "4 firings unjudged" in text
    assert "1 rule could not be replayed:\n  BrokenRule: unsupported: holt_winters" in text
    assert "doubt: 12 incidents are few" in text


def test_colour_only_on_a_terminal_that_wants_it(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    assert "\x1b[" not in shown(made)
    assert "\x1b[32m" in shown(made, force_terminal=True)
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b[3" not in shown(made, force_terminal=True)


def test_text_from_strangers_is_neither_markup_nor_control(made: Made) -> None:
    report, out = made
    evil = "[bold red]x[/]\x1b]0;pwned\x07\r\n\u202e"
    first = report.suggestions[0]
    cluster = replace(first.cluster, rule=replace(first.cluster.rule, name=evil, expr=f"x # {evil}"))
    hostile = replace(
        report,
        suggestions=(replace(first, cluster=cluster), *report.suggestions[1:]),
        refused=(replace(report.refused[0], reasons=(evil,)),),
        unscored=((evil, evil),),
        doubts=(evil,),
    )
    text = shown((hostile, replace(out, changed=())), width=200)
    assert text.replace("\n", "").isprintable()
    assert text.count("[bold red]x[/]") >= 5


def test_a_long_list_is_cut(made: Made) -> None:
    report, out = made
    many = replace(report, suggestions=report.suggestions * 9, refused=report.refused * 9)
    text = shown((many, out), limit=3)
    assert "… 15 more" in text
    assert "… and 15 more in suggestions.json" in text
    assert "… and 6 more in suggestions.json" in text
    assert text.count("(retune s-1)") == 2


def test_nothing_accepted(made: Made) -> None:
    report, out = made
    text = shown((replace(report, suggestions=(), forecast=None), out))
    assert "No suggestion passed the gate: every rule stays as it is." in text
    assert "Refused" in text


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_any_width(made: Made, width: int) -> None:
    report, out = made
    assert "Forecast: none" in shown((replace(report, forecast=None), out), width=width)


def test_what_was_not_written_is_said(made: Made) -> None:
    report, out = made
    broken = replace(out, changed=out.changed[1:], problems=(("s-1", Problem("r.yml", 3, "not edited: why")),))
    text = shown((report, broken))
    assert "not written: r.yml:3: not edited: why" in text
    assert "1 suggestion accepted but not written; see above." in text


def test_what_the_pages_are_worth_and_what_a_cut_rests_on(made: Made) -> None:
    report, out = made
    nan = float("nan")
    good = Quality(0.0919, 40 / 56, 70_500, 0), Quality(0.372, 41 / 56, None, 90_000)
    first = report.suggestions[0]
    assert first.evidence is not None and report.forecast is not None
    sure = replace(first.evidence, cut_pages=(0.96, 0.9, 0.98), cut_minutes=(0.95, nan, nan), support=(1, 12))
    unseen = replace(sure, synthetic=("1 of 2 alternatives of A: looks back 3d, the longest recording is 2d",))
    walked = replace(
        report.forecast, method="walk-forward: 2 times", bursts=40, folds=(report.tuning, report.together)
    )
    points = (
        Point("chosen", 100, 50.0, 0.75, 60_000, 44, chosen=True),
        Point("pages only", 90, 80.0, 0.75, 0, kept=False),
    )
    fuller = replace(
        report,
        together=replace(report.together, quality=good),
        suggestions=(replace(first, evidence=unseen), *report.suggestions[1:]),
        walked=walked,
        front=Front((), points),
        gap=0.0123,
    )
    text = shown((fuller, out), width=200)
    assert "precision 9% → 37%, recall 71% → 73%, detection 1m10s → –, reset 0s → 1m30s" in text
    rests = (
        "minutes by 95% (too few bursts for an interval); rests on 1 burst of noise and 12 incidents that it caught"
    )
    assert f"pages cut by 96% (90% to 98%), {rests}" in text
    assert "synthetic, no evidence: 1 of 2 alternatives of A: looks back 3d" in text
    assert "Beside it, walk-forward: 2 times:" in text and "cut of pages in each: 78%, 88%" in text
    assert "* chosen: 25 pages, 12.5 min, 11 notifications a week, recall 75%, at most 1m later\n" in text
    assert "  pages only: 22.5 pages, 20 min a week, recall 75%, at most 0s later; another is as" in text
    assert "at most 1.2% from the best" in text
