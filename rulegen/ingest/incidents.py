"""Incident records, CSV or YAML → :class:`~rulegen.core.incident.Incident`.

Columns ``id``, ``start`` and ``end`` (in any order and case); every other column is a label of the incident. Times
are Unix seconds or RFC 3339; a time without an offset is taken as UTC. YAML is a list of mappings with the same keys,
or a mapping with that list under ``incidents``.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.spans import Span, union
from rulegen.errors import InputError, Problem
from rulegen.ingest.names import is_label_name
from rulegen.ingest.problems import problem
from rulegen.ingest.text import FilePath, read_text
from rulegen.ingest.times import parse_time
from rulegen.ingest.yamltree import MappingNode, Node, ScalarNode, SequenceNode, YamlError, parse_documents

__all__ = ["parse_judged", "parse_time", "read_incidents", "record"]

NEEDED = ("id", "start", "end")


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Mapping[str, str]


def read_incidents(path: FilePath) -> tuple[tuple[Incident, ...], tuple[Problem, ...]]:
    """The incidents of a CSV file, or of a YAML file if named ``.yaml``, ``.yml`` or ``.json``; sorted by start.

    A row that cannot be used is a Problem. Raises InputError when the file cannot be used at all, a needed column is
    missing, or no row is good.
    """
    name = os.fspath(path)
    text = read_text(path).removeprefix("\ufeff")
    problems: list[Problem] = []
    rows = _yaml_rows if name.lower().endswith((".yaml", ".yml", ".json")) else _csv_rows
    found: dict[str, tuple[Incident, int]] = {}
    for row in rows(name, text, problems):
        try:
            incident = _incident(row.cells)
            if incident.id in found:
                raise ValueError(
                    f'incident "{incident.id}": this id was given before, in line {found[incident.id][1]}'
                )
        except ValueError as error:
            problems.append(problem(name, row.line, str(error)))
        else:
            found[incident.id] = incident, row.line
    if problems and not found:
        raise InputError(*map(str, problems))
    incidents = sorted((one for one, _ in found.values()), key=lambda one: (one.span, one.id))
    return tuple(incidents), tuple(sorted(problems))


def parse_judged(text: str) -> Span:
    """``START..END`` (each Unix seconds or RFC 3339) → the span in ms. Raises ValueError, with what is wrong."""
    start, dots, end = text.partition("..")
    if not dots:
        raise ValueError(f"not a time span: {text!r} (write START..END, each Unix seconds or RFC 3339)")
    return _span(parse_time(start), parse_time(end), start.strip(), end.strip())


def record(incidents: tuple[Incident, ...], judged: tuple[Span, ...] = ()) -> IncidentRecord:
    """The incidents with the time for which they were kept: ``judged``, or from the first start to the last end."""
    if not judged and incidents:
        judged = (Span(min(one.span.start for one in incidents), max(one.span.end for one in incidents)),)
    return IncidentRecord(tuple(sorted(incidents, key=lambda one: (one.span.start, one.id))), union(judged))


def _incident(cells: Mapping[str, str]) -> Incident:
    identity = cells.get("id", "").strip()
    if not identity:
        raise ValueError("an incident without an id")
    times = []
    for column in ("start", "end"):
        text = cells.get(column, "").strip()
        if not text:
            raise ValueError(f'incident "{identity}": no {column}')
        try:
            times.append(parse_time(text))
        except ValueError as error:
            raise ValueError(f'incident "{identity}": {column}: {error}') from None
    try:
        span = _span(times[0], times[1], cells["start"].strip(), cells["end"].strip())
    except ValueError as error:
        raise ValueError(f'incident "{identity}": {error}') from None
    return Incident(identity, span, Labels({name: text for name, text in cells.items() if name not in NEEDED}))


def _span(start: int, end: int, start_text: str, end_text: str) -> Span:
    if end < start:
        raise ValueError(f"ends ({end_text}) before it starts ({start_text})")
    return Span(start, end)


def _csv_rows(path: str, text: str, problems: list[Problem]) -> Iterator[_Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    header: list[str] | None = None
    line = 1
    try:
        for cells in reader:
            row_line, line = line, reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if header is None:
                header = _header(path, row_line, cells, problems)
            elif len(cells) != len(header):
                wrong = f"{len(cells)} cells in a table of {len(header)} columns (quote a cell that holds a comma)"
                problems.append(problem(path, row_line, wrong))
            else:
                yield _Row(row_line, {name: cell for name, cell in zip(header, cells, strict=True) if name})
    except csv.Error as error:
        raise InputError(*map(str, [*problems, problem(path, line, f"not a CSV table: {error}")])) from None
    if header is None:
        raise InputError(f"{path}: no table: the first line should name the columns (id,start,end,…)")


def _header(path: str, line: int, cells: list[str], problems: list[Problem]) -> list[str]:
    """The column names, ``id``, ``start`` and ``end`` in lower case; "" for a column that can't be a label."""
    names = [cell.strip() for cell in cells]
    names = [name.lower() if name.lower() in NEEDED else name for name in names]
    errors = [f'no column "{name}" (the header reads: {", ".join(names)})' for name in NEEDED if name not in names]
    errors += [f'column "{name}" is given twice' for name in dict.fromkeys(names) if name and names.count(name) > 1]
    if errors:
        raise InputError(*(str(problem(path, line, error)) for error in errors))
    return [_label_name(path, line, name, problems) for name in names]


def _label_name(path: str, line: int, name: str, problems: list[Problem]) -> str:
    if is_label_name(name):
        return name
    problems.append(problem(path, line, f'column "{name}" is left out: not a label name (letters, digits and _)'))
    return ""


def _yaml_rows(path: str, text: str, problems: list[Problem]) -> Iterator[_Row]:
    try:
        documents = parse_documents(text)
    except YamlError as error:
        raise InputError(str(problem(path, error.line, str(error)))) from None
    for document in documents:
        rows = document.get("incidents") if isinstance(document, MappingNode) else document
        if not isinstance(rows, SequenceNode):
            raise InputError(str(problem(path, document.line, "no list of incidents (id, start, end, labels…)")))
        for row in rows.items:
            cells = _yaml_cells(path, row, problems)
            if cells is not None:
                yield _Row(row.line, cells)


def _yaml_cells(path: str, row: Node, problems: list[Problem]) -> dict[str, str] | None:
    wrong = ""
    if not isinstance(row, MappingNode):
        problems.append(problem(path, row.line, "an incident should be a mapping with id, start and end"))
        return None
    cells: dict[str, str] = {}
    for key, value in row.items:
        name = key.text.lower() if key.text.lower() in NEEDED else key.text
        if not isinstance(value, ScalarNode):
            wrong = f'"{name}" should be a single value'
        elif name in cells:
            wrong = f'"{name}" is given twice'
        elif not is_label_name(name):
            wrong = f'"{name}" is not a label name (letters, digits and _)'
        else:
            cells[name] = value.text
            continue
        problems.append(problem(path, key.line, wrong))
        return None
    return cells
