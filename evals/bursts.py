"""Without incidents: what the conservative rule still cuts, and that it holds, on a real server's data.

``python -m evals.bursts [DATA]`` runs ``rulegen suggest --prometheus`` against a real Prometheus that serves a copy
of the history ``alertops-tsdb``, with the rules of ``rules/awesome``, at several ``--ignore-shorter-than``; then an
independent judge evaluates the rule files before and after and looks for bursts that no longer page in time. Needs
Debian's ``prometheus``. DATA is the directory that holds both (default: ../shared/data).
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from evals.independent import STEP, Page, pages, serving

START, END = 1785997230, 1786017600  # seconds
GAP, ALLOWED = 600, 120
PAGING = frozenset({"page", "critical", ""})


def main() -> None:
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[2] / "shared/data"
    rules = data / "rules/awesome"
    print("| --ignore-shorter-than | bursts to keep | silent | late | pages | cut | minutes | cut |")
    print("|---|---|---|---|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        shutil.copytree(data / "alertops-tsdb/tsdb", home / "tsdb", copy_function=shutil.copyfile)
        with serving(home / "tsdb", home) as url:
            for ignored in (0, 60, 120, 300):
                out = home / f"out{ignored}"
                command = [sys.executable, "-m", "rulegen.cli.main", "suggest", "--prometheus", url]
                command += ["--rules", str(rules), "--start", str(START), "--end", str(END), "--quiet"]
                command += ["--ignore-shorter-than", f"{ignored}s", "--out", str(out)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
                print(_row(url, rules, out, ignored), flush=True)


def _row(url: str, rules: Path, out: Path, ignored: int) -> str:
    changed = {one["replaces"]["path"] for one in json.loads((out / "suggestions.json").read_text())["accepted"]}
    kept = silent = late = old_pages = new_pages = old_minutes = new_minutes = 0
    for file in sorted(rules.rglob("*.yml")):
        before = pages(url, file, START // STEP * STEP, END, PAGING)
        after = before
        if str(file) in changed:
            after = pages(url, out / "rules" / file.relative_to(rules), START // STEP * STEP, END, PAGING)
        old_pages, new_pages = old_pages + len(before), new_pages + len(after)
        old_minutes, new_minutes = old_minutes + _minutes(before), new_minutes + _minutes(after)
        now = _by_rule(after)
        for rule, mine in _by_rule(before).items():
            for start, end in _bursts(mine):
                if end - start + STEP <= ignored:
                    continue
                kept += 1
                hits = [one.start for one in now.get(rule, []) if one.start <= end and one.end >= start]
                silent += not hits
                late += bool(hits) and min(hits) > start + ALLOWED
    cells = [
        f"{ignored // 60}m",
        kept,
        silent,
        late,
        f"{old_pages} → {new_pages}",
        f"{1 - new_pages / old_pages:.0%}",
    ]
    cells += [f"{old_minutes} → {new_minutes}", f"{1 - new_minutes / old_minutes:.0%}"]
    return "| " + " | ".join(map(str, cells)) + " |"


def _minutes(found: Iterable[Page]) -> int:
    return sum((one.end - one.start) // STEP + 1 for one in found)


def _by_rule(found: Iterable[Page]) -> dict[int, list[Page]]:
    rules: defaultdict[int, list[Page]] = defaultdict(list)
    for page in sorted(found, key=lambda one: one.start):
        rules[page.rule].append(page)
    return dict(rules)


def _bursts(found: Iterable[Page]) -> list[tuple[int, int]]:
    """Start and end of runs of pages (sorted by start) less than ``GAP`` apart."""
    runs: list[tuple[int, int]] = []
    for page in found:
        if runs and page.start - runs[-1][1] < GAP:
            runs[-1] = (runs[-1][0], max(runs[-1][1], page.end))
        else:
            runs.append((page.start, page.end))
    return runs


if __name__ == "__main__":
    main()
