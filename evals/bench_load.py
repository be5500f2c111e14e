"""OpenMetrics reading beside ``promtool tsdb dump`` of the same samples: ``python -m evals.bench_load``.

Prints the median of 5 of each. The text is what the dump printed, as OpenMetrics.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rulegen.ingest.openmetrics import read_metrics

TSDB = Path(__file__).parents[2] / "shared" / "data" / "alertops-tsdb" / "tsdb"
RUNS = 5
_DUMPED = re.compile(r'\{__name__="([^"]*)"(?:, (.*))?\} (\S+) (\d+)')


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        data, dumped, text = Path(folder, "data"), Path(folder, "dump"), Path(folder, "metrics.om")
        shutil.copytree(TSDB, data, copy_function=shutil.copyfile)
        for path in [data, *data.rglob("*")]:
            path.chmod(0o755 if path.is_dir() else 0o644)
        (data / "wal").mkdir(exist_ok=True)  # promtool wants one

        def dump() -> None:
            with dumped.open("wb") as out:
                subprocess.run(["promtool", "tsdb", "dump", str(data)], stdout=out, check=True)

        dumping = _timed(dump)
        samples = _as_openmetrics(dumped, text)
        start = time.perf_counter()
        read_metrics(text)
        cold = time.perf_counter() - start
        reading = _timed(lambda: read_metrics(text))
    print(f"{samples:,} samples, medians of {RUNS} (first read, compiling where nothing is cached: {cold:.2f} s)")
    for name, seconds in (("promtool tsdb dump", dumping), ("rulegen reads OpenMetrics", reading)):
        print(f"{name:28} {seconds:7.2f} s {samples / seconds / 1e6:7.2f} M samples/s")


def _timed(work: Callable[[], object]) -> float:
    seconds = []
    for _ in range(RUNS):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _as_openmetrics(dumped: Path, text: Path) -> int:
    """Writes the dump's samples to ``text``; returns how many there are."""
    count = 0
    with dumped.open() as lines, text.open("w") as out:
        for line in lines:
            if match := _DUMPED.match(line):
                name, labels, value, ms = match.groups()
                inner = "{" + labels + "}" if labels else ""
                out.write(f"{name}{inner} {value} {int(ms) / 1000:.3f}\n")
                count += 1
        out.write("# EOF\n")
    return count


if __name__ == "__main__":
    main()
