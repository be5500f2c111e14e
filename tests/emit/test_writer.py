"""The output directory is whole or says that it is not, whatever happens while it is written."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rulegen.emit import writer
from rulegen.errors import InputError, RulegenError

FIRST = (
    ("candidates.jsonl.gz", b"1"),
    ("rules/a.yml", b"one"),
    ("rules/sub/b.yml", b"one"),
    ("suggestions.json", b"{}"),
)
SECOND = (("candidates.jsonl.gz", b"2"), ("rules/a.yml", b"two"), ("suggestions.json", b"[]"))

LIMITED = """
import resource, sys
from pathlib import Path
from rulegen.emit.writer import write
from rulegen.errors import RulegenError
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    write(Path(sys.argv[1]), [("rules/a.yml", b"x"), ("rules/b.yml", b"x" * 10_000), ("suggestions.json", b"new")])
except RulegenError as error:
    print(type(error).__name__, error)
"""

ENDLESS = """
import sys
from pathlib import Path
from rulegen.emit.writer import write
files = [(f"rules/{n}.yml", b"x") for n in range(100_000)]
write(Path(sys.argv[1]), [*files, ("suggestions.json", b"new")])
"""


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_everything_is_written_and_replaced(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "out"
    writer.write(out, FIRST)
    assert tree(out) == dict(FIRST)
    (out / "notes.txt").write_text("mine")
    writer.write(out, SECOND)
    assert tree(out) == {**dict(SECOND), "notes.txt": b"mine"}
    assert sorted(path.name for path in out.iterdir()) == [
        "candidates.jsonl.gz",
        "notes.txt",
        "rules",
        "suggestions.json",
    ]


def test_rules_that_no_longer_exist_go_away(tmp_path: Path) -> None:
    out = tmp_path / "out"
    writer.write(out, FIRST)
    writer.write(out, [("suggestions.json", b"{}")])
    assert (out / "rules").is_dir()
    assert not list((out / "rules").iterdir())


def test_a_directory_of_the_users_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.yml").write_text("groups: []")
    with pytest.raises(InputError, match="is not empty and was not written by rulegen; name another directory"):
        writer.write(tmp_path, FIRST)
    assert tree(tmp_path) == {"rules/mine.yml": b"groups: []"}


def test_an_empty_directory_may_be_used(tmp_path: Path) -> None:
    writer.check(tmp_path)
    writer.write(tmp_path, FIRST)
    assert tree(tmp_path) == dict(FIRST)


def test_a_file_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("x")
    with pytest.raises(InputError, match="out: is not a directory"):
        writer.check(tmp_path / "out")
    with pytest.raises(InputError, match="out is not a directory"):
        writer.write(tmp_path / "out" / "inner", FIRST)
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is a link to nothing"):
        writer.check(tmp_path / "link")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_without_permission(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="cannot be written: Permission denied"):
            writer.write(tmp_path / "out", FIRST)
    finally:
        tmp_path.chmod(0o700)


def limited(out: Path) -> str:
    done = subprocess.run([sys.executable, "-c", LIMITED, str(out)], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path) -> None:
    out = tmp_path / "out"
    told = limited(out)
    assert told.startswith("RulegenError ")
    assert "cannot be written: File too large" in told
    assert "make room and run again" in told
    assert not out.exists()


def test_a_disk_that_fills_up_leaves_the_earlier_output(tmp_path: Path) -> None:
    out = tmp_path / "out"
    writer.write(out, FIRST)
    assert limited(out).startswith("RulegenError ")
    assert tree(out) == dict(FIRST)
    assert not [path for path in out.iterdir() if path.name.startswith(".")]
    writer.write(out, SECOND)


@pytest.mark.parametrize("earlier", [False, True])
def test_a_killed_run_is_not_taken_for_a_whole_one(tmp_path: Path, earlier: bool) -> None:
    out = tmp_path / "out"
    if earlier:
        writer.write(out, FIRST)
    process = subprocess.Popen([sys.executable, "-c", ENDLESS, str(out)])
    try:
        deadline = time.monotonic() + 60
        while not (out / ".rules.tmp" / "10.yml").exists():
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.005)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait(60)
    visible = {path: content for path, content in tree(out).items() if not path.startswith(".")}
    assert visible == (dict(FIRST) if earlier else {})
    writer.write(out, SECOND)  # the directory is still known as ours
    assert tree(out) == dict(SECOND)


def test_a_failure_between_old_and_new_is_not_taken_for_whole(tmp_path: Path) -> None:
    out = tmp_path / "out"
    writer.write(out, FIRST)
    (out / "candidates.jsonl.gz").unlink()
    (out / "candidates.jsonl.gz").mkdir()
    (out / ".candidates.jsonl.gz.old").write_text("in the way of the directory's new name")
    with pytest.raises(RulegenError):
        writer.write(out, SECOND)
    assert not (out / "suggestions.json").exists()
    (out / ".candidates.jsonl.gz.old").unlink()
    writer.write(out, SECOND)
    assert tree(out) == dict(SECOND)
