"""Reading unit-test files, and what `rulegen test` prints and returns."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rulegen.cli.testing import FAILED, PASSED, UNREADABLE, perform
from rulegen.core.labels import Labels
from rulegen.core.series import is_stale
from rulegen.errors import InputError
from rulegen.ingest.seriestext import parse_metric, parse_series
from rulegen.ingest.unittests import read_unit_tests

RULES = """
groups:
- name: g
  interval: 7m
  rules:
  - {record: "x:sum", expr: sum(x)}
  - alert: High
    expr: x > 1
    for: 2m
    keep_firing_for: 3m
    labels: {severity: page, to: "{{ $externalLabels.site }}"}
    annotations: {summary: "{{ $labels.pod }} is at {{ $value | humanize }}"}
  - {alert: Odd, expr: histogram_avg(x) > 1}
"""
HEAD = "rule_files: [rules*.yml]\nevaluation_interval: 1m\ntests:\n"
GIVEN = """- name: one
  interval: 1m
  external_labels: {site: here}
  input_series:
  - {series: 'x{pod="a"}', values: '0 2x3 5000 0x9'}
"""
GOOD = """  alert_rule_test:
  - {eval_time: 2m, alertname: High}
  - eval_time: 3m30s
    alertname: High
    exp_alerts:
    - exp_labels: {severity: page, pod: a, to: here}
      exp_annotations: {summary: a is at 2}
  - eval_time: 7m
    alertname: High
    exp_alerts:
    - exp_labels: {severity: page, pod: a, to: here}
      exp_annotations: {summary: a is at 5k}
  - {eval_time: 9m, alertname: High, exp_alerts: []}
  promql_expr_test:
  - {expr: "x:sum", eval_time: 3m, exp_samples: [{labels: "x:sum", value: 2}]}
  - {expr: "2 * 3", eval_time: 0, exp_samples: [{labels: "{}", value: 6e0}]}
  - expr: max by (alertname, alertstate) (ALERTS{alertname="High"})
    eval_time: 1m
    exp_samples: [{labels: '{alertname="High",alertstate="pending"}', value: 1}]
"""


def write(path: Path, tests: str, head: str = HEAD) -> Path:
    (path / "rules.yml").write_text(RULES)
    (path / "t.yml").write_text(head + tests)
    return path / "t.yml"


def test_what_is_as_expected_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, GIVEN + GOOD)
    assert perform([path], "open") == PASSED
    assert capsys.readouterr().out == f"PASS {path}: 7 checks\n"


def test_the_clock_may_start_elsewhere(tmp_path: Path) -> None:
    later = GIVEN + "  start_timestamp: 2024-01-01T00:00:00Z\n" + GOOD
    since = '  - {expr: "timestamp(x)", eval_time: 3m, exp_samples: [{labels: \'{pod="a"}\', value: 1704067380}]}\n'
    assert perform([write(tmp_path, later + since)], "open") == PASSED


def test_a_failure_shows_the_difference(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = GOOD.replace("a is at 2", "a is at 3").replace('"x:sum", value: 2', '"x:sum", value: 4')
    path = write(tmp_path, GIVEN + wrong)
    assert perform([path], "open") == FAILED
    assert capsys.readouterr().out.splitlines() == [
        f"FAIL {path}: 2 of 7 checks",
        f'  {path}:11: test "one": alert High at 3m30s',
        '      {alertname="High",pod="a",severity="page",to="here"}',
        "    -   summary: a is at 3",
        "    +   summary: a is at 2",
        f'  {path}:23: test "one": x:sum at 3m',
        "    - x:sum{} 4.0",
        "    + x:sum{} 2.0",
    ]


def test_what_is_not_evaluated_fails_what_asks_for_it_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    odd = "  - {expr: \"ALERTS{alertname='Odd'}\", eval_time: 1m}\n"
    path = write(
        tmp_path, GIVEN + GOOD.replace("  promql_expr_test:\n", "  - {alertname: Odd}\n  promql_expr_test:\n") + odd
    )
    assert perform([path], "open") == FAILED
    out = capsys.readouterr().out
    assert "2 of 9 checks" in out and out.count("unsupported: function histogram_avg") == 2


def test_the_order_of_groups_counts(tmp_path: Path) -> None:
    (tmp_path / "r.yml").write_text(
        "groups:\n- {name: reads, rules: [{record: b, expr: a + 1}]}\n"
        "- {name: writes, rules: [{record: a, expr: x}]}\n"
    )
    test = "- input_series: [{series: x, values: 1+1x5}]\n  promql_expr_test:\n"
    test += "  - {expr: b, eval_time: 3m, exp_samples: [{labels: b, value: VALUE}]}\n"
    for order, value in (("[writes, reads]", "5"), ("[reads, writes]", "4")):
        head = f"rule_files: [r.yml]\ngroup_eval_order: {order}\ntests:\n"
        (tmp_path / "t.yml").write_text(head + test.replace("VALUE", value))
        assert perform([tmp_path / "t.yml"], "open") == PASSED


def test_fuzzy_compare_allows_one_step_of_a_number(tmp_path: Path) -> None:
    test = "- input_series: [{series: x, values: '0.1'}]\n  promql_expr_test:\n"
    test += '  - {expr: "x + 0.2", eval_time: 0, exp_samples: [{labels: "{}", value: 0.3}]}\n'
    assert perform([write(tmp_path, test)], "open") == FAILED
    assert perform([write(tmp_path, test, "fuzzy_compare: true\n" + HEAD)], "open") == PASSED


def test_windows_follow_the_option(tmp_path: Path) -> None:
    test = "- input_series: [{series: x, values: 1x9}]\n  promql_expr_test:\n"
    test += '  - {expr: "count_over_time(x[2m])", eval_time: 5m, exp_samples: [{labels: "{}", value: 3}]}\n'
    path = write(tmp_path, test)
    assert (perform([path], "closed"), perform([path], "open")) == (PASSED, FAILED)
    with pytest.raises(InputError, match="--range-semantics"):
        perform([path], "ajar")


def test_all_files_are_run_and_the_worst_counts(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    good = write(tmp_path, GIVEN + GOOD)
    assert perform([tmp_path / "missing.yml", good], "open") == UNREADABLE
    found = capsys.readouterr()
    assert f"PASS {good}" in found.out and "no such file" in found.err


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("- 1", "not a unit-test file"),
        ("tests: [", "not YAML"),
        ("rule_files: []\ntests: []\nextra: 1", ':3: unknown field "extra"'),
        ("tests:\n- input_series:\n  - {series: x, valeus: 1}", ':3: unknown field "valeus"'),
        ("tests:\n- interval: soon", ":2: not a duration"),
        ("tests:\n- input_series:\n  - {series: 'x{', values: 1}", ":3: not a series"),
        ("tests:\n- input_series:\n  - {series: x, values: 1+1}", ":3: not a value: '1+1'"),
        ("tests:\n- input_series:\n  - {series: x, values: '{{schema:1}}'}", ":3: native histograms"),
        ("tests:\n- input_series:\n  - {series: x, values: 1x99999999}", ":3: more than"),
        ("tests:\n- alert_rule_test:\n  - {eval_time: 1m}", ":3: alertname: Field required"),
        ("tests:\n- promql_expr_test:\n  - {expr: 'sum('}", ":3: "),
        ("tests:\n- promql_expr_test:\n  - {expr: x, exp_samples: [{labels: x, value: much}]}", ":3: not a number"),
        ("tests:\n- name: a\n  name: b", ':3: "name" is given twice'),
        ("group_eval_order: [a, a]", ":1: a group is named twice"),
        ("tests: 5", ":1: tests: "),
    ],
)
def test_what_is_wrong_is_told_with_its_line(text: str, want: str, tmp_path: Path) -> None:
    (tmp_path / "t.yml").write_text(text)
    with pytest.raises(InputError) as caught:
        read_unit_tests(tmp_path / "t.yml")
    assert want in str(caught.value)


@pytest.mark.parametrize("rule", ['{alert: A, expr: "x >"}', '{alert: A, expr: x, annotations: {a: "{{ nope }}"}}'])
def test_rules_that_prometheus_would_not_load_are_unreadable(
    rule: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GIVEN + GOOD)
    (tmp_path / "rules2.yml").write_text(f"groups:\n- name: h\n  rules:\n  - {rule}\n")
    assert perform([path], "open") == UNREADABLE
    assert "rules2.yml:4: " in capsys.readouterr().err


def test_values() -> None:
    found = parse_series("x", "1 2x2 3+1x2 _ _x2 4-2.5x1 stale NaN -Inf 1e3", 1000, 10)
    numbers = [1, 2, 2, 2, 3, 4, 5, 4, 1.5]
    assert found.values[:9].tolist() == numbers
    assert is_stale(found.values).tolist() == [False] * 9 + [True] + [False] * 3
    assert np.isnan(found.values[10]) and found.values[11:].tolist() == [-np.inf, 1000]
    assert found.times.tolist() == [1000 + 10 * k for k in (*range(7), *range(10, 16))]


@pytest.mark.parametrize(
    ("text", "want"),
    [
        ("up", {"__name__": "up"}),
        ("{}", {}),
        ('a:b{c="d", e=\'f"\' , g=`h\\n`,}', {"__name__": "a:b", "c": "d", "e": 'f"', "g": "h\\n"}),
        ('x{a="}{,\\"\\u00e9"}', {"__name__": "x", "a": '}{,"é'}),
        ('{"up", job="x"}', {"__name__": "up", "job": "x"}),
    ],
)
def test_metrics(text: str, want: dict[str, str]) -> None:
    assert parse_metric(text) == Labels(want)
