"""The generated code is what protoc makes of the description."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROTO = "rulegen/listen/listen.proto"


def test_generated_code_is_up_to_date(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grpc_tools.protoc", "-I.", f"--python_out={tmp_path}", PROTO]
    subprocess.run(command, cwd=ROOT, check=True, timeout=60)
    name = "rulegen/listen/listen_pb2.py"

    def described(path: Path) -> str:
        found = re.search(r"AddSerializedFile\((.*)\)", path.read_text())
        assert found
        return found[1]

    assert described(tmp_path / name) == described(ROOT / name)
