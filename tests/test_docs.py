"""What a user can name is documented: every command, option, environment variable, template, pattern and setting."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import typer.core
import typer.main

from rulegen.cli.main import app
from rulegen.core.cluster import Grade, Pattern
from rulegen.emit.output import CANDIDATES, NOTE, PAGE, RULES, SUGGESTIONS, TESTS
from rulegen.listen.meters import Meters
from rulegen.templates import TEMPLATES

ROOT = Path(__file__).resolve().parents[1]


def _commands(group: Any, prefix: str = "") -> dict[str, Any]:
    """All commands by name, those of groups too: ``model``, ``model list``."""
    found = {}
    for name, command in group.commands.items():
        found[prefix + name] = command
        if isinstance(command, typer.core.TyperGroup):
            found |= _commands(command, f"{prefix}{name} ")
    return found


COMMANDS = _commands(typer.main.get_command(app))
# What a module that looks into the environment, or says what it is asked for, has in it as such a name: no list that
# somebody has to keep. What it gives to others (git, OpenMP, gRPC) or is the name of something else is no setting.
_NAME = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+")
_NOT_READ = re.compile(r"GIT_\w+|LC_ALL|OMP_WAIT_POLICY|GRPC_VERBOSITY|DEFAULT_MAP|GITHUB_API|GITLAB_API")


def from_environment() -> list[str]:
    found: set[str] = set()
    for path in (ROOT / "rulegen").rglob("*.py"):
        text = path.read_text()
        names = {node.value for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Constant)}
        words = {name for name in names if isinstance(name, str) and _NAME.fullmatch(name)}
        found |= {name for name in words if name.startswith("RULEGEN_") or "environ" in text}
        found |= set(re.findall(r"\bRULEGEN_[A-Z_]+[A-Z]", text))
    return sorted(name for name in found if not _NOT_READ.fullmatch(name))


def options() -> list[str]:
    """The long names of all options of all commands, ``--no-…`` included, once each."""
    names = {
        name
        for command in COMMANDS.values()
        for param in command.params
        for name in (*param.opts, *param.secondary_opts)
    }
    return sorted(name for name in names if name.startswith("--") and name != "--help")


def missing(words: list[str]) -> list[str]:
    """Those of ``words`` that stand nowhere in the documentation as words of their own."""
    files = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    text = "\n".join(path.read_text() for path in files if path.exists())
    return [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)]


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ("commands", [f"rulegen {name}" for name in COMMANDS]),
        ("options", options()),
        ("templates", [one.name for one in TEMPLATES]),
        ("patterns", [str(one) for one in Pattern]),
        ("grades", [str(one) for one in Grade]),
        ("metrics", [one.name + "_total" * (one.type == "counter") for one in Meters().registry.collect()]),
        ("files that are written", [SUGGESTIONS, CANDIDATES, PAGE, NOTE, f"{RULES}/", f"{TESTS}/"]),
    ],
)
def test_documented(what: str, words: list[str]) -> None:
    assert words
    assert not missing(words), f"{what} that neither README.md nor docs/*.md mention"


def test_configuration_names_every_environment_variable_that_is_read() -> None:
    names = from_environment()
    assert {"RULEGEN_GITHUB_TOKEN", "GH_TOKEN", "RULEGEN_FORGE_PROJECT", "XDG_STATE_HOME"} <= set(names)
    text = (ROOT / "docs" / "configuration.md").read_text()
    assert not [name for name in names if f"`{name}`" not in text]


def test_help_says_something_about_every_option() -> None:
    for name, command in COMMANDS.items():
        assert command.help, name
        for param in command.params:
            assert getattr(param, "help", ""), f"{name} {param.opts}"
