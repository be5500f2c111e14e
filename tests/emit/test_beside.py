from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console

from rulegen.emit.beside import Turn, show_beside
from rulegen.ingest.rulefile import read_rules


def test_proposers_stand_beside_each_other(two_rules: Path, make_suggestion, make_report) -> None:
    rules, _, _ = read_rules([str(two_rules)])
    (ref, _, slow), _ = rules
    found = make_report([make_suggestion(ref, slow, replace(slow, hold=300_000), id="s-1")])
    file = io.StringIO()
    nothing = replace(found, suggestions=(), together=replace(found.together, pages=(1000, 1000)))
    turns = [Turn("search", found, 46.4), Turn("rulegen-small\x1b[31m", nothing, 3.5)]
    show_beside(turns, Console(file=file, width=100))
    header, first, second = (line.split() for line in file.getvalue().splitlines())
    assert header == ["proposed", "by", "replays", "changes", "pages/week", "min/week", "kept", "delay", "seconds"]
    assert first[:3] == ["search", str(len(found.verdicts)), "1"] and first[-1] == "46"
    assert second[2] == "0" and second[3:6] == ["500", "→", "500"] and "\x1b" not in second[0]
