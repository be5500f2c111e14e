"""Recipes in, files out; the files that ship are the ones that the generator makes."""

from __future__ import annotations

import gzip
import json
import subprocess
from pathlib import Path

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from worlds import fire, noise

from rulegen.core.labels import Labels
from rulegen.core.series import Samples
from rulegen.errors import InputError
from rulegen.ingest.openmetrics import read_metrics
from rulegen.promql import Evaluator
from rulegen.train.export import main, render, write
from rulegen.train.recipe import Recipe, read_recipe
from rulegen.train.world import build_world

DATASETS = Path(__file__).parents[2] / "datasets"
DEMO = DATASETS / "demo.recipe.yaml"
MOST_BYTES = 6_000_000  # what the demo may add to the wheel

SMALL = """
name: small
days: 0.5
deploys: 0
plots:
  - {kind: low_traffic, incidents: 1}
  - {kind: slow_histogram, incidents: 1}
  - {kind: short_lived, incidents: 1, replicas: 2, every: 120}
  - {kind: watchdog}
"""


def test_the_demo_that_ships_is_what_its_recipe_makes() -> None:
    made = render(build_world(read_recipe(DEMO.read_text(), str(DEMO))))
    shipped = {path.name: path.read_bytes() for path in (DATASETS / "demo").iterdir()}
    assert shipped.keys() == made.keys()
    for name in made:  # the compressed bytes may differ with another zlib, the text may not
        expected, found = (gzip.decompress(b) if name.endswith(".gz") else b for b in (made[name], shipped[name]))
        assert expected == found, f"{name}: run python -m rulegen.train.export {DEMO} {DATASETS / 'demo'}"
    assert len(shipped["metrics.om.gz"]) < MOST_BYTES


def test_the_demo_has_what_it_is_for() -> None:
    truth = json.loads((DATASETS / "demo" / "truth.json").read_text())
    rules = truth["rules"]
    assert 20 <= len(rules) <= 25
    assert len({rule["pattern"] for rule in rules if rule["pattern"]}) >= 7
    assert len({rule["answer"]["template"] for rule in rules if rule["answer"]}) >= 8
    assert sum(rule["trap"] is not None for rule in rules) >= 3
    assert 18 <= len((DATASETS / "demo" / "incidents.csv").read_text().splitlines()) - 1 <= 24


def test_the_demo_pages_for_nothing_hundreds_of_times() -> None:
    world = build_world(read_recipe(DEMO.read_text(), str(DEMO)))
    engine = Evaluator(world.samples)
    counts = {
        rule.name: noise(fire(engine, rule, world), world.record.incidents)
        for (_, _, rule), truth in zip(world.rules, world.truths, strict=True)
        if truth.answer and rule.labels["severity"] == "page"
    }
    assert min(counts.values()) >= 15, counts
    assert sum(counts.values()) >= 800, counts


def test_metrics_are_strict_openmetrics() -> None:
    # Without the histogram: prometheus_client (0.26) drops buckets when one metric has several times.
    recipe = read_recipe(SMALL.replace("slow_histogram", "flapping"), "small")
    world = build_world(recipe, 3)
    text = gzip.decompress(render(world)["metrics.om.gz"]).decode()
    found: dict[Labels, list[tuple[int, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = Labels({**sample.labels, "__name__": sample.name})
            found.setdefault(labels, []).append((round(float(sample.timestamp) * 1000), sample.value))
    assert found == points(world.samples)


def test_rulegen_reads_back_the_same_samples(tmp_path: Path) -> None:
    world = build_world(read_recipe(SMALL, "small"), 3)
    write(world, tmp_path)
    samples, problems = read_metrics(tmp_path / "metrics.om.gz")
    assert problems == ()
    assert points(samples) == points(world.samples)


def points(samples: Samples) -> dict[Labels, list[tuple[int, float]]]:
    return {one.labels: list(zip(one.times.tolist(), one.values.tolist(), strict=True)) for one in samples}


def test_prometheus_reads_the_metrics(tmp_path: Path) -> None:
    world = build_world(read_recipe(SMALL, "small"), 4)
    (tmp_path / "metrics.om").write_bytes(gzip.decompress(render(world)["metrics.om.gz"]))
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics.om", "blocks"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert any((tmp_path / "blocks").iterdir())


def test_command_writes_whole_files(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "r.yaml").write_text(SMALL)
    assert main([str(tmp_path / "r.yaml"), str(tmp_path / "out")]) == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["alertmanager.yml", "incidents.csv", "metrics.om.gz", "rules.yml", "truth.json"]
    assert "4 rules, 3 incidents" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("plots: [", "r.yaml:1: not YAML"),
        ("- a", "r.yaml: recipe: Input should be"),
        ("name: x\nplots: []", "r.yaml: plots: Tuple should have at least 1 item"),
        (
            "name: x\nplots: [{kind: flaping}]",
            "r.yaml: plots.0.kind: Value error, unknown kind 'flaping'; one of absent",
        ),
        ("name: x\nseeed: 3\nplots: [{kind: disk}]", "r.yaml: seeed: Extra inputs are not permitted"),
        ("name: x\nplots: [{kind: disk, every: 90}]", "r.yaml: plots.0.every: Input should be a multiple of 60"),
    ],
)
def test_a_recipe_that_is_wrong_says_where(text: str, message: str) -> None:
    with pytest.raises(InputError) as raised:
        read_recipe(text, "r.yaml")
    assert str(raised.value).startswith(message)


def test_command_explains_itself(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "usage:" in capsys.readouterr().err
    assert main([str(tmp_path / "none.yaml"), str(tmp_path)]) == 2
    assert "none.yaml" in capsys.readouterr().err
    (tmp_path / "r.yaml").write_text("name: x\ndialect: {http: nope}\nplots: [{kind: disk}]")
    assert main([str(tmp_path / "r.yaml"), str(tmp_path)]) == 2
    assert "no request counter 'nope'" in capsys.readouterr().err


def test_both_seeds_of_a_recipe() -> None:
    recipe = Recipe.model_validate({"name": "x", "days": 1, "seed": 5, "plots": [{"kind": "disk"}]})
    assert build_world(recipe).seed == 5
    assert build_world(recipe, 6).seed == 6
