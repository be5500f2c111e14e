"""Fixtures for the bot's tests; see team.py."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))  # for small.py, where it runs alone

import hub
import lab
import small
from described import Server, part_of, prism, tools
from servers import binary
from team import RULES, TEXT, Run, Team, git, run_here


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("team")
    git(root, "init", "-q", "--bare", "-b", "main", "origin.git")
    git(root, "clone", "-q", str(root / "origin.git"), "clone")
    clone = root / "clone"
    git(clone, "checkout", "-q", "-b", "main")
    (clone / RULES).parent.mkdir()
    (clone / RULES).write_text(TEXT)
    git(clone, "add", "-A")
    git(clone, "commit", "-q", "-m", "Rules")
    git(clone, "push", "-q", "origin", "main")
    (root / "metrics.om").write_text(small.metrics())
    (root / "incidents.csv").write_text(small.INCIDENTS)
    arguments = ("--metrics", root / "metrics.om", "--incidents", root / "incidents.csv", "--rules", clone / "rules")
    judged = ("--judged", f"{small.START}..{small.START + small.MINUTES * 60}", "--lead", "0s")
    run_here("suggest", "--quiet", *arguments, *judged, "--out", root / "out")
    return root


@pytest.fixture
def team(made: Path, tmp_path: Path) -> Team:
    """A copy for one test, with the remote's path set anew."""
    root = tmp_path / "team"
    shutil.copytree(made, root, symlinks=True)
    git(root / "clone", "remote", "set-url", "origin", str(root / "origin.git"))
    return Team(root)


@pytest.fixture
def rulegen(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line in this process: (arguments) → exit code and output."""
    from rulegen.cli.main import run

    def call(*arguments: object) -> subprocess.CompletedProcess[str]:
        monkeypatch.setattr(sys, "argv", ["rulegen", *map(str, arguments)])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            run()
        out, err = capfd.readouterr()
        return subprocess.CompletedProcess(list(arguments), int(ended.value.code or 0), out, err)

    return call


@pytest.fixture(scope="session")
def promtool() -> str:
    return binary("promtool")


@dataclass
class Forge:
    """``server`` is the small one, ``url`` the proxy in front of it; ``state`` is what the small one remembers."""

    server: Server
    url: str
    state: Any


@pytest.fixture(scope="session")
def github_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    whole = hub.description(tools())
    folder = tmp_path_factory.mktemp("github")
    part = folder / "api.json"
    part.write_text(json.dumps(part_of(whole, hub.PATHS)))
    state = hub.Hub(whole)
    server = Server(state.route)
    with prism(part, server.url, folder / "prism.log") as url:
        state.url = url
        yield Forge(server, url, state)
    server.close()


@pytest.fixture
def github(github_server: Forge, team: Team, monkeypatch: pytest.MonkeyPatch) -> Forge:
    """GitHub over the team's bare repository, and an environment that leads there."""
    github_server.state.clear(team.bare)
    github_server.server.calls.clear()
    github_server.server.before = lambda method, path: None
    monkeypatch.setenv("RULEGEN_GITHUB_API", github_server.url)
    monkeypatch.setenv("RULEGEN_FORGE_PROJECT", hub.REPO)
    monkeypatch.setenv("RULEGEN_GITHUB_TOKEN", hub.TOKEN)
    monkeypatch.setattr("rulegen.forge.github.PAUSE", 0.0)
    return github_server


@pytest.fixture(scope="session")
def gitlab_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forge]:
    state = lab.Lab()
    server = Server(state.route)
    with prism(lab.API, server.url, tmp_path_factory.mktemp("gitlab") / "prism.log") as url:
        yield Forge(server, url, state)
    server.close()


@pytest.fixture
def gitlab(gitlab_server: Forge, team: Team, monkeypatch: pytest.MonkeyPatch) -> Forge:
    """GitLab over the team's bare repository, and an environment that leads there."""
    gitlab_server.state.clear(team.bare)
    gitlab_server.server.calls.clear()
    gitlab_server.server.before = lambda method, path: None
    monkeypatch.setenv("RULEGEN_GITLAB_API", gitlab_server.url)
    monkeypatch.setenv("RULEGEN_FORGE_PROJECT", lab.PROJECT)
    monkeypatch.setenv("RULEGEN_GITLAB_TOKEN", lab.TOKEN)
    return gitlab_server
