"""The verdict of every unit-test file beside promtool's: as they are, and made wrong."""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap

from rulegen.cli.testing import _Rules
from rulegen.ingest.unittests import read_unit_tests
from rulegen.ruletest import run

DATA = Path(__file__).parents[3] / "shared" / "data" / "promtool-tests"
FILES = sorted([*DATA.rglob("*_test.yaml"), *DATA.rglob("*-test.yaml")])

pytestmark = [
    pytest.mark.skipif(not FILES, reason="needs ../shared/data/promtool-tests"),
    pytest.mark.timeout(900),  # promtool alone takes half a minute for some of the files
]

MUTANTS = 80  # of all kinds of change together
SLOW = ("global_test.yaml", "sloth_test.yaml", "wikitech-static_test.yaml")  # seconds each for promtool: not mutated


def ours(path: Path, rules: _Rules | None = None) -> bool:
    """Whether it passes, under the windows of promtool 2.42."""
    file = read_unit_tests(path)
    return not run(file, (rules or _Rules()).of(file), "closed")


def theirs(path: Path) -> bool:
    done = subprocess.run(["promtool", "test", "rules", path], capture_output=True, timeout=600, check=False)
    return done.returncode == 0


def test_every_file_gets_the_verdict_that_promtool_gives() -> None:
    assert len(FILES) == 80
    rules = _Rules()
    with ThreadPoolExecutor(2) as pool:
        asked = pool.map(theirs, FILES)
        verdicts = {path: (ours(path, rules), there) for path, there in zip(FILES, asked, strict=True)}
    differing = [str(path.relative_to(DATA)) for path, (here, there) in verdicts.items() if here != there]
    passing = sum(there for _, there in verdicts.values())
    print(f"{len(FILES)} files: promtool passes {passing}, {len(differing)} verdicts differ: {differing}")
    assert not differing and passing == 80


def test_every_annotation_is_compared() -> None:
    """None is left out because its template can't be expanded: all expected ones are there."""
    rules, expected, refused = _Rules(), 0, []
    for path in FILES:
        file = read_unit_tests(path)
        expected += sum(
            len(alert.annotations) for test in file.tests for check in test.alerts for alert in check.alerts
        )
        refused += [failure for failure in run(file, rules.of(file), "closed") if failure.why]
    print(f"{expected} annotations compared, {len(refused)} checks refused")
    assert expected > 900 and not refused


Change = Callable[[CommentedMap, random.Random], bool]


def checks_of(tree: CommentedMap, key: str) -> list[CommentedMap]:
    return [check for test in tree["tests"] for check in test.get(key) or []]


def other_label(tree: CommentedMap, chance: random.Random) -> bool:
    found = [alert for check in checks_of(tree, "alert_rule_test") for alert in check.get("exp_alerts") or []]
    labels = [alert["exp_labels"] for alert in found if alert.get("exp_labels")]
    if not labels:
        return False
    chosen = chance.choice(labels)
    chosen[chance.choice(list(chosen))] = "something else"
    return True


def other_annotation(tree: CommentedMap, chance: random.Random) -> bool:
    found = [alert for check in checks_of(tree, "alert_rule_test") for alert in check.get("exp_alerts") or []]
    texts = [alert["exp_annotations"] for alert in found if alert.get("exp_annotations")]
    if not texts:
        return False
    chosen = chance.choice(texts)
    name = chance.choice(list(chosen))
    chosen[name] = f"{chosen[name]}!"
    return True


def no_alerts(tree: CommentedMap, chance: random.Random) -> bool:
    found = [check for check in checks_of(tree, "alert_rule_test") if check.get("exp_alerts")]
    if not found:
        return False
    chance.choice(found)["exp_alerts"] = []
    return True


def other_time(tree: CommentedMap, chance: random.Random) -> bool:
    found = [*checks_of(tree, "alert_rule_test"), *checks_of(tree, "promql_expr_test")]
    chance.choice(found)["eval_time"] = f"{chance.randint(0, 40)}m"
    return True


def other_value(tree: CommentedMap, chance: random.Random) -> bool:
    found = [sample for check in checks_of(tree, "promql_expr_test") for sample in check.get("exp_samples") or []]
    if not found:
        return False
    chosen = chance.choice(found)
    chosen["value"] = float(chosen["value"]) + 1
    return True


def other_series(tree: CommentedMap, chance: random.Random) -> bool:
    given = [one for test in tree["tests"] for one in test.get("input_series") or []]
    if not given:
        return False
    chosen = chance.choice(given)
    chosen["values"] = chance.choice(["0x50", "1x50", "_x50", "0+1x50", "1000x50", "1 2 stale 3x20"])
    return True


OF_TESTS: tuple[Change, ...] = (other_label, other_annotation, no_alerts, other_time, other_value, other_series)


def of_rules(text: str, chance: random.Random) -> str:
    """A rule file with another ``for``, threshold or label."""
    kind = chance.choice(["for", "threshold", "label"])
    pattern = {
        "for": r"(?m)(?<=for: )['\"]?\d+[smhd]['\"]?",
        "threshold": r"(?<=[<>] )\d+(\.\d+)?",
        "label": r"(?m)(?<=severity: )['\"]?\w+['\"]?",
    }[kind]
    places = list(re.finditer(pattern, text))
    if not places:
        return text
    place = chance.choice(places)
    new = {"for": "47m", "threshold": str(chance.choice([0, 1, 3, 10**9])), "label": "changed"}[kind]
    return text[: place.start()] + new + text[place.end() :]


def write(tree: CommentedMap, path: Path) -> None:
    with path.open("w") as file:
        YAML().dump(tree, file)


def test_what_is_made_wrong_gets_the_verdict_that_promtool_gives(tmp_path: Path) -> None:
    chance = random.Random(7)
    failed, kept, differing = 0, 0, []
    # Not those of kubernetes, whose rules are a whole mixin's.
    small = [path for path in FILES if path.name not in SLOW and "kubernetes" not in path.parts]
    shutil.copytree(DATA / "wikimedia", tmp_path / "wikimedia")
    for number in range(MUTANTS):
        origin = chance.choice(small)
        path = tmp_path / origin.relative_to(DATA)
        tree = YAML().load(path.read_text())
        change = chance.choice((*OF_TESTS, "rules"))
        rules = [path.parent / name for name in tree["rule_files"]]
        before = [one.read_text() for one in rules]
        if change == "rules":
            rules[0].write_text(of_rules(before[0], chance))
        elif not change(tree, chance):  # type: ignore[operator]
            continue
        mutant = path.with_name(f"mutant{number}.yaml")
        write(tree, mutant)
        here, there = ours(mutant), theirs(mutant)
        rules[0].write_text(before[0])
        failed, kept = failed + (not there), kept + there
        if here != there:
            name = change if isinstance(change, str) else change.__name__
            differing.append(f"{origin.name} {name} {number}: {'passes' if here else 'fails'} here")
    print(f"{failed} mutants fail under promtool, {kept} pass, {len(differing)} verdicts differ")
    assert not differing
    assert failed > MUTANTS / 2 and kept
