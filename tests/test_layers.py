"""Imports go down only, and what is pure stays pure: read from the source, not from what happens to be imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "rulegen"

NOUNS = {"core", "errors", "rulegen"}  # rulegen: the package itself, which holds the version
ENGINE = NOUNS | {"promql"}
LOWER = ENGINE | {"templates", "gotemplate"}
STAGES = ("ingest", "cluster", "propose", "replay", "score", "emit")
PIPELINE = {"desk", "pager", "relabelling", "reroute", "report", "pipeline"}
PIPELINE |= {"ruletest", "backtest", "exhibit", "firm", "proof", "picture", "intake", "merging"}
# What each part may import beside itself. Stages never import one another; only the pipeline knows them all.
ALLOWED: dict[str, set[str]] = {
    "__init__": set(),
    "errors": set(),
    "shipped": {"errors"},
    "models": {"errors", "shipped"},  # which ship, and what their files must be
    "core": {"errors"},
    "promql": NOUNS,
    "templates": ENGINE,
    # Go's text/template, in which rules write labels and annotations: replay needs it, as labels are an alert's
    # identity, and so do the unit tests of rules, which compare annotations.
    "gotemplate": ENGINE,
    "store": NOUNS,  # alert episodes in a file
    **dict.fromkeys(STAGES, LOWER),
    "ingest": LOWER | {"store"},
    "listen": NOUNS | {"store"},
    "propose": LOWER | {"shipped"},  # its prompts are files that ship with rulegen
    "intake": LOWER | {"cluster"},  # what was read → what a run can work on
    "desk": LOWER | set(STAGES),
    "backtest": LOWER | set(STAGES),  # replay, judged
    "ruletest": LOWER | set(STAGES),  # replay over what a unit test gives
    "firm": LOWER | set(STAGES) | {"ruletest"},  # which annotations a unit test can expect
    "exhibit": LOWER | set(STAGES) | {"desk", "ruletest", "firm"},  # suggestions → unit tests cut from the history
    "proof": LOWER | set(STAGES) | {"desk", "ruletest", "exhibit"},  # suggestions as written, put to unit tests
    "merging": LOWER | set(STAGES) | {"desk", "pager"},  # of which changes some may be merged and others not
    "pager": LOWER | set(STAGES) | {"desk", "merging"},  # firings → notifications, judged
    "reroute": LOWER | set(STAGES) | {"desk", "pager"},  # changes of the routing, judged by notifications
    "relabelling": LOWER | set(STAGES) | {"desk", "pager", "reroute"},  # labels that the routing acts upon
    "report": LOWER | set(STAGES) | {"desk", "pager", "reroute"},
    "picture": LOWER | set(STAGES) | {"desk"},  # what was judged → what a report draws
    "pipeline": LOWER | set(STAGES) | {"desk", "pager", "relabelling", "reroute", "report"},
    "batch": LOWER | set(STAGES) | PIPELINE,
    # The bot: what was written, put before people; it runs its unit tests again and compares two sets of rules.
    "forge": LOWER | {"ingest", "emit", "ruletest"},
    "cli": LOWER | set(STAGES) | PIPELINE | {"shipped", "models", "listen", "batch", "forge", "train"},
    # Makes worlds, and has search and replay say what is right in them.
    "train": LOWER | set(STAGES) | PIPELINE | {"shipped", "models"},
}
PURE = ("core", "promql", "gotemplate", "cluster", "templates", "replay", "score")
OUTSIDE = {"os", "pathlib", "socket", "httpx", "time", "random", "io", "subprocess", "tempfile", "shutil", "sys"}
NO_CALLS = {"open", "input", "print", "exec", "eval"}
FILES = sorted(PACKAGE.rglob("*.py"))


def part(path: Path) -> str:
    """``core`` for rulegen/core/rule.py, ``desk`` for rulegen/desk.py."""
    return path.relative_to(PACKAGE).with_suffix("").parts[0]


def imported(tree: ast.AST, path: Path) -> Iterator[tuple[int, str]]:
    """(line, module in full) of every import anywhere in the file, those for type checkers included."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}:{node.lineno}: a relative import"
            module = node.module or ""
            for alias in node.names:
                # `from rulegen.promql import select` names a module or something in one
                inner = PACKAGE.parent.joinpath(*module.split("."), alias.name)
                is_module = inner.is_dir() or inner.with_suffix(".py").exists()
                yield node.lineno, f"{module}.{alias.name}" if is_module else module


def test_every_part_has_its_place() -> None:
    assert {part(path) for path in FILES} <= set(ALLOWED)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_go_down_only(path: Path) -> None:
    mine = part(path)
    for line, module in imported(ast.parse(path.read_text()), path):
        root, _, rest = module.partition(".")
        if root == "rulegen":
            wanted = rest.split(".")[0] or "rulegen"
            assert wanted == mine or wanted in ALLOWED[mine], f"{path}:{line}: {mine} must not import {module}"


@pytest.mark.parametrize("path", [path for path in FILES if part(path) in PURE], ids=lambda path: str(path.name))
def test_what_is_pure_touches_nothing_outside(path: Path) -> None:
    tree = ast.parse(path.read_text())
    for line, module in imported(tree, path):
        assert module.split(".")[0] not in OUTSIDE, f"{path}:{line}: {module}"
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            assert name not in NO_CALLS, f"{path}:{node.lineno}: {name}()"
            assert not name.endswith((".now", ".utcnow", ".today")), f"{path}:{node.lineno}: {name}() reads a clock"
            if name == "np.random.default_rng":
                assert node.args, f"{path}:{node.lineno}: randomness without a seed"
            else:
                assert not name.startswith("np.random.") or "default_rng(" in name, f"{path}:{node.lineno}: {name}()"
