"""Prometheus' own test files, release 3 with open and release 2 with closed windows, and a few of our own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from promqltest import Outcome, run_file

from rulegen.promql import Semantics

HERE = Path(__file__).parent
SHARED = HERE.parents[2] / "shared" / "data" / "promqltest"

# Passed cases of each file. What is not among them is skipped with a reason: a floor, so that a case that stops being
# read fails the test as one that gives a wrong answer does.
FLOORS: dict[tuple[str, Semantics], dict[str, int]] = {
    ("v3.14", "open"): {
        "aggregators.test": 123,
        "at_modifier.test": 78,
        "collision.test": 2,
        "duration_expression.test": 8,
        "extended_vectors.test": 38,
        "fill-modifier.test": 1,
        "functions.test": 275,
        "histograms.test": 93,
        "info.test": 0,
        "limit.test": 0,
        "literals.test": 20,
        "name_label_dropping.test": 22,
        "native_histograms.test": 3,
        "operators.test": 142,
        "range_queries.test": 13,
        "selectors.test": 31,
        "staleness.test": 17,
        "start_timestamps.test": 0,
        "subquery.test": 32,
        "trig_functions.test": 19,
        "type_and_unit.test": 43,
    },
    ("v2.42", "closed"): {
        "aggregators.test": 83,
        "at_modifier.test": 33,
        "collision.test": 2,
        "functions.test": 207,
        "histograms.test": 38,
        "literals.test": 20,
        "operators.test": 94,
        "selectors.test": 31,
        "staleness.test": 14,
        "subquery.test": 25,
        "trig_functions.test": 19,
    },
}

# What may fail: what Prometheus has behind a feature flag or the parser loses; by file, then words of the expression.
KNOWN: dict[str, dict[str, str]] = {
    "name_label_dropping.test": {"": "delayed name removal (feature flag promql-delayed-name-removal)"},
    "type_and_unit.test": {"": "type and unit labels (feature flag type-and-unit-labels)"},
    "functions.test": {r'"\xff"': "the parser reads the byte ff as the character ÿ"},
}


def failures(path: Path, outcomes: list[Outcome]) -> list[str]:
    known = KNOWN.get(path.name, {})
    return [
        f"{path.name}:{one.line}: {one.expr}\n    {one.reason}"
        for one in outcomes
        if one.verdict == "failed" and not any(words in one.expr for words in known)
    ]


def summary(path: Path, outcomes: list[Outcome]) -> str:
    """Passed cases, and the others by their reason."""
    known = KNOWN.get(path.name, {})
    reasons = Counter(
        next((why for words, why in known.items() if words in one.expr), one.reason)
        if one.verdict == "failed"
        else one.reason
        for one in outcomes
        if one.verdict != "passed"
    )
    passed = sum(one.verdict == "passed" for one in outcomes)
    return "\n".join(
        [f"{path.name}: {passed} of {len(outcomes)} passed", *(f"  {n:4} {why}" for why, n in reasons.items())]
    )


@pytest.mark.skipif(not SHARED.is_dir(), reason="Prometheus' test files are not beside the repository")
@pytest.mark.parametrize(
    ("release", "semantics", "name", "floor"),
    [(*where, name, floor) for where, files in FLOORS.items() for name, floor in files.items()],
)
def test_as_prometheus(release: str, semantics: Semantics, name: str, floor: int) -> None:
    path = SHARED / release / name
    outcomes = run_file(path, semantics)
    print(summary(path, outcomes))
    assert not failures(path, outcomes)
    assert sum(one.verdict == "passed" for one in outcomes) >= floor


@pytest.mark.skipif(not SHARED.is_dir(), reason="Prometheus' test files are not beside the repository")
def test_no_file_is_forgotten() -> None:
    for (release, _), files in FLOORS.items():
        assert {path.name for path in (SHARED / release).glob("*.test")} == files.keys()


OWN = [(path, semantics) for path in sorted(HERE.glob("cases/*/*.test")) for semantics in ("open", "closed")]


@pytest.mark.parametrize(
    ("path", "semantics"),
    [pytest.param(path, s, id=f"{path.stem}-{s}") for path, s in OWN if path.parent.name in (s, "both")],
)
def test_own_cases(path: Path, semantics: Semantics) -> None:
    outcomes = run_file(path, semantics)
    assert outcomes
    assert [f"{path.name}:{one.line}: {one.expr}: {one.reason}" for one in outcomes if one.verdict != "passed"] == []


def test_a_wrong_answer_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "wrong.test"
    path.write_text(
        "load 1m\n  m 1 2 3\n\neval instant at 2m m\n  m 4\n\neval range from 0 to 2m step 1m m\n  m 1 2\n\n"
        "eval instant at 0 m\n  expect fail\n\neval instant at 0 m + m\n  m 2\n\neval instant at 0 vector(1)\n"
    )
    assert [one.verdict for one in run_file(path, "open")] == ["failed"] * 5


@pytest.mark.skipif(not SHARED.is_dir(), reason="Prometheus' test files are not beside the repository")
@pytest.mark.parametrize("name", ["at_modifier.test", "subquery.test", "operators.test", "functions.test"])
def test_remembering_changes_nothing(name: str) -> None:
    path = SHARED / "v3.14" / name
    assert run_file(path, "open", memory_bytes=0) == run_file(path, "open")
