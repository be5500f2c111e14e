"""The output is swapped in whole, or stays what it was."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

import pytest
from nights import environment, tree

from rulegen.batch.publish import publish
from rulegen.emit.writer import write
from rulegen.errors import InputError

OLD = (("suggestions.json", b"{}\n"), ("rules/a.yml", b"old\n"), ("claims.json", b"1\n"))
NEW = (("suggestions.json", b"{ }\n"), ("rules/b.yml", b"new\n"), ("reverts/s.patch", b"-\n"))


def test_one_takes_the_place_of_the_other(tmp_path: Path) -> None:
    out = tmp_path / "out"
    for files in (OLD, OLD, NEW):
        publish(out, files)
        assert tree(out) == dict(files)
    assert out.is_symlink() and not Path(out.readlink()).is_absolute()  # the whole may be moved
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([out.readlink().name, "out"])


def test_a_plain_directory_of_rulegen_becomes_a_link(tmp_path: Path) -> None:
    write(tmp_path / "out", OLD[:2])
    publish(tmp_path / "out", NEW)
    assert tree(tmp_path / "out") == dict(NEW) and len(list(tmp_path.iterdir())) == 2


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "diary.txt").write_text("mine")
    with pytest.raises(InputError, match="not written by rulegen"):
        publish(tmp_path / "out", NEW)
    assert tree(tmp_path / "out") == {"diary.txt": b"mine"} and len(list(tmp_path.iterdir())) == 1


def test_what_a_kill_left_goes(tmp_path: Path) -> None:
    out = tmp_path / "out"
    publish(out, OLD)
    (tmp_path / ".out.tmp" / "rules").mkdir(parents=True)
    (tmp_path / ".out.0123456789abcdef").mkdir()
    (tmp_path / ".out.link").symlink_to("nowhere")
    publish(out, NEW)
    assert tree(out) == dict(NEW) and len(list(tmp_path.iterdir())) == 2


def test_a_full_disk_leaves_what_was_there(tmp_path: Path) -> None:
    """A limit on the size of a file fails a write as a full disk does, also for root."""
    publish(tmp_path / "out", OLD)
    code = f"""
import resource, signal
from pathlib import Path
from rulegen.batch.publish import publish
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
publish(Path({str(tmp_path / "out")!r}), (("suggestions.json", b"x" * 10000), ("rules/b.yml", b"new")))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=environment(), timeout=60)
    assert done.returncode == 1 and "cannot be written" in done.stderr, done.stderr
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != 4096
    assert tree(tmp_path / "out") == dict(OLD) and len(list(tmp_path.iterdir())) == 2
