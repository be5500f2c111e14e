"""What tests of training share: the libraries of the extra ``train``, and a small question that can be learnt."""

from __future__ import annotations

import json
import os
import random
from importlib import import_module
from pathlib import Path

import pytest

LIBRARIES = ("torch", "transformers", "tokenizers", "peft", "gguf")
_ANSWERS = {"flapping": "hold", "short-lived": "retune", "storm": "collapse", "chronic": "demote"}


def need_libraries() -> None:
    """Skips the module on a machine without the extra ``train``. CI installs it: there, what is missing fails."""
    for name in LIBRARIES:
        if os.environ.get("CI"):
            import_module(name)
        else:
            pytest.importorskip(name, reason="needs the extra train")


def line(number: int, rng: random.Random) -> dict[str, object]:
    pattern = rng.choice(sorted(_ANSWERS))
    minutes = rng.randrange(100)
    answer = json.dumps({"template": _ANSWERS[pattern], "slots": {"for": f"{minutes // 10}m"}}, separators=(",", ":"))
    other = json.dumps({"template": "gate", "slots": {}}, separators=(",", ":"))
    return {
        "world": number // 2,
        "prompt": f'Rule "Überlast{rng.randrange(999)}" pattern {pattern}, median {minutes} minutes\nAnswer:\n',
        "answer": answer if number % 10 else None,
        "tried": [[answer, 1, 0.9, 0.8, ""], [other, 0, 0.9, 0.9, "lost one"]],
    }


def write_lines(path: Path, count: int = 200, seed: int = 0) -> Path:
    """``count`` lines of JSON, two a world, every tenth without an answer. Returns ``path``."""
    rng = random.Random(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(line(number, rng)) + "\n" for number in range(count)), encoding="utf-8")
    return path
