"""promtool's unit-test files, as YAML text."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator, Sequence

from rulegen.core.durations import format_duration
from rulegen.core.exhibit import Case, Exhibit
from rulegen.core.labels import ALERT_NAME
from rulegen.core.outcome import Suggestion
from rulegen.core.unittest import AlertCheck, ExpectedAlert
from rulegen.emit import scalar
from rulegen.emit.seriestext import metric_text, values_text
from rulegen.emit.times import time_text
from rulegen.emit.words import MARK, change, one_line

_WIDTH = 116
_ODD = re.compile(r"[^A-Za-z0-9_.-]")
_CLAIMS = {"silent": "that must stay silent", "fires": "that must fire"}


def file_name(suggestion: str) -> str:
    """The name of the test file of the suggestion with this id."""
    return f"{_ODD.sub('_', suggestion)}.yml"


def unit_tests(exhibit: Exhibit, suggestion: Suggestion, rule_file: str) -> str:
    """The cases of ``exhibit`` [at least one] as a file; ``rule_file`` is where its rules stand, relative to it."""
    words = change(suggestion.cluster.rule, suggestion.candidate.rules, suggestion.candidate.proposal)
    heading = (
        f"{MARK} {suggestion.id} {suggestion.candidate.proposal.template}: {suggestion.cluster.rule.name}: {words}"
    )
    missing = [f"There is no case {_CLAIMS[claim]}: {why}" for claim, why in exhibit.missing]
    lines = [
        *_comment(0, heading, "Cut from the history: real samples, on the fixed grid that promtool wants.", *missing),
        "rule_files:",
        f"  - {scalar.scalar(rule_file)}",
        f"evaluation_interval: {format_duration(exhibit.step)}",
        "tests:",
        *(line for case in exhibit.cases for line in _case(case)),
    ]
    return "\n".join(lines) + "\n"


def _case(case: Case) -> Iterator[str]:
    yield from _comment(2, f"0m is {time_text(case.origin)}.", *_before(case))
    yield f"  - name: {scalar.scalar(one_line(case.shows))}"
    yield f"    interval: {format_duration(case.interval)}"
    yield "    input_series:"
    for series in case.series:
        yield f"      - series: {scalar.scalar(metric_text(series.labels))}"
        words = values_text(series, case.interval)
        text = " ".join(words)
        if len(text) < _WIDTH - 20:
            yield f"        values: {scalar.single(text)}"
        else:  # folded: read back, a line end is a space
            yield "        values: >-"
            yield from textwrap.wrap(
                text, _WIDTH, initial_indent=" " * 10, subsequent_indent=" " * 10, break_on_hyphens=False
            )
    if case.checks:
        yield "    alert_rule_test:"
    for check in case.checks:
        yield from _check(check)
    if case.labels_only:
        yield from _comment(4, "Annotations print a value whose last digits differ between versions: labels only.")
        yield "    promql_expr_test:"
    for one in case.labels_only:
        yield f"      - expr: {scalar.scalar(one.expr)}"
        yield f"        eval_time: {format_duration(one.at)}"
        yield "        exp_samples:"
        for labels, value in one.samples:
            yield f"          - labels: {scalar.scalar(metric_text(labels))}"
            yield f"            value: {value:g}"


def _before(case: Case) -> Sequence[str]:
    if not case.before:
        return ("As it was, the rule does not fire at these times.",)
    times = list(dict.fromkeys(time for time, _ in case.before))
    labels = sorted({labels.drop((ALERT_NAME,)) for _, labels in case.before})
    at = ", ".join(format_duration(time) for time in times)
    more = f" and {len(labels) - 1} more" if len(labels) > 1 else ""
    return (f"As it was, the rule fires at {at}: {labels[0]}{more}",)


def _check(check: AlertCheck) -> Iterator[str]:
    yield f"      - eval_time: {format_duration(check.at)}"
    yield f"        alertname: {scalar.scalar(check.name)}"
    if not check.alerts:
        yield "        exp_alerts: []"
        return
    yield "        exp_alerts:"
    for alert in check.alerts:
        yield from _alert(alert)


def _alert(alert: ExpectedAlert) -> Iterator[str]:
    labels = [pair for pair in alert.labels.pairs if pair[0] != ALERT_NAME]
    yield "          - exp_labels:" + " {}" * (not labels)
    yield from (f"              {scalar.name(name)}: {scalar.scalar(value)}" for name, value in labels)
    if alert.annotations:
        yield "            exp_annotations:"
        yield from (f"              {scalar.name(name)}: {scalar.scalar(value)}" for name, value in alert.annotations)


def _comment(indent: int, *texts: str) -> Iterator[str]:
    for text in texts:
        yield f"{' ' * indent}# {one_line(text)}"
