"""A file of alerts (webhook payloads or snapshots, told apart by shape) → :class:`~rulegen.core.alert.Episode`."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.errors import InputError, Problem
from rulegen.ingest.problems import problem
from rulegen.ingest.sightings import Sighting, episodes
from rulegen.ingest.snapshot import read_snapshot
from rulegen.ingest.text import GIB, FilePath, read_text
from rulegen.ingest.webhook import read_payload

_NEITHER = 'neither a webhook payload ({… "alerts": […]}) nor a snapshot of Alertmanager\'s /api/v2/alerts ([…])'
_PROMETHEUS = "an answer of Prometheus' own API; read it from the server (--prometheus URL), or ask Alertmanager"


class Alerts(NamedTuple):
    """Episodes, sorted by start; how many began while one of the same label set still lasted, and are one with it;
    and what could not be read."""

    episodes: tuple[Episode, ...]
    overlapping: int
    problems: tuple[Problem, ...]


def read_alerts(path: FilePath) -> Alerts:
    """The episodes in one JSON document or JSONL: webhook payloads, snapshots, or both.

    A payload sent again, or an alert in many snapshots, is one episode. Snapshots in one file are taken in order: an
    alert that the next one lacks is over since it was last seen. A bad line or alert is a Problem.

    Raises InputError when the file cannot be read, is not JSON, or holds only bad alerts.
    """
    reader = _Reader(os.fspath(path))
    for line, document in _documents(path, reader.problems):
        reader.read(line, document)
    if reader.problems and not reader.sightings:
        raise InputError(*map(str, reader.problems))
    found = episodes(reader.sightings)
    told = len({(one.labels, one.start) for one in reader.sightings})
    return Alerts(found, told - len(found), tuple(reader.problems))


@dataclass(slots=True)
class _Reader:
    path: str
    sightings: list[Sighting] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    standing: dict[tuple[Labels, int], Sighting] = field(default_factory=dict)  # in the latest snapshot

    def read(self, line: int, document: Any) -> None:
        if isinstance(document, dict) and "alerts" in document:
            self._take(line, *read_payload(document))
        elif isinstance(document, dict) and "data" in document:
            self._take(line, [], [_PROMETHEUS])
        elif isinstance(document, list) and any(isinstance(item, dict) and "alerts" in item for item in document):
            for item in document:
                self._take(line, *read_payload(item))
        elif isinstance(document, list):
            sightings, wrong = read_snapshot(document)
            self._take(line, sightings, wrong)
            now = {(one.labels, one.start): one for one in sightings if one.end is None}
            self.sightings += [replace(one, end=one.seen) for key, one in self.standing.items() if key not in now]
            self.standing = now
        else:
            self._take(line, [], [_NEITHER])

    def _take(self, line: int, sightings: list[Sighting], wrong: list[str]) -> None:
        self.sightings += sightings
        self.problems += [problem(self.path, line, message) for message in wrong]


def _documents(path: FilePath, problems: list[Problem]) -> Iterator[tuple[int, Any]]:
    """Each JSON document with its line: the whole file if it is one document, else one a line."""
    name = os.fspath(path)
    text = read_text(path, limit=GIB).removeprefix("\ufeff")
    lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
    if not lines:
        raise InputError(f"{name}: nothing but blank lines")
    if not _is_document(lines[0][1]):  # or else it is JSONL, and need not be parsed twice
        try:
            yield lines[0][0], _parsed(text)
            return
        except _NotJson as error:
            if not any(_is_document(line) for _, line in lines):
                raise InputError(str(problem(name, error.line, str(error)))) from None
    for number, line in lines:
        try:
            yield number, _parsed(line)
        except _NotJson as error:
            problems.append(problem(name, number, str(error)))


class _NotJson(ValueError):
    def __init__(self, line: int, message: str) -> None:
        super().__init__(f"not JSON: {message}")
        self.line = line


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        cut = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
        wrong = "it ends too early" if cut else error.msg.lower()
        raise _NotJson(error.lineno, f"{wrong} (column {error.colno})") from None
    except RecursionError:
        raise _NotJson(1, "nested too deeply") from None
    except ValueError as error:  # a number of thousands of digits
        raise _NotJson(1, str(error)) from None


def _is_document(line: str) -> bool:
    try:
        return isinstance(_parsed(line), dict | list)
    except _NotJson:
        return False
