from __future__ import annotations

import subprocess
from collections import Counter
from pathlib import Path

import pytest
from servers import binary

from rulegen.core.durations import MINUTE, SECOND
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule, RuleRef, RuleSet
from rulegen.errors import InputError
from rulegen.ingest.rulefile import read_rules

GOOD = """\
groups:
- name: good
  rules:
  - {alert: Good, expr: up == 0}
"""


def only(rules: RuleSet) -> Rule:
    ((_, _, rule),) = rules
    return rule


def read(folder: Path, text: str) -> Rule:
    path = folder / "rules.yml"
    path.write_bytes(text.encode())
    rules, _, problems = read_rules([path])
    assert not problems
    return only(rules)


def test_every_field(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(
        """\
# a comment
groups:
  - name: g
    interval: 30s
    query_offset: 1m
    limit: 7
    labels: {team: shop, severity: ticket}
    partial_response_strategy: warn
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - alert: A
        expr: up == 0
        for: 1h30m
        keep_firing_for: 0
        labels:
          severity: page
          code: 0500
          flag: yes
          none: null
        annotations:
          summary: '{{ $labels.pod }} is "down"'
  - name: empty
  - name: h
    rules: [{alert: B, expr: vector(1)}]
"""
    )
    rules, sources, problems = read_rules([path], default_interval_ms=15_000)
    assert not problems
    g, empty, h = rules.groups
    assert (g.name, g.path, g.interval, g.query_offset, g.limit) == ("g", str(path), 30 * SECOND, MINUTE, 7)
    assert (empty.rules, h.interval, h.limit, h.query_offset) == ((), 15 * SECOND, 0, 0)
    assert g.rules[0] == Rule(
        "job:up:sum", "sum by (job) (up)", "record", labels=Labels({"team": "shop", "severity": "ticket"}), line=10
    )
    assert g.rules[1] == Rule(
        "A",
        "up == 0",
        hold=90 * MINUTE,
        labels=Labels({"team": "shop", "severity": "page", "code": "0500", "flag": "yes"}),
        annotations=Labels({"summary": '{{ $labels.pod }} is "down"'}),
        line=12,
    )
    (source,) = sources
    assert source.text == path.read_text()
    assert [rule.ref for rule in source.rules] == [ref for ref, _, _ in rules]
    assert source.rules[-1].ref == RuleRef(str(path), "h", 0)


# Ways to write `alert: A, expr: up == 0 and up > -1, for: 5m, labels: {severity: page}`.
SPELLINGS = {
    "block": """\
  - alert: A
    expr: up == 0 and up > -1
    for: 5m
    labels:
      severity: page
""",
    "flow": "  - {alert: A, expr: up == 0 and up > -1, for: 5m, labels: {severity: page}}\n",
    "json": '  - {"alert": "A", "expr": "up == 0 and up > -1", "for": "5m", "labels": {"severity": "page"}}\n',
    "quoted": """\
  - 'alert': "A"
    expr: 'up == 0 and up > -1'
    for: "5m"
    labels: {severity: 'page'}
""",
    "folded": """\
  - alert: A
    expr: >-
      up == 0
      and up > -1
    for: 5m
    labels: {severity: page}
""",
    "over lines": """\
  - alert: A
    expr: up == 0
      and up > -1
    for: 5m
    labels: {severity: page}
""",
    "dash alone": """\
  -
    # why
    alert: A
    expr: up == 0 and up > -1
    for: 5m
    labels: {severity: page}
""",
    "tabs": """\
  - alert: A\t# tab
    expr:\tup == 0 and up > -1
    for: 5m\t
    labels: {\tseverity:\tpage}
""",
    "merge": """\
  - <<: {for: 5m, labels: {severity: page}, expr: vector(0)}
    alert: A
    expr: up == 0 and up > -1
""",
    "comments": """\
  # c
  - alert: A # c
    # c
    expr: up == 0 and up > -1 # c

    for: 5m
    labels:
      # c
      severity: page
  # c
""",
}


@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["lf", "crlf"])
@pytest.mark.parametrize("name", SPELLINGS)
def test_ways_to_write_the_same(name: str, newline: str, tmp_path: Path) -> None:
    text = ("groups:\n- name: g\n  rules:\n" + SPELLINGS[name]).replace("\n", newline)
    rule = read(tmp_path, text)
    assert (rule.name, rule.expr, rule.hold) == ("A", "up == 0 and up > -1", 5 * MINUTE)
    assert rule.labels == Labels({"severity": "page"})
    assert text.split(newline)[rule.line - 1].strip(" -").startswith(("alert", "'alert'", "{", "<<"))


def test_a_literal_keeps_its_lines(tmp_path: Path) -> None:
    rule = read(tmp_path, "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: |\n      up\n        == 0 # c\n\n")
    assert rule.expr == "up\n  == 0 # c"


def test_anchors_are_followed(tmp_path: Path) -> None:
    text = """\
groups:
- name: &name g
  rules:
  - &first
    alert: A
    expr: up == 0
    for: &five 5m
    labels: &page {severity: page}
  - alert: B
    expr: up == 1
    for: *five
    labels: {<<: *page, team: shop}
  - <<: *first
    alert: C
- name: h
  rules:
  - *first
"""
    path = tmp_path / "rules.yml"
    path.write_text(text)
    rules, sources, problems = read_rules([path])
    assert not problems
    assert [(rule.name, rule.expr, rule.hold, str(rule.labels)) for _, _, rule in rules] == [
        ("A", "up == 0", 300_000, '{severity="page"}'),
        ("B", "up == 1", 300_000, '{severity="page",team="shop"}'),
        ("C", "up == 0", 300_000, '{severity="page"}'),
        ("A", "up == 0", 300_000, '{severity="page"}'),
    ]
    first, second, third, fourth = sources[0].rules
    assert (first.anchor, fourth.style, text[fourth.start : fourth.end]) == ("first", "alias", "*first")
    assert second.key("for").style == "alias" and first.key("for").anchor == "five"
    assert [key.key for key in third.keys] == ["<<", "alert"] and fourth.keys == ()


RESOURCE = """\
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata: {{name: {name}, namespace: {namespace}}}
spec:
  groups:
  - name: g
    rules:
    - {{alert: {alert}, expr: up == 0}}
"""


def test_mimirtool_namespaces(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(f"namespace: one\n{GOOD}---\nnamespace: two\n{GOOD}")
    rules, _, problems = read_rules([path])
    assert [group.name for group in rules.groups] == ["good", "good (two)"] and not problems


def test_a_recording_rule_may_say_that_it_waits_for_nothing(tmp_path: Path) -> None:
    text = "groups:\n- name: g\n  rules:\n  - {record: a, expr: up, for: 0s, annotations: {}}\n"
    assert read(tmp_path, text).kind == "record"


def test_resources(tmp_path: Path) -> None:
    """Several documents of one file; other kinds are passed by; groups named alike are told apart."""
    one, two = (RESOURCE.format(name=name, namespace="ns", alert=name.upper()) for name in ("one", "two"))
    listed = "apiVersion: v1\nkind: List\nitems:\n- " + one.replace("\n", "\n  ").rstrip(" ") + "- kind: Secret\n"
    for text, groups in {
        one: ["g"],
        f"---\n{one}---\nkind: ConfigMap\n---\n# nothing\n---\n{two}": ["g", "g (ns/two)"],
        listed: ["g"],
        f"{listed}---\n{two}": ["g", "g (ns/two)"],
    }.items():
        path = tmp_path / "rules.yaml"
        path.write_text(text)
        rules, (source,), problems = read_rules([path])
        assert not problems
        assert [group.name for group in rules.groups] == groups
        for ref, _, rule in rules:
            found = source.rule(ref)
            assert found is not None and text[found.start :].startswith(f"{{alert: {rule.name},")


# A group or rule beside a good one → problems, and whether Prometheus refuses the file too.
PROBLEMS = {
    "- name: g\n  rules: [{expr: up}]\n": [(6, 'group "g", rule 1: one of alert and record must be set')],
    "- name: g\n  rules: [{alert: A, record: a, expr: up}]\n": [
        (6, 'group "g", rule "A": only one of alert and record may be set')
    ],
    "- name: g\n  rules:\n  - alert: A\n": [(7, 'group "g", rule "A": expr must be set')],
    "- name: g\n  rules:\n  - alert: A\n    expr:\n": [(8, 'group "g", rule "A": expr must be set')],
    "- name: g\n  rules:\n  - alert: A\n    expr: sum(up\n": [
        (8, 'group "g", rule "A": expr cannot be parsed: unclosed left parenthesis')
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: [up]\n": [
        (8, 'group "g", rule "A": expr should be a single value, not a list')
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    for: 5 minutes\n    keep_firing_for: -1m\n": [
        (
            9,
            'group "g", rule "A": for is wrong: not a duration: \'5 minutes\' '
            "(write it as Prometheus does: 30s, 5m, 1h30m)",
        ),
        (
            10,
            'group "g", rule "A": keep_firing_for is wrong: not a duration: \'-1m\' '
            "(write it as Prometheus does: 30s, 5m, 1h30m)",
        ),
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    for: 300y\n": [
        (9, 'group "g", rule "A": for is wrong: 300y is out of range')
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    fro: 5m\n": [
        (
            9,
            'group "g", rule "A": unknown field "fro" (a rule has alert, annotations, expr, for, keep_firing_for, '
            "labels, record)",
        )
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    expr: up\n": [
        (9, 'group "g", rule "A": "expr" is given twice')
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels: {a-b: x, c: [d], __name__: e}\n": [
        (9, 'group "g", rule "A": labels: "__name__" is not a label name (letters, digits and _)'),
        (9, 'group "g", rule "A": labels: "a-b" is not a label name (letters, digits and _)'),
        (9, 'group "g", rule "A": labels: "c" should be a single value, not a list'),
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    labels:\n      a: x\n      a: y\n": [
        (11, 'group "g", rule "A": labels: "a" is given twice')
    ],
    "- name: g\n  rules:\n  - alert: A\n    expr: up\n    annotations: text\n": [
        (9, 'group "g", rule "A": annotations should be a mapping, not a single value')
    ],
    "- name: g\n  rules:\n  - record: a b\n    expr: up\n    for: 5m\n    annotations: {s: t}\n": [
        (7, 'group "g", rule "a b": record is not a metric name: \'a b\''),
        (9, 'group "g", rule "a b": a recording rule has no for'),
        (10, 'group "g", rule "a b": a recording rule has no annotations'),
    ],
    "- name: g\n  rules: [text, [list]]\n": [
        (6, 'group "g", rule 1: a rule should be a mapping, not a single value'),
        (6, 'group "g", rule 2: a rule should be a mapping, not a list'),
    ],
    "- rules: []\n": [(5, "a group needs a name")],
    "- text\n": [(5, "a rule group should be a mapping, not a single value")],
    "- name: g\n  rules: {alert: A}\n": [(6, 'group "g": rules should be a list of rules, not a mapping')],
    "- name: good\n  rules: []\n": [(5, 'group "good": the name is repeated in this file')],
    "- name: g\n  interval: 1 minute\n  limit: few\n  rules: []\n": [
        (
            6,
            "group \"g\": interval is wrong: not a duration: '1 minute' "
            "(write it as Prometheus does: 30s, 5m, 1h30m)",
        ),
        (7, "group \"g\": limit is wrong: not a whole number: 'few'"),
    ],
    "- name: g\n  intervall: 1m\n": [
        (
            6,
            'group "g": unknown field "intervall" (a rule group has align_evaluation_time_on_interval, concurrency, '
            "interval, labels, limit, name, partial_response_strategy, query_offset, rules)",
        )
    ],
    "---\ngroups:\n- name: good\n": [
        (6, "Prometheus reads only the first document of a rule file; split this file"),
        (7, 'group "good": the name is repeated in this file'),
    ],
    "more: 1\n": [(5, 'unknown field "more" (a rule file has groups)')],
}


@pytest.mark.parametrize("text", PROBLEMS)
def test_what_is_wrong_is_told_and_the_rest_is_used(text: str, tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(GOOD + text)
    rules, sources, problems = read_rules([path])
    assert [str(problem) for problem in problems] == [f"{path}:{line}: {message}" for line, message in PROBLEMS[text]]
    assert only(rules).name == "Good"
    assert [rule.ref for source in sources for rule in source.rules] == [ref for ref, _, _ in rules]


# A later document it does not even look at.
@pytest.mark.parametrize("text", [text for text in PROBLEMS if not text.startswith("---")])
def test_prometheus_refuses_it_too(text: str, tmp_path: Path) -> None:
    (tmp_path / "rules.yml").write_text(GOOD + text)
    command = [binary("promtool"), "check", "rules", str(tmp_path / "rules.yml")]
    assert subprocess.run(command, capture_output=True, timeout=60).returncode != 0


BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n"
    for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
HELM = "a template ({{ … }} outside of a string); render it first (helm template), give the result"
UNUSABLE = {
    "broken": (
        "groups: [\n",
        ":2: not YAML: while parsing a flow node, expected the node content, but found '<stream end>'",
    ),
    "tab": (
        "groups:\n\t- name: g\n",
        ":2: not YAML: while scanning for the next token, found character '\\t' that cannot start any token",
    ),
    "control character": ("groups: \x01\n", ":1: not YAML: the character '\\x01' is not allowed"),
    "alias bomb": (BOMB + "groups: []\n", ":6: more than 500,000 nodes once its aliases are written out"),
    "alias of itself": ("groups: &a [*a]\n", ':1: "*a": no such anchor before this place (or it holds itself)'),
    "deep": ("groups: " + "[" * 5000, ":1: nested deeper than 100 levels"),
    "groups twice": (GOOD + GOOD, ':1: "groups" is given twice'),
    "text": ("hello\n", ":1: not a rule file: a single value where groups: is expected"),
    "list": ("- a\n", ":1: not a rule file: a list where groups: is expected"),
    "other": ("rule_files: []\ntests: []\n", ":1: not a rule file: no groups: (it has rule_files, tests)"),
    "helm": ("groups:\n{{- if .Values.on }}\n- name: g\n{{- end }}\n", f":2: {HELM}"),
    "helm value": ("groups:\n- name: {{ .Release.Name }}\n", f":2: {HELM}"),
    "no rules": ("groups: []\n", ": no rule that can be used"),
    "nothing": ("# later\n", ": no rule that can be used"),
    "groups as text": (
        "groups: text\n",
        ": no rule that can be used",
        ":1: groups should be a list, not a single value",
    ),
    "no spec": (
        "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\n",
        ": no rule that can be used",
        ":1: a PrometheusRule needs a spec with groups",
    ),
}


@pytest.mark.timeout(30)
@pytest.mark.parametrize("name", UNUSABLE)
def test_a_file_that_cannot_be_used(name: str, tmp_path: Path) -> None:
    text, *messages = UNUSABLE[name]
    path = tmp_path / "rules.yml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        read_rules([path])
    assert caught.value.messages == tuple(f"{path}{message}" for message in messages)


def test_a_template_in_an_expression_says_so(tmp_path: Path) -> None:
    path = tmp_path / "rules.yml"
    path.write_text(GOOD + "- name: g\n  rules:\n  - alert: A\n    expr: up > {{ .Values.limit }}\n")
    _, _, (problem,) = read_rules([path])
    assert problem.message.endswith(" (a template? render it first)")


def test_directories(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in {
        "rules/b.yml": GOOD,
        "rules/a.yaml": GOOD,
        "rules/deep/er/c.yml": GOOD,
        "rules/.hidden.yml": "[",
        "rules/.git/config.yml": "[",
        "rules/README.md": "[",
        "rules/b_test.yml": "rule_files: [b.yml]\ntests: []\n",
        "rules/deployment.yaml": "kind: Deployment\n",
        "rules/null.yml": "null\n",
        "rules/values.yaml": "image: x\n",
        "rules/broken.yml": "groups: [\n",
        "rules/empty.yml": "",
        "none/x.txt": "",
    }.items():
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    rules, sources, problems = read_rules(["./rules", "rules/b.yml"])
    expected = ["./rules/a.yaml", "./rules/b.yml", "./rules/deep/er/c.yml"]
    assert [ref.path for ref, _, _ in rules] == [source.path for source in sources] == expected
    assert [str(problem) for problem in problems] == [
        "./rules/broken.yml:2: not YAML: while parsing a flow node, expected the node content, "
        "but found '<stream end>'",
        "./rules/empty.yml: the file is empty",
        "./rules/values.yaml:1: not a rule file: no groups: (it has image)",
    ]
    with pytest.raises(InputError) as caught:
        read_rules(["none", "rules/a.yaml", "gone.yml", "rules/values.yaml", "x.jsonnet"])
    assert caught.value.messages == (
        "none: no *.yml or *.yaml file in this directory",
        "gone.yml: no such file",
        "rules/values.yaml:1: not a rule file: no groups: (it has image)",
        "x.jsonnet: no such file",
    )
    Path("x.jsonnet").write_text("{}")
    with pytest.raises(InputError) as caught:
        read_rules(["x.jsonnet"])
    assert caught.value.messages == ("x.jsonnet: jsonnet source; build the rules and give the YAML",)


def test_real_rule_files(shared_data: Path) -> None:
    """All 2,087 alerts. What is told Prometheus 2.42 refuses or passes over too."""
    rules, sources, problems = read_rules([shared_data / "rules"])
    assert Counter(rule.kind for _, _, rule in rules) == {"alert": 2087, "record": 913}
    wrong = Counter((Path(problem.path).name, problem.message.split(": ")[-1]) for problem in problems)
    assert wrong == {
        ("victoria-metrics.yml", "unknown function with name 'histogram_share'"): 14,
        **{
            ("contrib-slo-plugins.yml", f'"plug-l{number}" is not a label name (letters, digits and _)'): 1
            for number in (1, 2, 3)
        },
        **{
            (name, "Prometheus reads only the first document of a rule file; split this file"): 1
            for name in ("multifile.yml", "openslo-kubernetes-apiserver.yml")
        },
    }
    refs = [ref for ref, _, _ in rules]
    assert refs == [rule.ref for source in sources for rule in source.rules]
    assert len(refs) == len(set(refs))


def test_lines_that_end_in_cr_alone_are_one_message(tmp_path: Path) -> None:
    path = tmp_path / "old-mac.yml"
    path.write_bytes(b"groups:\r- name: g\r  rules:\r  - alert: A\r    expr: up == 0\r")
    with pytest.raises(InputError, match=r"old-mac\.yml.*CR alone"):
        read_rules([str(path)])
