"""The wheel: what `pip install .` puts on a machine, and that it works from there."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHIPPED = ("prompts", "datasets", "models")  # as rulegen/data/…


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as pip does, with the build backend that the dev extra installs and nothing from the network."""
    pytest.importorskip("hatchling", reason="the build backend is in the dev extra")
    out = tmp_path_factory.mktemp("wheel")
    options = ("--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check", "--quiet")
    command = [sys.executable, "-m", "pip", "wheel", *options, "--wheel-dir", str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    (found,) = out.glob("rulegen-*.whl")
    return found


def tracked(folder: str) -> list[str]:
    """The files of the repository below ``folder``, new ones that nobody committed yet included."""
    options = ("--cached", "--others", "--exclude-standard")
    listed = subprocess.run(
        ["git", "ls-files", *options, folder], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).exists()]


def test_the_wheel_holds_what_ships_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder in SHIPPED:
        assert {f"rulegen/data/{name}" for name in tracked(folder)} <= names
    assert "rulegen/data/datasets/demo/metrics.om.gz" in names
    assert any(name.startswith("rulegen/data/prompts/") for name in names)
    assert set(tracked("rulegen")) <= names
    strange = [name for name in names if not name.startswith("rulegen/") and ".dist-info/" not in name]
    assert not strange
    # Our own tests; what runs a team's tests (`rulegen test`) belongs to the program.
    assert not [name for name in names if name.split("/")[-1].startswith(("test_", "conftest")) or "tests/" in name]
    assert not [name for name in names if name.endswith((".pyc", ".log"))]


def test_the_wheel_names_its_command_its_licence_and_no_torch(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    texts = {name.split("/")[-1]: archive.read(name).decode() for name in archive.namelist() if ".dist-info/" in name}
    assert "rulegen = rulegen.cli.main:run" in texts["entry_points.txt"]
    assert "Requires-Python: <3.14,>=3.11" in texts["METADATA"]
    plain = [
        line
        for line in texts["METADATA"].splitlines()
        if line.startswith("Requires-Dist:") and "extra ==" not in line
    ]
    assert plain and not [line for line in plain if "torch" in line]


def test_what_ships_is_found_from_the_installed_wheel(wheel: Path, tmp_path: Path) -> None:
    """In a process that sees the unpacked wheel and not the checkout."""
    zipfile.ZipFile(wheel).extractall(tmp_path / "site")
    code = """
import rulegen
from rulegen.shipped import shipped
from rulegen.propose.prompt import build_prompt
print(rulegen.__file__)
for name in ("metrics.om.gz", "rules.yml", "incidents.csv"):
    print(shipped(f"datasets/demo/{name}"))
for name in ("prompts", "models"):
    print(shipped(name))
from rulegen.models import State, find, pins
for pin in pins():
    assert find(pin.name).state is State.VERIFIED, pin
    print(find(pin.name).path)
assert pins()
"""
    others = [path for path in sys.path if path and Path(path).resolve() != ROOT]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": ":".join([str(tmp_path / "site"), *others])},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert all(line.startswith(str(tmp_path / "site")) for line in done.stdout.splitlines()), done.stdout
