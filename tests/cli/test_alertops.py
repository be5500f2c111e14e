"""``rulegen suggest --prometheus`` on a real server with a recorded history, judged by others than itself."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import Run
from servers import binary

from evals.independent import STEP, Page, pages

START, END = 1785997229, 1786017600  # seconds
GAP, ALLOWED, IGNORED = 600, 120, 120
PAGING = frozenset({"page", "critical", ""})


@pytest.fixture(scope="module")
def rules(shared_data: Path) -> Path:
    return shared_data / "rules" / "awesome"


def test_without_incidents_every_burst_still_pages(
    alertops_url: str, rules: Path, tmp_path: Path, rulegen: Run
) -> None:
    out = tmp_path / "out"
    options = ("--start", str(START), "--end", str(END), "--ignore-shorter-than", f"{IGNORED}s", "--out", out)
    done = rulegen("suggest", "-q", "--strict", "--prometheus", alertops_url, "--rules", rules, *options)
    assert done.returncode == 0, done.stderr
    found = json.loads((out / "suggestions.json").read_text())
    assert found["mode"] == "bursts"
    assert found["before"]["pages"][0] > 0

    files = [path.relative_to(rules) for path in sorted(rules.rglob("*.yml"))]
    assert [path.relative_to(out / "rules") for path in sorted((out / "rules").rglob("*.yml"))] == files
    assert lint(out / "rules", files) - lint(rules, files) == Counter()

    changed = [one for one in found["accepted"] if one["replaces"]["path"]]
    assert changed, "nothing was found, so nothing was tested"
    bursts = 0
    for file in sorted({Path(one["replaces"]["path"]).relative_to(rules) for one in changed}):
        assert (out / "rules" / file).read_bytes() != (rules / file).read_bytes()
        before = by_rule(alertops_url, rules / file)
        after = by_rule(alertops_url, out / "rules" / file)
        for rule, mine in before.items():
            for start, end in together(mine):
                if end - start + STEP <= IGNORED:
                    continue
                bursts += 1
                late = [one.start - start for one in after.get(rule, []) if start - GAP < one.start <= end]
                assert late and min(late) <= ALLOWED, (
                    f"{file}, rule {rule}: the burst at {start} is {late or 'silent'}"
                )
    assert bursts
    for one in changed:
        assert one["evidence"]["whole"]["lost"] == one["evidence"]["whole"]["later"] == []


def test_the_servers_own_rules_serve_where_no_file_is_named(alertops_url: str, tmp_path: Path, rulegen: Run) -> None:
    done = rulegen(
        "suggest",
        "-q",
        "--prometheus",
        alertops_url,
        "--start",
        str(START),
        "--end",
        str(END),
        "--out",
        tmp_path / "o",
    )
    assert done.returncode == 2
    assert done.stderr == f"rulegen: {alertops_url}: the server has no rules; name rule files with --rules\n"


def test_impact_is_asked_of_the_server(alertops_url: str, tmp_path: Path, rulegen: Run) -> None:
    (tmp_path / "rules.yml").write_text(
        """\
groups:
  - name: g
    interval: 1m
    rules:
      - alert: TargetDown
        expr: up == 0
        labels:
          severity: page
"""
    )
    options = ("--start", str(START), "--end", str(END), "--rules", tmp_path / "rules.yml")
    impact = ("--impact", 'ALERTS{alertstate="firing",severity="critical"} == 1')
    done = rulegen("suggest", "-q", "--prometheus", alertops_url, *options, *impact, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads((tmp_path / "out/suggestions.json").read_text())
    assert found["mode"] == "incidents"
    wrong = rulegen(
        "suggest", "-q", "--prometheus", alertops_url, *options, "--impact", "up > 1e9", "--out", tmp_path / "none"
    )
    assert wrong.returncode == 2 and "up > 1e9 never held from 2026-08-06T06:20:" in wrong.stderr


def by_rule(url: str, file: Path) -> dict[int, list[Page]]:
    found: dict[int, list[Page]] = {}
    for page in sorted(pages(url, file, START // STEP * STEP + STEP, END, PAGING), key=lambda one: one.start):
        found.setdefault(page.rule, []).append(page)
    return found


def together(found: list[Page]) -> list[tuple[int, int]]:
    """Bursts: pages (sorted by start) that are less than GAP apart."""
    spans: list[tuple[int, int]] = []
    for page in found:
        if spans and page.start - spans[-1][1] < GAP:
            spans[-1] = spans[-1][0], max(spans[-1][1], page.end)
        else:
            spans.append((page.start, page.end))
    return spans


def lint(folder: Path, files: list[Path]) -> Counter[str]:
    """What promtool finds wrong with the files, without what it says of all: one entry for each line."""
    done = subprocess.run(
        [binary("promtool"), "check", "rules", *map(str, files)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return Counter(line for line in (done.stdout + done.stderr).splitlines() if "rules found" not in line and line)
