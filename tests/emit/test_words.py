from __future__ import annotations

from dataclasses import replace

import pytest

from rulegen.core.candidate import Proposal, Provenance, Slots
from rulegen.core.cluster import Companion, Pattern, Relation, Season
from rulegen.core.durations import DAY, MINUTE
from rulegen.core.labels import Labels
from rulegen.core.outcome import Measure
from rulegen.core.rule import Rule, RuleRef
from rulegen.emit import words

OLD = Rule("A", 'x{job="a"} > 80', hold=0, labels=Labels({"severity": "page", "team": "t"}))
LONG = 'sum by (job, instance) (rate(http_requests_total{job="api",code=~"5.."}[5m])) > 10'


@pytest.mark.parametrize(
    ("new", "wanted"),
    [
        (replace(OLD, hold=300_000), "for 0s → 5m"),
        (replace(OLD, keep_firing_for=60_000), "keep_firing_for 0s → 1m"),
        (replace(OLD, expr='x{job="a"} > 95'), "> 80 → > 95"),
        (replace(OLD, expr='x{job="a"} >= 80'), "> → >="),
        (replace(OLD, labels=Labels({"severity": "ticket", "team": "t"})), "severity page → ticket"),
        (replace(OLD, labels=Labels({"severity": "page", "zone": "z"})), "− team t, + zone z"),
        (replace(OLD, expr='avg_over_time(x{job="a"}[5m]) > 80'), 'x{job="a"} → avg_over_time(x{job="a"}[5m])'),
        (replace(OLD, expr='x{host!="b",job="a"} > 80'), '+ host!="b",'),
        (replace(OLD, expr='x{ job="a" } > 80.0'), "expression laid out anew"),
        (replace(OLD, name="B", annotations=Labels({"a": "b"})), "name A → B, annotations"),
        (OLD, "no change"),
        (replace(OLD, kind="record", labels=Labels()), "1 rule → 1 recording rule"),
    ],
)
def test_a_change_in_words(new: Rule, wanted: str) -> None:
    assert words.change(OLD, (new,)) == wanted


def test_a_long_expression_is_shortened() -> None:
    old = replace(OLD, expr=LONG)
    new = replace(OLD, expr="max by (zone) (" + LONG.replace("> 10", "") + ") > 10")
    found = words.change(old, (new,))
    assert "…" in found
    assert len(found) < 100
    other = replace(OLD, expr=f"({LONG}) and on (job) (y > 3) unless on (instance) (something_else_{'x' * 90} > 0)")
    assert words.change(old, (other,)) == "expression rewritten"


def test_a_condition_is_told_and_not_its_number() -> None:
    gate = "\nand on (namespace)\nsum by (namespace) (rate(http_requests_total[5m])) > 69"
    filled = Proposal("gate", Slots((("condition", "g0"), ("within", 300_000))), Provenance("search"))
    new = replace(OLD, expr=OLD.expr + gate)
    assert words.change(OLD, (new,), filled) == f"+ {' '.join(gate.split())}"
    long = gate.replace("total[", f'total{{code=~"{"5.." * 40}"}}[')
    found = words.change(OLD, (replace(OLD, expr=OLD.expr + long),), filled)
    assert found.startswith("+ and on (namespace) sum by (namespace)") and found.endswith("> 69") and "…" in found
    assert len(found) < 100
    other = replace(OLD, expr=f"max_over_time({'y' * 90}[5m]) > 3")
    assert words.change(OLD, (other,), filled) == "gate: within 5m"


def test_several_rules_are_counted() -> None:
    record = Rule("a:b", "sum(x)", "record")
    assert words.change(OLD, (record, record, OLD)) == "1 rule → 2 recording rules + 1 alert"


def test_figures() -> None:
    measure = Measure(2.0, (5, 1), (2.5, 0.0), (12, 13), lost=("i-1",), gained=("i-2", "i-3"))
    assert words.kept(measure) == "11/12"
    assert words.delay(measure) == "none"
    assert words.number(2.5) == "2.5"
    assert words.number(812.6) == "813"
    assert words.share(float("nan")) == "–"


def test_the_note_is_one_safe_line(make_suggestion) -> None:
    one = make_suggestion(RuleRef("r.yml", "g", 0), OLD, OLD, id="s-1\n- alert: X\x1b[31m\u202e")
    note = words.note(one, "incidents")
    assert note.isprintable()
    assert note == (
        "rulegen: s-1 - alert: X?[31m? retune: pages 812 → 31, minutes 4012 → 202, incidents 12/12 kept, "
        "added delay ≤ 1m (grade metrics)"
    )


@pytest.mark.parametrize(
    ("expr", "within", "wanted"),
    [
        (
            "A > 80 and on (job) sum by (job) (rate(http_requests_handled_total[5m])) > 2",
            0,
            "+ and on (job) sum by (job) (rate(http_requests_handled_total[5m])) > 2",
        ),
        (
            'max_over_time(A[2m]) > 80 and on (job, pod) max_over_time(process_cpu_usage_percent{job="a"}[2m]) > 3',
            120_000,
            'and on (job, pod) max_over_time(process_cpu_usage_percent{job="a"}[2m]) > 3, within 2m',
        ),
        (
            f"max_over_time(A[2m]) > 80 and on (job) max_over_time({'b' * 200}[2m]) > 3",
            120_000,
            f"and on (job) max_over_time( {'b' * 67}…, within 2m",
        ),
        (f"A > 80 unless on (job) {'b' * 200} == 0", 0, "+ unless on (job) … == 0"),
        ("A > 80 unless on (job) up == 0", 0, "+ unless on (job) up == 0"),
    ],
)
def test_a_gate_says_its_condition(expr: str, within: int, wanted: str) -> None:
    proposal = Proposal("gate", Slots((("condition", "g0"), ("within", within))), Provenance("search"))
    assert words.change(replace(OLD, expr="A > 80"), (replace(OLD, expr=expr),), proposal) == wanted


def test_every_pattern_has_a_reason(make_suggestion) -> None:
    facts = replace(
        make_suggestion(RuleRef("r", "g", 0), OLD, OLD).cluster.facts,
        season=Season(DAY, 2, 2, 0.8, 0.9, 1e-6),
        indicator="requests_total",
    )
    company = tuple(
        Companion(RuleRef("r", "g", 1), Labels({"alertname": "Other"}), relation, 2 * MINUTE, 0.9, 12.0)
        for relation in (Relation.LEADS, Relation.DUPLICATE)
    )
    clusters = (make_suggestion(RuleRef("r", "g", 0), OLD, OLD, pattern=one).cluster for one in Pattern)
    found = [words.why(replace(one, facts=facts, companions=company)) for one in clusters]
    assert "Other fires 2m before 90% of its noise, 12 times what chance gives" in found
    assert "80% of its noise starts from 02:00 to 04:00 UTC" in found
    assert len(set(found)) == len(Pattern)
    assert all(text and not text.endswith(".") for text in found)


def test_a_note_says_what_was_never_seen(make_suggestion) -> None:
    one = make_suggestion(RuleRef("r", "g", 0), OLD, OLD)
    assert words.note(one, "incidents").endswith("(grade metrics)")
    unseen = replace(one, evidence=replace(one.evidence, synthetic=("why",)))
    assert words.note(unseen, "incidents").endswith("(grade metrics, partly synthetic)")
