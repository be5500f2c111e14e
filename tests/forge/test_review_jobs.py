"""The ready jobs that review in CI, run as they are written: their shell lines, in a clone as the forge makes it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import small
from conftest import Forge
from lab import TOKEN
from ruamel.yaml import YAML
from team import RULES, TEXT, Team, git

OPS = Path(__file__).resolve().parents[2] / "docs" / "ops"
HELD = TEXT.replace("expr: queue_length > 80\n", "expr: queue_length > 80\n        for: 2m\n")
EVIL = 'prometheus = "http://evil.example"\nnot_a_setting = 1\n'


@pytest.fixture
def programs(team: Team) -> Path:
    """A PATH with a pip that has nothing to do and a rulegen that reads the team's files in place of a server."""
    folder = team.root / "bin"
    folder.mkdir()
    history = ["--metrics", team.root / "metrics.om", "--incidents", team.root / "incidents.csv", "--lead", "0s"]
    history += ["--judged", f"{small.START}..{small.START + small.MINUTES * 60}"]
    code = f"""#!{sys.executable}
import os, sys
at = sys.argv.index("--prometheus")
assert sys.argv[at + 1] == "https://prometheus.example" and sys.argv[at + 2] == "--since"
sys.argv[at:at + 4] = {list(map(str, history))!r}
from rulegen.cli.main import run
run()
"""
    for name, text in (("rulegen", code), ("pip", "#!/bin/sh\n")):
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    return folder


def ran(folder: Path, script: str, programs: Path, more: dict[str, str]) -> subprocess.CompletedProcess[str]:
    code = Path(__file__).resolve().parents[2]
    env = {name: value for name, value in os.environ.items() if not name.startswith(("GIT_", "GITHUB_", "CI"))}
    env |= {"PATH": f"{programs}:{env['PATH']}", "PYTHONPATH": str(code), **more}
    return subprocess.run(
        ["bash", "-e", "-c", script], cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=False
    )


def change(team: Team, ref: str) -> tuple[str, str]:
    """A branch that holds a rule, and settings that would send a token elsewhere; (where it left, its tip)."""
    base = git(team.clone, "rev-parse", "main")
    git(team.clone, "checkout", "-q", "-b", "tuning")
    (team.clone / RULES).write_text(HELD)
    (team.clone / "rulegen.toml").write_text(EVIL)
    git(team.clone, "add", "-A")
    git(team.clone, "commit", "-q", "-m", "Tuned")
    git(team.clone, "push", "-q", "origin", "tuning", f"tuning:{ref}")
    return base, git(team.clone, "rev-parse", "HEAD")


def test_the_job_of_gitlab(team: Team, gitlab: Forge, programs: Path) -> None:
    base, head = change(team, "refs/merge-requests/1/head")
    number = gitlab.state.by_hand("tuning", "Tuned")
    work = team.root / "builds"  # as a runner has it: of the merge request alone, no branch
    git(team.root, "init", "-q", str(work))
    git(work, "remote", "add", "origin", str(team.bare))
    git(work, "fetch", "-q", "origin", "+refs/merge-requests/1/head:refs/pipelines/7")
    git(work, "checkout", "-q", "--detach", head)
    git(work, "remote", "set-url", "origin", "https://127.0.0.1:1/acme/rules.git")  # no credentials stay
    job = YAML(typ="safe").load((OPS / "gitlab-review.yml").read_text())["rulegen review"]
    given = {
        "CI_MERGE_REQUEST_IID": str(number),
        "CI_MERGE_REQUEST_DIFF_BASE_SHA": base,
        "CI_MERGE_REQUEST_SOURCE_BRANCH_SHA": "",  # but in a pipeline of the merged result
        "CI_COMMIT_SHA": head,
        "CI_SERVER_URL": gitlab.url,
        "CI_PROJECT_PATH": os.environ["RULEGEN_FORGE_PROJECT"],
        "PROMETHEUS_URL": "https://prometheus.example",
        "RULEGEN_GITLAB_TOKEN": TOKEN,
    }
    own = {name: value.removeprefix("$") for name, value in job["variables"].items()}
    given |= {name: given.get(value, value) for name, value in own.items()}
    for name in ("RULEGEN_GITLAB_API", "RULEGEN_FORGE_PROJECT"):
        assert given.get(name), f"{name} comes from the job, not from the test"
    for times in (1, 2):
        done = ran(work, "\n".join(job["script"]), programs, given)
        assert done.returncode == 0, done.stdout + done.stderr
        assert TOKEN not in done.stdout + done.stderr
        assert len(gitlab.state.notes) == 1, times
    assert "| QueueLong (`rules/queues.yml`) | for 0s → 2m |" in gitlab.state.notes[0]["body"]


def test_the_job_of_github(team: Team, github: Forge, programs: Path) -> None:
    base, head = change(team, "refs/pull/1/head")
    number = github.state.by_hand("tuning", "Tuned")
    work = team.root / "work"
    git(team.root, "clone", "-q", str(team.bare), str(work))
    job = YAML(typ="safe").load((OPS / "github-review.yml").read_text())["jobs"]["review"]
    (checkout,) = [step for step in job["steps"] if step.get("uses", "").startswith("actions/checkout")]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    git(work, "checkout", "-q", "--detach", base)
    git(work, "remote", "set-url", "origin", "https://127.0.0.1:1/acme/rules.git")  # no credentials persist
    values = {
        "github.event.pull_request.number": str(number),
        "github.event.pull_request.base.sha": base,
        "github.event.pull_request.head.sha": head,
        "github.token": os.environ["RULEGEN_GITHUB_TOKEN"],
        "vars.PROMETHEUS_URL": "https://prometheus.example",
        "secrets.RULEGEN_PROMETHEUS_TOKEN": "",
    }
    for _ in range(2):
        for step in job["steps"]:
            if "run" not in step:
                continue
            env = {name: values[text.strip("${} ")] for name, text in step.get("env", {}).items()}
            done = ran(work, step["run"], programs, env)
            assert done.returncode == 0, (shlex.quote(step["run"]), done.stdout, done.stderr)
        assert len(github.state.comments) == 1
    assert "| QueueLong (`rules/queues.yml`) | for 0s → 2m |" in github.state.comments[0]["body"]
