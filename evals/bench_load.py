"""Loading beside what it cannot beat, on the same samples: ``python -m evals.bench_load``.

OpenMetrics reading beside ``promtool tsdb dump``: the text is what the dump printed. Fetching from a Prometheus by
remote read and by queries, beside a bare client that pulls the bytes of the remote read's whole answer and looks at
none; then the same fetch by a first run, which fills the cache, and by a second, which reads it. Prints the median of
5 of each (of one for the queries, which take long).
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from statistics import median

import httpx

from evals.independent import serving
from rulegen.core.spans import Span
from rulegen.ingest.openmetrics import read_metrics
from rulegen.ingest.prometheus import Cache, connect, fetch_samples
from rulegen.ingest.prometheus.remoteread import HEADERS, PATH, matchers, request

TSDB = Path(__file__).parents[2] / "shared" / "data" / "alertops-tsdb" / "tsdb"
RUNS = 5
EVERYTHING = '{__name__=~".+"}'
HISTORY = Span(1_785_996_000_000, 1_786_017_600_000)
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
        (data / "wal").rmdir()
        with serving(data, Path(folder)) as url:
            fetching = _fetched(url, Path(folder, "cache"))
    print(f"{samples:,} samples, medians of {RUNS} (first read, compiling where nothing is cached: {cold:.2f} s)")
    for name, seconds in (("promtool tsdb dump", dumping), ("rulegen reads OpenMetrics", reading)):
        print(f"{name:28} {seconds:7.2f} s {samples / seconds / 1e6:7.2f} M samples/s")
    for name, seconds, fetched in fetching:
        print(f"{name:28} {seconds:7.2f} s {fetched / seconds / 1e6:7.2f} M samples/s")


class _WithoutRemoteRead(httpx.HTTPTransport):
    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(404) if request.url.path == PATH else super().handle_request(request)


def _fetched(url: str, directory: Path) -> list[tuple[str, float, int]]:
    """(what, seconds, samples) of each way to fetch everything."""
    counts: list[int] = []

    def pull() -> None:
        body = request(matchers(EVERYTHING), HISTORY)
        with (
            httpx.Client(timeout=300) as client,
            client.stream("POST", url + PATH, content=body, headers=HEADERS) as got,
        ):
            sum(map(len, got.iter_bytes()))

    def fetch(transport: httpx.BaseTransport | None = None, cache: Cache | None = None) -> None:
        with connect(url, timeout_s=300, transport=transport, cache=cache) as conn:
            samples, _ = fetch_samples(conn, [EVERYTHING], HISTORY)
        counts.append(sum(len(one.times) for one in samples))

    fetch()  # compiles where nothing is cached
    chunked, bare = _timed(fetch), _timed(pull)
    fresh = (directory / str(number) for number in count())  # a first run finds nothing
    first = _timed(lambda: fetch(cache=Cache(next(fresh))))
    filled = directory / "0"
    second = _timed(lambda: fetch(cache=Cache(filled)))
    size = sum(path.stat().st_size for path in filled.rglob("*") if path.is_file())
    print(f"the cache takes {size / counts[0]:.2f} bytes a sample")
    queried = _timed(lambda: fetch(_WithoutRemoteRead()), 1)
    return [
        ("bare client, remote read", bare, counts[0]),
        ("rulegen fetches, remote read", chunked, counts[0]),
        ("a first run, with a cache", first, counts[0]),
        ("a second run, from it", second, counts[0]),
        ("rulegen fetches, queries", queried, counts[-1]),
    ]


def _timed(work: Callable[[], object], runs: int = RUNS) -> float:
    seconds = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        seconds.append(time.perf_counter() - start)
    return median(seconds)


def _as_openmetrics(dumped: Path, text: Path) -> int:
    """Writes the dump's samples to ``text``; returns how many there are."""
    found = 0
    with dumped.open() as lines, text.open("w") as out:
        for line in lines:
            if match := _DUMPED.match(line):
                name, labels, value, ms = match.groups()
                inner = "{" + labels + "}" if labels else ""
                out.write(f"{name}{inner} {value} {int(ms) / 1000:.3f}\n")
                found += 1
        out.write("# EOF\n")
    return found


if __name__ == "__main__":
    main()
