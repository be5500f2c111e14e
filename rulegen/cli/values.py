"""What stands after an option: text → a value, or one InputError that names the option."""

from __future__ import annotations

import re

from rulegen.core.durations import YEAR, format_duration, parse_duration
from rulegen.core.spans import Span
from rulegen.emit.resource import Resource
from rulegen.errors import InputError
from rulegen.ingest.incidents import parse_judged
from rulegen.ingest.names import is_label_name
from rulegen.ingest.times import parse_time

_NAMESPACE = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")  # RFC 1123
LONGEST = 100 * YEAR


def milliseconds(option: str, text: str, *, least: int = 0) -> int:
    """A duration in Prometheus' notation, in ms, from ``least`` ms to a hundred years. Raises InputError."""
    try:
        found = parse_duration(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None
    if found > LONGEST:
        raise InputError(f"{option}: {text} is longer than a hundred years")
    if found < least:
        raise InputError(f"{option}: {text} is too short; give {format_duration(least)} or more")
    return found


def moment(option: str, text: str) -> int:
    """Unix seconds or RFC 3339, in ms since the epoch. Raises InputError."""
    try:
        found = parse_time(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None
    if found < 0:
        raise InputError(f"{option}: {text} lies before 1970")
    return found


def number(option: str, found: int, *, least: int = 0) -> int:
    """A whole number of at least ``least``. Raises InputError."""
    if found < least:
        raise InputError(f"{option}: {found} is too few; give {least} or more")
    return found


def label_names(option: str, text: str) -> tuple[str, ...]:
    """Label names separated by commas, at least one. Raises InputError."""
    names = tuple(name.strip() for name in text.split(",") if name.strip())
    if not names:
        raise InputError(f"{option}: name at least one label")
    for name in names:
        if not is_label_name(name):
            raise InputError(f"{option}: {name!r} is not a label name (letters, digits and _)")
    return names


def time_span(option: str, text: str) -> Span:
    """``START..END``, each as :func:`moment` reads it. Raises InputError."""
    try:
        return parse_judged(text)
    except ValueError as error:
        raise InputError(f"{option}: {error}") from None


def resource_of(form: str, namespace: str) -> Resource | None:
    """What ``--format`` and ``--namespace`` ask for: None for files as they came. Raises InputError."""
    if form not in ("plain", "prometheusrule"):
        raise InputError(f"--format: {form!r} is neither plain nor prometheusrule")
    if namespace and form == "plain":
        raise InputError("--namespace is for resources: give --format prometheusrule")
    if namespace and not _NAMESPACE.fullmatch(namespace):
        raise InputError(f"--namespace: {namespace!r} is no namespace (small letters, digits and -, at most 63)")
    return Resource(namespace) if form == "prometheusrule" else None
