"""``rulegen demo`` on an installation of its own: what stands beside search, and what it says of a broken model."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
import small
from conftest import Run
from tinygguf import make_tiny_gguf

from rulegen import shipped
from rulegen.models import Pin, write_manifest


@pytest.fixture
def installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation with a small demo history and a tiny model: the model's file."""
    root = tmp_path / "installation"
    demo, models = root / "datasets" / "demo", root / "models"
    demo.mkdir(parents=True)
    models.mkdir()
    (demo / "metrics.om.gz").write_bytes(gzip.compress(small.metrics().encode()))
    (demo / "rules.yml").write_text(small.RULES)
    (demo / "incidents.csv").write_text(small.INCIDENTS)
    (root / "prompts").symlink_to(shipped.shipped("prompts"))
    file = make_tiny_gguf(models / "some-small.gguf", context=8192)
    sha256, size = hashlib.sha256(file.read_bytes()).hexdigest(), file.stat().st_size
    pin = Pin(name="some-small", file=file.name, sha256=sha256, size=size, licence="Apache-2.0", card="c.md")
    write_manifest(models / "manifest.json", [pin])
    monkeypatch.setattr(shipped, "_ROOTS", (root,))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return file


def rows(text: str) -> list[str]:
    """Who stands in the table of proposers, and what is said below it."""
    _, _, table = text.partition("\nproposed by ")
    return [line for line in table.splitlines()[1:] if line]


def test_the_model_that_ships_stands_beside_search(installation: Path, rulegen: Run) -> None:
    done = rulegen("demo", "-q")
    assert done.returncode == 0, done.stderr
    first, second, *_ = rows(done.stdout)
    assert first.startswith("search  ") and second.startswith("some-small ")
    assert "the model failed" not in done.stdout


@pytest.mark.parametrize("manifest", [None, "{", '{"models": []}'])
def test_without_models_there_is_search(
    manifest: str | None, installation: Path, rulegen: Run, tmp_path: Path
) -> None:
    path = installation.with_name("manifest.json")
    path.unlink()
    if manifest is not None:
        path.write_text(manifest)
    small.put(tmp_path)
    files = ("--metrics", "metrics.om", "--rules", "rules.yml", "--incidents", "incidents.csv")
    for asked, doubts in ((), 0), (("--proposer", "model"), 1), (("--proposer", "model", "--model", installation), 1):
        if doubts and manifest == '{"models": []}' and len(asked) > 2:
            continue  # a file of one's own needs no manifest that names models
        done = rulegen("suggest", "-q", *files, *asked, "--out", "out")
        assert done.returncode == 0, done.stderr
        assert done.stdout.count("doubt: the model failed, so search proposed instead") == doubts


def test_a_model_that_was_tampered_with_is_told_and_has_no_row(installation: Path, rulegen: Run) -> None:
    installation.write_bytes(installation.read_bytes()[:-1])
    done = rulegen("demo", "-q")
    assert done.returncode == 0, done.stderr
    first, second, doubt, _ = rows(done.stdout)
    assert first.startswith("search  ") and second.startswith("search in its place ")
    assert doubt.startswith("doubt: the model failed, so search proposed instead: ") and "is pinned" in doubt
