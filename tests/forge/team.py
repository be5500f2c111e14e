"""A team's repository with a bare remote, and what `rulegen suggest` wrote for it: real git, real suggestions."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
import small

RULES = "rules/queues.yml"
Run = Callable[..., subprocess.CompletedProcess[str]]
TEXT = f"""\
# The queues' alerts. Ask the mail team.
{small.RULES}
      - alert: QueueGone   # keep
        expr: 'absent(queue_length)'
        for: 10m
"""


def git(folder: Path, *arguments: str, person: str = "Ann") -> str:
    env = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    for role in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{role}_NAME": person, f"GIT_{role}_EMAIL": f"{person.lower()}@example.org"}
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, env=env, timeout=60, check=False
    )
    assert done.returncode == 0, f"git {arguments}: {done.stderr}"
    return done.stdout.strip()


@dataclass(frozen=True)
class Team:
    """``clone`` is where rulegen runs, ``out`` what suggest wrote, ``bare`` the remote."""

    root: Path

    @property
    def clone(self) -> Path:
        return self.root / "clone"

    @property
    def bare(self) -> Path:
        return self.root / "origin.git"

    @property
    def out(self) -> Path:
        return self.root / "out"

    @property
    def accepted(self) -> list[dict[str, Any]]:
        return json.loads((self.out / "suggestions.json").read_text())["accepted"]

    @property
    def id(self) -> str:
        (one,) = self.accepted
        return str(one["id"])

    @property
    def branch(self) -> str:
        return f"rulegen/{self.id}"

    def edit(self, change: Callable[[dict[str, Any]], None]) -> None:
        """Another run's suggestions: ``change`` is made to the one accepted suggestion."""
        path = self.out / "suggestions.json"
        document = json.loads(path.read_text())
        change(document["accepted"][0])
        path.write_text(json.dumps(document))

    def remote_file(self, revision: str, path: str = RULES) -> str:
        return subprocess.run(
            ["git", "-C", str(self.bare), "show", f"{revision}:{path}"], capture_output=True, check=True, timeout=60
        ).stdout.decode()

    def tip(self, branch: str) -> str:
        return git(self.bare, "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}")

    def commit(self, branch: str, path: str, text: str, message: str = "by hand", person: str = "Ann") -> str:
        """A person's commit on ``branch`` of the remote."""
        other = self.root / "person"
        if not other.exists():
            git(self.root, "clone", "-q", str(self.bare), str(other))
        git(other, "fetch", "-q", "origin")
        git(other, "checkout", "-q", "-B", branch, f"origin/{branch}")
        (other / path).parent.mkdir(parents=True, exist_ok=True)
        (other / path).write_text(text)
        git(other, "add", "-A")
        git(other, "commit", "-q", "-m", message, person=person)
        git(other, "push", "-q", "origin", f"HEAD:{branch}")
        return git(other, "rev-parse", "HEAD")


def run_here(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The console script in a process of its own."""
    code = "import sys; sys.argv[0] = 'rulegen'; from rulegen.cli.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, done.stderr
    return done
