from __future__ import annotations

import subprocess
from dataclasses import replace
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef
from rulegen.emit.newrules import new_rules
from rulegen.ingest.rulefile import read_rules

OLD = Rule("A", "x > 80", labels=Labels({"severity": "page"}))
REF = RuleRef("", "g", 0)
HOSTILE = 'x"\n    - alert: Evil # {{ "a" }} \\ \u202e\x1b[31m é'


def test_new_rules_pass_promtool_and_read_back(make_suggestion, tmp_path: Path) -> None:
    record = Rule("job:x:sum", "sum by (job) (x)", "record")
    hostile = replace(OLD, hold=60_000, labels=Labels({"why": HOSTILE}), annotations=Labels({"summary": "a\nb: c"}))
    suggestions = [
        make_suggestion(REF, OLD, OLD, record, id="s-1"),
        make_suggestion(REF, OLD, record, hostile, id="s-2"),
        make_suggestion(REF, OLD, replace(OLD, name="B", keep_firing_for=60_000), id="s-3", interval=30_000),
    ]
    path = tmp_path / "rulegen.yml"
    path.write_text(new_rules(suggestions, "incidents"))
    rules, _, problems = read_rules([str(path)])
    assert not problems
    assert [(group.name, group.interval) for group in rules.groups] == [
        ("rulegen-30s", 30_000),
        ("rulegen-1m", 60_000),
    ]
    found = [replace(rule, line=0) for rule in rules.groups[1].rules]
    assert found == [record, OLD, hostile]  # recording rules first and once, alert text intact
    assert path.read_text().count("# rulegen: s-") == 4
    done = subprocess.run(["promtool", "check", "rules", str(path)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "FAILED" not in done.stdout + done.stderr


def test_one_interval_is_one_group_named_rulegen(make_suggestion) -> None:
    assert new_rules([make_suggestion(REF, OLD, OLD)], "bursts") == (
        "groups:\n"
        "  - name: rulegen\n"
        "    interval: 1m\n"
        "    rules:\n"
        "      # rulegen: s-1a2b3c retune: pages 812 → 31, minutes 4012 → 202, bursts 12/12 kept, "
        "added delay ≤ 1m (grade metrics)\n"
        "      - alert: A\n"
        "        expr: x > 80\n"
        "        labels:\n"
        "          severity: page\n"
    )


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(st.characters(exclude_categories=("Cs",))), st.text(st.characters(exclude_categories=("Cs",))))
def test_any_text_reads_back(make_suggestion, tmp_path: Path, label: str, text: str) -> None:
    rule = replace(OLD, labels=Labels({"why": label}), annotations=Labels({"summary": text, "null": text}))
    path = tmp_path / "rulegen.yml"
    path.write_bytes(new_rules([make_suggestion(REF, OLD, rule)], "incidents").encode())
    ((_, _, found),) = read_rules([str(path)])[0]
    assert replace(found, line=0) == rule
