"""OpenMetrics text, plain or gzip → :class:`~rulegen.core.series.Samples`.

https://prometheus.io/docs/specs/om/open_metrics_spec/. Read by an own line reader: the one in prometheus_client takes
fifteen times as long and refuses the whole file for one bad line.
"""

from __future__ import annotations

import os
import re
from array import array
from dataclasses import dataclass, field

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Samples, Series
from rulegen.errors import InputError, Problem
from rulegen.ingest.names import is_metric_name
from rulegen.ingest.problems import problem
from rulegen.ingest.text import FilePath, read_lines
from rulegen.ingest.times import LAST_SECOND

MAX_PROBLEMS = 20

# One sample: name, labels, value, time, exemplar (left out).
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_LABEL = re.compile(rf"\s*(?:([a-zA-Z_][a-zA-Z0-9_]*|{_QUOTED})\s*=\s*)?({_QUOTED})\s*(,|$)")
_SAMPLE = re.compile(
    rf"([^\s{{}}\"#]*)(?:\{{((?:[^\"{{}}]|{_QUOTED})*)\}})?\s+([^\s{{}}]+)(?:\s+([^\s#{{}}]+))?(?:\s+# .*)?\s*"
)
_ESCAPE = re.compile(r"\\(.)")
_UNESCAPED = {"n": "\n", "\\": "\\", '"': '"'}
_FOREIGN = "this looks like Prometheus' text format; write OpenMetrics (times in seconds, # EOF at the end)"


@dataclass(slots=True)
class _Column:
    """The samples of one series in the order of the file. ``late``: position → line of what came out of order."""

    times: array[int] = field(default_factory=lambda: array("q"))
    values: array[float] = field(default_factory=lambda: array("d"))
    last: int = -(1 << 62)
    late: dict[int, int] = field(default_factory=dict)


def read_metrics(path: FilePath) -> tuple[Samples, tuple[Problem, ...]]:
    """The series of an OpenMetrics file, times in ms (rounded), each series sorted.

    A bad line is a Problem (the first 20 are named, the rest counted), and so are samples out of order (sorted) and
    two values for one time (the first is kept, as Prometheus does). Raises InputError for a file that cannot be read,
    has no ``# EOF`` (it is cut off, or another format), or holds no sample that can be used.
    """
    reader = _Reader(os.fspath(path))
    for number, line in enumerate(read_lines(path), start=1):
        reader.read(number, line)
    return reader.finish()


class _Reader:
    def __init__(self, path: str) -> None:
        self.path = path
        self.columns: dict[Labels, _Column] = {}
        self.known: dict[str, _Column] = {}  # by the text before the value: labels are parsed once a series
        self.problems: list[Problem] = []
        self.found = 0  # problems, those beyond the cap included
        self.eof = False
        self.foreign = False  # no time, or one that can't be in seconds: another format

    def read(self, number: int, line: str) -> None:
        try:
            head, value, time = line.rsplit(" ", 2)
            column = self.known[head]
        except (ValueError, KeyError):
            self._read_unknown(number, line)
        else:
            self._add(number, column, value, time)

    def _read_unknown(self, number: int, line: str) -> None:
        if line.startswith("#") and not self.eof:
            self.eof = line.rstrip() == "# EOF"
            if self.eof:
                self.known.clear()  # what follows comes here and not onto the fast way
            return
        if self.eof:
            if line.strip():
                self._bad(number, "text after # EOF")
            return
        match = _SAMPLE.fullmatch(line)
        if match is None:
            self._bad(number, f"not a sample: {_shown(line)}")
            return
        name, inner, value, time = match.groups()
        try:
            labels = _labels(name, inner or "")
        except ValueError as error:
            self._bad(number, f"{error}: {_shown(line)}")
            return
        if time is None:
            self.foreign = True
            self._bad(number, f"no timestamp, and a history needs times: {_shown(line)}")
            return
        column = self.columns.setdefault(labels, _Column())
        self.known[line[: match.start(3)].rstrip()] = column
        self._add(number, column, value, time)

    def _add(self, number: int, column: _Column, value: str, time: str) -> None:
        try:
            sample, seconds = _number(value), _number(time)
        except ValueError as error:
            self._bad(number, str(error))
            return
        if not abs(seconds) <= LAST_SECOND:
            self.foreign = True
            self._bad(number, f"the time {time} is not in the years up to 9999 (OpenMetrics writes seconds)")
            return
        ms = round(seconds * 1000)
        if ms <= column.last:
            column.late[len(column.times)] = number
        else:
            column.last = ms
        column.times.append(ms)
        column.values.append(sample)

    def _bad(self, line: int, message: str) -> None:
        self.found += 1
        if self.found <= MAX_PROBLEMS:
            self.problems.append(problem(self.path, line, message))

    def finish(self) -> tuple[Samples, tuple[Problem, ...]]:
        late = sorted(line for column in self.columns.values() for line in column.late.values())
        series = [self._series(labels, column) for labels, column in self.columns.items() if column.times]
        problems = sorted(self.problems)
        if self.found > MAX_PROBLEMS:
            problems.append(Problem(self.path, 0, f"{self.found - MAX_PROBLEMS} more bad lines"))
        if not self.eof:
            hint = _FOREIGN if self.foreign and not series else "the file is cut off, or is not OpenMetrics"
            raise InputError(f"{self.path}: no # EOF at the end: {hint}", *([] if series else map(str, problems)))
        if not series:
            raise InputError(f"{self.path}: no sample that can be used", *map(str, problems))
        if late:
            problems.append(Problem(self.path, late[0], f"{len(late)} samples are not in order of time; sorted"))
        return Samples.of(series), tuple(problems)

    def _series(self, labels: Labels, column: _Column) -> Series:
        times = np.array(column.times, dtype=np.int64)  # [n]
        values = np.array(column.values, dtype=np.float64)  # [n]
        if not column.late:
            return Series(labels, times, values)
        order = np.argsort(times, kind="stable")  # [n] so that of two samples at one time the first stays first
        times, values = times[order], values[order]
        again = np.flatnonzero(times[1:] == times[:-1]) + 1
        for at in again:
            first = int(np.searchsorted(times, times[at]))
            if values[at] != values[first] and not (np.isnan(values[at]) and np.isnan(values[first])):
                line = column.late[int(order[at])]
                self._bad(line, f"{labels}: a second value for one time ({values[first]!s}, then {values[at]!s})")
        return Series(labels, np.delete(times, again), np.delete(values, again))


def _number(text: str) -> float:
    """As Go's ParseFloat reads decimal numbers. Raises ValueError."""
    try:
        if "_" in text:  # Python's digit separator, which is no part of the format
            raise ValueError
        return float(text)
    except ValueError:
        raise ValueError(f"not a number: {_shown(text)}") from None


def _labels(name: str, inner: str) -> Labels:
    """The labels of ``name{inner}``, the metric's name among them. Raises ValueError."""
    found = {METRIC_NAME: name} if name else {}
    at, more = 0, bool(inner.strip())
    while more:
        match = _LABEL.match(inner, at)
        if match is None:
            raise ValueError("the labels cannot be read")
        label, text, comma = match.groups()
        if label is None and METRIC_NAME not in found:
            label = METRIC_NAME  # {"a.name", …}: a name beyond letters, digits, _ and : stands among the labels
        elif label is None or label == METRIC_NAME:
            raise ValueError("two metric names")
        label = _unquoted(label)
        if label in found:
            raise ValueError(f"label {_shown(label)} is given twice")
        found[label] = _unquoted(text)
        at = match.end()
        more = bool(comma) and bool(inner[at:].strip())
    if not found.get(METRIC_NAME):
        raise ValueError("no metric name")
    if name and not is_metric_name(name):
        raise ValueError(f"not a metric name: {_shown(name)}")
    return Labels(found)


def _unquoted(text: str) -> str:
    if not text.startswith('"'):
        return text
    return _ESCAPE.sub(lambda match: _UNESCAPED.get(match[1], match[0]), text[1:-1])


def _shown(text: str) -> str:
    return repr(text if len(text) <= 80 else text[:77] + "…")
