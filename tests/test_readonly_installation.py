"""rulegen where nothing can be written: not its own folder, not the user's. Kernels are compiled anew, and all works.

Permissions do not bind root, so regular files stand where folders would have to be made.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "rulegen"

# One kernel of each kind: of the engine, of the reader of OpenMetrics, of the reader of chunks.
SCRIPT = """
import json, sys
import numpy as np
from rulegen.core.spans import Grid
from rulegen.ingest.linescan import scan
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.prometheus.xorchunk import _decode, decode
from rulegen.promql import Evaluator, rows

samples, problems = read_metrics(sys.argv[1])
value = Evaluator(samples).evaluate("rate(a[1m])", Grid(60_000, 120_000, 30_000))
times, values = decode(bytes([0, 1, 2]) + np.array([2.5], ">f8").tobytes())
kept = [type(one._cache).__name__ for one in (scan, _decode)]
print(json.dumps([value.values.tolist(), times.tolist(), values.tolist(), len(problems), kept, rows.__file__]))
"""


def installed(tmp_path: Path, *, writable: bool) -> tuple[Path, dict[str, str]]:
    """A copy of the package, and an environment without a place to write unless ``writable``."""
    site = tmp_path / "site"
    shutil.copytree(PACKAGE, site / "rulegen", ignore=shutil.ignore_patterns("__pycache__"))
    home = tmp_path / "home"
    if writable:
        home.mkdir()
    else:
        home.write_text("")
        for folder in [path for path in (site / "rulegen").rglob("*") if path.is_dir()] + [site / "rulegen"]:
            (folder / "__pycache__").write_text("")
    unwanted = ("NUMBA_CACHE_DIR", "PYTHONPYCACHEPREFIX", "PYTHONDONTWRITEBYTECODE")
    env = {name: value for name, value in os.environ.items() if name not in unwanted}
    return site, {**env, "HOME": str(home), "XDG_CACHE_HOME": str(home / "cache"), "PYTHONPATH": str(site)}


@pytest.mark.parametrize("writable", [False, True])
def test_kernels_are_compiled_where_they_cannot_be_kept(writable: bool, tmp_path: Path) -> None:
    site, env = installed(tmp_path, writable=writable)
    metrics = tmp_path / "m.om"
    metrics.write_text("".join(f"a {n} {n}\n" for n in range(0, 130, 10)) + "# EOF\n")
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(metrics)],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert not done.stderr
    rate, times, values, problems, kept, where = json.loads(done.stdout)
    assert (rate, times, values, problems) == ([[1.0, 1.0, 1.0]], [1], [2.5], 0)
    assert Path(where).is_relative_to(site)
    assert kept == ["FunctionCache" if writable else "NullCache"] * 2
    assert bool(list(site.rglob("*.nbi"))) == writable
