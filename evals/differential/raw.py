"""The raw samples of a Prometheus data directory, exact to the bit and with every staleness marker."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path

import httpx
import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import STALE, Samples, Series
from rulegen.core.spans import Times

_PAIR = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(?:x([0-9a-f]{2})|u([0-9a-f]{4})|U([0-9a-f]{8})|(.))", re.DOTALL)
_CONTROL = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


def metric_names(url: str) -> tuple[str, ...]:
    """Every metric that the Prometheus at ``url`` knows."""
    answer = httpx.get(f"{url}/api/v1/label/{METRIC_NAME}/values", timeout=60)
    return tuple(answer.raise_for_status().json()["data"])


def read_samples(tsdb: Path, url: str, names: Iterable[str]) -> Samples:
    """All samples of the metrics ``names``, of the data directory ``tsdb`` (one that no server uses) that the
    Prometheus at ``url`` serves a copy of.

    ``promtool tsdb dump`` gives them all, but prints staleness markers and ordinary NaN alike; the server leaves
    markers out of windows, so that its counts tell the two apart.
    """
    match = f'{{__name__=~"{"|".join(names)}"}}'
    (tsdb / "wal").mkdir(exist_ok=True)  # promtool wants one
    command = ["promtool", "tsdb", "dump", f"--match={match}", str(tsdb)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as dump:
        assert dump.stdout is not None
        series = tuple(_dumped(dump.stdout))
    if dump.returncode:
        raise RuntimeError(f"promtool tsdb dump: exit {dump.returncode}")
    return Samples.of(_marked(series, url))


def _dumped(lines: Iterable[str]) -> Iterator[Series]:
    """``{a="b", …} value ms`` a line, the lines of one series together and in order of time."""
    for head, rows in groupby((line.rsplit(" ", 2) for line in lines), key=lambda row: row[0]):
        points = [(int(time), float(value)) for _, value, time in rows]
        labels = Labels([(name, _unquoted(value)) for name, value in _PAIR.findall(head)])
        yield Series(labels, np.array([at for at, _ in points]), np.array([value for _, value in points]))


def _unquoted(text: str) -> str:
    """The inside of a string literal as Go's ``strconv.Quote`` writes it."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(
        lambda found: (
            _CONTROL.get(found[4], found[4]) if found[4] else chr(int(found[1] or found[2] or found[3], 16))
        ),
        text,
    )


def _marked(series: Iterable[Series], url: str) -> Iterator[Series]:
    """``series`` with the NaN that the server does not show made staleness markers."""
    for one in series:
        unclear = np.isnan(one.values)
        if unclear.any():
            shown = _shown(one, url)
            gone = unclear & ~np.isin(one.times, shown)
            yield Series(one.labels, one.times, np.where(gone, STALE, one.values))
        else:
            yield one


def _shown(one: Series, url: str) -> Times:
    """The times (ms) of the samples of a series that the server shows."""
    window = (int(one.times[-1]) - int(one.times[0])) // 1000 + 1
    params = {"query": f"{one.labels}[{window}s]", "time": f"{one.times[-1] / 1000:.3f}"}
    answer = httpx.post(f"{url}/api/v1/query", data=params, timeout=60).raise_for_status().json()
    mine = [found["values"] for found in answer["data"]["result"] if found["metric"] == dict(one.labels)]
    return np.array([round(at * 1000) for values in mine for at, _ in values], dtype=np.int64)
