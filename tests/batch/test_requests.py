"""A night that asks people to merge: a branch of a real remote, and when the claim failed one that puts it back."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nights
import pytest
from nights import Night

NOON = nights.minute(720)


def git(folder: Path, *arguments: str) -> str:
    name = ("-c", "user.name=team", "-c", "user.email=team@example.org")
    command = ["git", "-C", str(folder), *name, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture
def clone(night: Night, tmp_path: Path) -> Path:
    """``tmp_path`` is a clone of a bare remote beside it, with the rules in it."""
    remote = tmp_path.with_name(f"{tmp_path.name}-remote.git")
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(remote)], check=True, timeout=60)
    git(tmp_path, "init", "-q", "-b", "main")
    git(tmp_path, "add", "rules.yml")
    git(tmp_path, "commit", "-qm", "rules")
    git(tmp_path, "remote", "add", "origin", str(remote))
    git(tmp_path, "push", "-q", "origin", "main")
    return remote


ASK = ("--pr", "--forge", "git", "--repo", ".", "--base", "main", "--tests-dir", "")


def branches(remote: Path) -> list[str]:
    return [name for name in git(remote, "branch", "--format=%(refname:short)").split() if name != "main"]


def test_from_a_request_to_the_one_that_puts_it_back(night: Night, clone: Path, tmp_path: Path) -> None:
    nights.put(tmp_path, worse_from=720)
    done = night("--end", NOON, *ASK)
    assert done.returncode == 0, done.stderr
    (branch,) = branches(clone)
    assert "> 85" in " ".join(git(clone, "show", f"{branch}:rules.yml").split())
    head = git(clone, "rev-parse", branch)
    state = nights.dump(tmp_path / "state.db")
    assert night("--end", NOON, *ASK).returncode == 0  # asked once
    assert branches(clone) == [branch] and git(clone, "rev-parse", branch) == head
    assert nights.dump(tmp_path / "state.db") == state

    git(tmp_path, "fetch", "-q", "origin")
    git(tmp_path, "merge", "-q", "--no-ff", "-m", "merge", f"origin/{branch}")
    git(tmp_path, "push", "-q", "origin", "main")
    done = night(*ASK)
    assert done.returncode == 0, done.stderr
    (back,) = [name for name in branches(clone) if name != branch]
    assert back == f"{branch}-revert"
    lines = [line for line in git(clone, "show", f"{back}:rules.yml").splitlines() if "rulegen:" not in line]
    assert "80" in next(line for line in lines if "expr:" in line)
    assert "Put back QueueLong" in git(clone, "log", "-1", "--format=%s", back)


def test_a_remote_that_is_down_loses_nothing(night: Night, clone: Path, tmp_path: Path) -> None:
    git(tmp_path, "remote", "set-url", "origin", str(tmp_path / "gone.git"))
    done = night("--end", NOON, "--metrics-file", "rulegen.prom", *ASK)
    assert done.returncode in (2, 3) and "Traceback" not in done.stderr
    assert (tmp_path / "out" / "suggestions.json").exists() and nights.dump(tmp_path / "state.db")
    assert "rulegen_last_run_success 0.0" in (tmp_path / "rulegen.prom").read_text()
    git(tmp_path, "remote", "set-url", "origin", str(clone))
    assert night("--end", NOON, *ASK).returncode == 0 and len(branches(clone)) == 1
