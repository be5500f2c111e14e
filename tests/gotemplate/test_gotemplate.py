"""Templates as promtool, which is Go, expands them, and templates that mean harm."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from histories import promtool, series
from ruamel.yaml import YAML

from rulegen.core.labels import Labels
from rulegen.core.series import Samples
from rulegen.errors import UnsupportedError
from rulegen.gotemplate import Data, Sample, StringMap, TemplateError, expand
from rulegen.promql import Evaluator
from rulegen.replay.groups import asking
from rulegen.replay.identity import Around, expanded

CASES = YAML(typ="safe").load(Path(__file__).parent / "cases.yaml")
# What Prometheus fails to expand: it writes "<error expanding template: …>".
FAILING = [
    "{{ $labels.job",
    "{{ end }}",
    "{{ if true }}",
    "{{ unknown }}",
    "{{ $undefined }}",
    "{{ gt $value 1 }}",
    '{{ lt 1 "a" }}',
    "{{ .Nothing }}",
    '{{ template "none" }}',
    '{{ first (query "nothing") }}',
    '{{ humanize "x" }}',
    '{{ query "(" }}',
    "{{ nil }}",
    "{{ $labels.job 1 }}",
    "{{ 1 | 2 }}",
    "{{ toUpper 1 }}",
    "{{ range 1.5 }}{{ end }}",
    "{{ index $labels 1 }}",
    '{{ toUpper "a" "b" }}',
    '{{ "open }}',
    "{{ break }}",
    "{{ eq $labels $labels }}",
    '{{ reReplaceAll "(" "" "x" }}',
    '{{ parseDuration "x" }}',
]
LABELS = {"job": "api-server", "instance": "db1.example.com:9100", "hostile": "{{ $value }}<b>"}
VALUE, SITE, URL = 1234.5678, "eqiad", "http://prom.example.com/sub/path"


def ours(text: str, url: str = "") -> str:  # promtool 2.42 has no external URL
    pods = [series("u", [value], pod=pod) for pod, value in (("c", 3.0), ("a", 1.0), ("b", 2.5))]
    samples = Samples.of([series("t", [VALUE], **LABELS), *pods])
    around = asking(Evaluator(samples, semantics="closed"), Around(Labels({"site": SITE}), url))
    return expanded(text, Labels({"__name__": "t", **LABELS}), VALUE, 0, around)


def said(tmp_path: Path, texts: list[str]) -> str:
    """What promtool prints about rules of which each has one of ``texts`` as its annotation."""
    rules = [{"alert": f"A{at}", "expr": "t", "annotations": {"a": text}} for at, text in enumerate(texts)]
    (tmp_path / "rules.yml").write_text(json.dumps({"groups": [{"name": "g", "rules": rules}]}))
    quoted = ",".join(f"{name}={json.dumps(value)}" for name, value in LABELS.items())
    given = {f"t{{{quoted}}}": VALUE, 'u{pod="c"}': 3, 'u{pod="a"}': 1, 'u{pod="b"}': 2.5}
    test = {
        "interval": "1m",
        "input_series": [{"series": name, "values": str(value)} for name, value in given.items()],
        "external_labels": {"site": SITE},
        "alert_rule_test": [{"eval_time": "0s", "alertname": rule["alert"]} for rule in rules],
    }
    (tmp_path / "test.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "tests": [test]}))
    done = promtool("test", "rules", tmp_path / "test.yml")
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_as_go_expands_them(tmp_path: Path) -> None:
    quoted = re.findall(
        r'alertname: A(\d+), .*?Annotations:\{a="((?:[^"\\]|\\.)*)"\}', said(tmp_path, CASES), re.DOTALL
    )
    want = {int(at): json.loads(f'"{text}"') for at, text in quoted}
    wrong = [(text, ours(text), want[at]) for at, text in enumerate(CASES) if ours(text) != want[at]]
    assert not wrong
    assert len(CASES) > 50 and not any(text.startswith("<error") for text in want.values())


@pytest.mark.parametrize("text", FAILING)
def test_what_go_refuses_is_refused(text: str, tmp_path: Path) -> None:
    there = said(tmp_path, [text])
    assert "<error expanding template: " in there or "template: __alert" in there or "could not parse" in there, there
    with pytest.raises((TemplateError, UnsupportedError)):
        ours(text)


def test_the_external_url() -> None:
    assert ours("{{ externalURL }} {{ pathPrefix }} {{ $externalURL }}", URL) == f"{URL} /sub/path {URL}"


@pytest.mark.parametrize(
    "text",
    [
        '{{ define "x" }}{{ template "x" . }}{{ end }}{{ template "x" . }}',
        '{{ define "x" }}{{ template "x" }}{{ template "x" }}{{ end }}{{ template "x" }}',
        '{{ printf "%1000000d" 1 }}',
        '{{ $x := "aaaaaaaaaaaaaaaa" }}' + '{{ $x = printf "%s%s%s%s" $x $x $x $x }}' * 40 + "{{ $x }}",
        "{{ range query `u` }}" * 12 + "x" + "{{ end }}" * 12,
        '{{ reReplaceAll "(a*)*b" "" "' + "a" * 5000 + '" }}',
        "{{ if true }}" * 5000 + "{{ end }}" * 5000,
        "{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}",
        "{{ $labels.job" + ".x" * 30_000 + " }}",
        "{{ " + "1 | print " * 9000 + " }}",
        "{{/*" * 10_000,
        "{{ 1 -" * 10_000,
        'x{{"' * 10_000,
        "{{ " + " " * 60_000 + "x",
    ],
    ids=range(14),
)
def test_hostile_templates_end_soon(text: str) -> None:
    many = [Sample(StringMap({"pod": str(at)}), 1.0) for at in range(50)]
    data = Data(StringMap(LABELS), StringMap(), "", VALUE)
    began = time.perf_counter()
    try:
        assert len(expand(text, data, lambda _: many)) <= 1 << 18
    except (TemplateError, UnsupportedError) as error:
        assert len(str(error)) < 500
    assert time.perf_counter() - began < 2


def test_text_without_actions_stays() -> None:
    text = "100% of { } }} and $labels.job"
    assert ours(text) == text
