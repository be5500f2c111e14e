"""OpenMetrics text, plain or gzip → :class:`~rulegen.core.series.Samples`.

https://prometheus.io/docs/specs/om/open_metrics_spec/. Read by an own line reader: the one in prometheus_client is
far slower and refuses the whole file for one bad line. Plain lines of known series are read compiled, see
:mod:`rulegen.ingest.linescan`; every other line, and the first of each series, goes through the careful reader here.
"""

from __future__ import annotations

import os
import re

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Samples, Series
from rulegen.errors import InputError, Problem
from rulegen.ingest.linescan import AT, COUNT, HARD, LATE, LINE, PREVIOUS, STATE, Floats, Integers, hashed, scan
from rulegen.ingest.names import is_metric_name
from rulegen.ingest.problems import problem
from rulegen.ingest.text import FilePath, decode, read_whole_lines
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


_NEVER = -(1 << 62)  # before every time


def read_metrics(path: FilePath) -> tuple[Samples, tuple[Problem, ...]]:
    """The series of an OpenMetrics file, times in ms (rounded), each series sorted.

    A bad line is a Problem (the first 20 are named, the rest counted), and so are samples out of order (sorted) and
    two values for one time (the first is kept, as Prometheus does). Raises InputError for a file that cannot be read,
    has no ``# EOF`` (it is cut off, or another format), or holds no sample that can be used.
    """
    reader = _Reader(os.fspath(path))
    for block in read_whole_lines(path):
        reader.read(block)
    return reader.finish()


class _Heads:
    """The texts before the value that are known, with the series of each, as the compiled scan looks them up."""

    def __init__(self) -> None:
        self.count = 0
        self.used = 0  # bytes of the arena
        self.arena = np.empty(1 << 16, dtype=np.uint8)
        self.begins = np.empty(1 << 8, dtype=np.int64)  # [heads]
        self.lengths = np.empty(1 << 8, dtype=np.int64)  # [heads]
        self.columns = np.empty(1 << 8, dtype=np.int64)  # [heads]
        self.table = np.full(1 << 10, -1, dtype=np.int64)  # head or -1, at most a quarter full
        self.last = np.full(1 << 8, _NEVER, dtype=np.int64)  # [series] latest time, ms

    def add(self, head: bytes, column: int) -> None:
        """Everything grows by doubling, so that many series cost linear time."""
        while self.used + len(head) > len(self.arena):
            self.arena = np.concatenate([self.arena, np.empty_like(self.arena)])
        if self.count == len(self.begins):
            self.begins, self.lengths, self.columns = (
                np.concatenate([one, np.empty_like(one)]) for one in (self.begins, self.lengths, self.columns)
            )
            self.table = np.full(2 * len(self.table), -1, dtype=np.int64)
            for known in range(self.count):
                self._place(known)
        self.arena[self.used : self.used + len(head)] = np.frombuffer(head, dtype=np.uint8)
        self.begins[self.count], self.lengths[self.count] = self.used, len(head)
        self.columns[self.count] = column
        self.used += len(head)
        self._place(self.count)
        self.count += 1

    def _place(self, head: int) -> None:
        begin = int(self.begins[head])
        slot = int(hashed(self.arena, begin, begin + int(self.lengths[head]))) & (len(self.table) - 1)
        while self.table[slot] >= 0:
            slot = (slot + 1) & (len(self.table) - 1)
        self.table[slot] = head

    def series(self, count: int) -> None:
        """Makes room for the latest times of ``count`` series."""
        if count > len(self.last):
            self.last = np.concatenate([self.last, np.full_like(self.last, _NEVER)])


class _Reader:
    def __init__(self, path: str) -> None:
        self.path = path
        self.columns: dict[Labels, int] = {}
        self.known: dict[str, int] = {}  # by the text before the value: labels are parsed once a series
        self.heads = _Heads()
        self.state = np.zeros(STATE, dtype=np.int64)
        self.state[PREVIOUS] = -1
        self.ids: Integers  # [lines of this block] series
        self.times: Integers  # [lines of this block] ms
        self.values: Floats  # [lines of this block]
        self.late_here: Integers  # [lines of this block, 2] sample, line
        self.parts: list[tuple[Integers, Integers, Floats]] = []
        self.total = 0  # samples in ``parts``
        self.late: dict[int, int] = {}  # sample → line of what came out of order
        self.problems: list[Problem] = []
        self.found = 0  # problems, those beyond the cap included
        self.eof = False
        self.foreign = False  # no time, or one that can't be in seconds: another format

    def read(self, block: bytes) -> None:
        """Whole lines; only the last block may lack its line end."""
        block = block if block.endswith(b"\n") else block + b"\n"
        data, lines = np.frombuffer(block, dtype=np.uint8), block.count(b"\n")
        self.ids, self.times = np.empty(lines, dtype=np.int64), np.empty(lines, dtype=np.int64)
        self.values = np.empty(lines, dtype=np.float64)
        self.late_here, hard = np.empty((lines, 2), dtype=np.int64), np.empty((lines, 3), dtype=np.int64)
        state, heads = self.state, self.heads
        state[AT] = state[COUNT] = state[HARD] = state[LATE] = 0
        while True:
            if not self.eof:
                tables = (heads.arena, heads.begins, heads.lengths, heads.columns, heads.table, heads.last)
                out = (self.ids, self.times, self.values, hard, self.late_here)
                scan(data, state, *tables, float(LAST_SECOND), *out)
            at = int(state[AT])
            if at == len(block):
                break
            end = block.index(b"\n", at)
            state[LINE] += 1
            number = int(state[LINE])
            self._read_line(number, decode(self.path, block[at:end], number))
            state[AT] = end + 1
        for sample, begin, end in hard[: state[HARD]].tolist():
            self.values[sample] = float(block[begin:end])
        count = int(state[COUNT])
        self.late.update((self.total + sample, line) for sample, line in self.late_here[: state[LATE]].tolist())
        self.parts.append((self.ids[:count], self.times[:count], self.values[:count]))
        self.total += count

    def _read_line(self, number: int, line: str) -> None:
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
        column = self.columns.setdefault(labels, len(self.columns))
        self.heads.series(len(self.columns))
        head = line[: match.start(3)].rstrip()
        if head not in self.known:
            self.known[head] = column
            self.heads.add(head.encode(), column)
        self._add(number, column, value, time)

    def _add(self, number: int, column: int, value: str, time: str) -> None:
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
        state, at = self.state, int(self.state[COUNT])
        if ms <= self.heads.last[column]:
            self.late_here[state[LATE]] = at, number
            state[LATE] += 1
        else:
            self.heads.last[column] = ms
        self.ids[at], self.times[at], self.values[at] = column, ms, sample
        state[COUNT] += 1

    def _bad(self, line: int, message: str) -> None:
        self.found += 1
        if self.found <= MAX_PROBLEMS:
            self.problems.append(problem(self.path, line, message))

    def finish(self) -> tuple[Samples, tuple[Problem, ...]]:
        late = sorted(self.late.values())
        series = self._series()
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

    def _series(self) -> list[Series]:
        if not self.total:
            return []
        ids, times, values = (np.concatenate(part) for part in zip(*self.parts, strict=True))  # each [samples]
        by_series = np.argsort(ids, kind="stable")  # [samples] so that each series keeps the order of the file
        times, values = times[by_series], values[by_series]
        edges = np.searchsorted(ids[by_series], np.arange(len(self.columns) + 1)).tolist()  # [series + 1]
        unsorted = {int(ids[sample]) for sample in self.late}
        series = []
        for column, labels in enumerate(self.columns):
            begin, end = edges[column], edges[column + 1]
            if column in unsorted:
                series.append(self._sorted(labels, times[begin:end], values[begin:end], by_series[begin:end]))
            elif begin < end:
                series.append(Series(labels, times[begin:end], values[begin:end]))
        return series

    def _sorted(self, labels: Labels, times: Integers, values: Floats, samples: Integers) -> Series:
        """In order of time, each time once; ``samples`` [n]: which of the file's they are."""
        order = np.argsort(times, kind="stable")  # [n] so that of two samples at one time the first stays first
        times, values = times[order], values[order]
        again = np.flatnonzero(times[1:] == times[:-1]) + 1
        for at in again:
            first = int(np.searchsorted(times, times[at]))
            if values[at] != values[first] and not (np.isnan(values[at]) and np.isnan(values[first])):
                line = self.late[int(samples[order[at]])]
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
