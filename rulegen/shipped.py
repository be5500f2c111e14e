"""Files that ship with rulegen and are read as data: prompts, the demo history, the default model."""

from __future__ import annotations

from pathlib import Path

from rulegen.errors import RulegenError

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "data", _PACKAGE.parent)  # as installed from a wheel; in a checkout, next to the package


def shipped(name: str) -> Path:
    """Where ``name`` lies (``prompts/propose-v1.txt``; always with forward slashes).

    Raises RulegenError when this installation lacks it.
    """
    for root in _ROOTS:
        path = root / name
        if path.exists():
            return path
    raise RulegenError(f"{name}: missing from this installation of rulegen; install it again")
