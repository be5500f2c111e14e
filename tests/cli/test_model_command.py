"""``rulegen model``: what is installed, what it is, and that a file which is not the pinned one is refused."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
import small
from conftest import Run
from tinygguf import make_tiny_gguf

from rulegen import models, shipped
from rulegen.errors import ModelError, RulegenError
from rulegen.models import Pin, find, read_manifest, trusted, write_manifest
from rulegen.train.model.examples import Source, read_material


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installation in which one model ships: its file."""
    home = tmp_path / "installation" / "models"
    home.mkdir(parents=True)
    file = make_tiny_gguf(home / "some-small.gguf")
    (home / "some-small.card.md").write_text("# some-small\n\nMade for a test.\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    pin = Pin(
        name="some-small",
        file=file.name,
        sha256=digest,
        size=file.stat().st_size,
        licence="Apache-2.0",
        card="some-small.card.md",
    )
    write_manifest(home / "manifest.json", [pin])
    monkeypatch.setattr(shipped, "_ROOTS", (home.parent,))
    return file


def alter(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def test_list_shows_licence_hash_and_state(installed: Path, rulegen: Run) -> None:
    done = rulegen("model", "list")
    assert done.returncode == 0
    for part in (
        "some-small (the default): verified",
        "Apache-2.0",
        hashlib.sha256(installed.read_bytes()).hexdigest(),
    ):
        assert part in done.stdout
    alter(installed)
    assert "some-small (the default): differs" in rulegen("model", "list").stdout
    installed.unlink()
    assert "some-small (the default): missing" in rulegen("model", "list").stdout


def test_info_shows_what_the_file_says_and_the_card(installed: Path, rulegen: Run) -> None:
    done = rulegen("model", "info", "some-small")
    assert done.returncode == 0, done.stderr
    assert "general.architecture = llama" in done.stdout and "Made for a test." in done.stdout
    own = rulegen("model", "info", make_tiny_gguf(installed.parents[2] / "own.gguf", seed=3))
    assert "(not pinned)" in own.stdout and "Made for a test." not in own.stdout


def test_verify_ends_with_1_when_a_file_is_not_the_pinned_one(installed: Path, rulegen: Run, tmp_path: Path) -> None:
    done = rulegen("model", "verify")
    assert (done.returncode, "verified" in done.stdout) == (0, True)
    copy = tmp_path / installed.name
    copy.write_bytes(installed.read_bytes())
    assert rulegen("model", "verify", copy).returncode == 0
    alter(copy)
    done = rulegen("model", "verify", "some-small", copy)
    assert done.returncode == 1 and "is pinned" in done.stdout
    installed.unlink()
    assert rulegen("model", "verify").returncode == 1


def test_a_file_that_is_not_the_pinned_one_is_refused(installed: Path, tmp_path: Path) -> None:
    assert trusted("some-small", allow_unverified=False) == installed
    alter(installed)
    for given in ("some-small", str(installed)):
        with pytest.raises(ModelError, match="--allow-unverified"):
            trusted(given, allow_unverified=False)
        assert trusted(given, allow_unverified=True) == installed
    own = make_tiny_gguf(tmp_path / "own.gguf", seed=5)
    assert trusted(str(own), allow_unverified=False) == own
    installed.unlink()
    with pytest.raises(ModelError, match="missing"):
        trusted("some-small", allow_unverified=True)
    with pytest.raises(ModelError, match="no model of that name"):
        find("other")


@pytest.mark.parametrize(
    "text", ["", "{", '{"models": [{}]}', '{"models": [], "more": 1}', '{"models": [{"name": "../x"}]}']
)
def test_a_damaged_manifest_is_one_message(tmp_path: Path, text: str) -> None:
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RulegenError, match="no manifest"):
        read_manifest(tmp_path / "manifest.json")


def test_what_is_no_model_is_one_message(rulegen: Run, tmp_path: Path) -> None:
    (tmp_path / "x.gguf").write_bytes(b"GGUF\x03\x00\x00\x00torn")
    (tmp_path / "y.gguf").write_bytes(b"nothing")
    for given in (tmp_path / "x.gguf", tmp_path / "y.gguf", tmp_path / "missing.gguf", tmp_path):
        done = rulegen("model", "info", given)
        assert done.returncode == 1 and done.stderr.count("\n") == 1, done.stderr
        assert "Traceback" not in done.stderr


def test_what_a_strange_file_says_reaches_no_terminal_as_it_is(rulegen: Run, tmp_path: Path) -> None:
    content = make_tiny_gguf(tmp_path / "x.gguf").read_bytes()
    assert content.count(b"tiny-0") == 1
    (tmp_path / "x.gguf").write_bytes(content.replace(b"tiny-0", b"\x1b]0;a\x07"[:6]))
    done = rulegen("model", "info", tmp_path / "x.gguf")
    assert done.returncode == 0 and "\x1b" not in done.stdout and "\\x1b" in done.stdout


def test_what_really_ships_is_what_is_pinned() -> None:
    for pin in models.pins():
        assert find(pin.name).state is models.State.VERIFIED
        assert (shipped.shipped("models") / pin.card).is_file()


@pytest.mark.parametrize(
    "extra", [["--steps", "0"], ["--type", "q2"], ["--stop-after", "soon"], ["--data", "missing"]]
)
def test_a_bad_option_of_finetune_is_one_message(rulegen: Run, tmp_path: Path, extra: list[str]) -> None:
    done = rulegen("model", "finetune", "--base", tmp_path, "--out", tmp_path / "x.gguf", "--data", tmp_path, *extra)
    assert done.returncode == 2 and "Traceback" not in done.stderr


def test_label_writes_what_finetune_can_read(home: Path, rulegen: Run) -> None:
    judged = f"{small.START}..{small.START + small.MINUTES * 60}"
    files = ["--metrics", "metrics.om", "--rules", "rules.yml", "--incidents", "incidents.csv", "--judged", judged]
    files += ["--out", "own.jsonl.gz"]
    done = rulegen("model", "label", *files, "-q")
    assert done.returncode == 0, done.stderr
    first = (home / "own.jsonl.gz").read_bytes()
    read = read_material([Source(home / "own.jsonl.gz")], 0)
    assert f"{len(read.train) + read.left} noisy rules, {len(read.train)} with an answer" in done.stdout
    for one in read.train:
        assert one.prompt.startswith("rule ") and one.answer in {
            tried.answer for tried in one.tried if tried.accepted
        }
    assert rulegen("model", "label", *files, "-q").returncode == 0
    assert (home / "own.jsonl.gz").read_bytes() == first


def test_label_says_what_is_wrong(home: Path, rulegen: Run) -> None:
    for out, metrics in (
        ("own.json", "metrics.om"),
        ("own.jsonl.gz", "missing.om"),
        ("no/own.jsonl.gz", "metrics.om"),
    ):
        done = rulegen("model", "label", "--metrics", metrics, "--rules", "rules.yml", "--out", out, "-q")
        assert (done.returncode, done.stdout) == (2, "") and "Traceback" not in done.stderr
