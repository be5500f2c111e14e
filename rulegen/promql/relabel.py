"""label_replace and label_join."""

from __future__ import annotations

import re

from rulegen.core.labels import Labels
from rulegen.errors import QueryError
from rulegen.promql.matrix import Matrix
from rulegen.promql.regex import compile_regex

_LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]*")
# Go, regexp.Expand: $$ is a dollar; a name without braces is as long as it can be.
_VARIABLE = re.compile(r"\$(?:(\$)|([0-9A-Za-z_]+)|\{([0-9A-Za-z_]+)\})")


def label_replace(
    vector: Matrix, target: str, replacement: str, source: str, pattern: str, *, utf8: bool = True
) -> Matrix:
    """Where ``pattern`` matches all of label ``source``, label ``target`` becomes ``replacement`` with its groups."""
    regex = compile_regex(pattern, dot_all=utf8)
    check_label_name(target, utf8=utf8)

    def replaced(labels: Labels) -> Labels:
        match = regex.fullmatch(labels.get(source, ""))
        return labels if match is None else labels.updated({target: expand(replacement, match)})

    return Matrix(tuple(map(replaced, vector.labels)), vector.values, vector.present).merged()


def label_join(vector: Matrix, target: str, separator: str, sources: tuple[str, ...], *, utf8: bool = True) -> Matrix:
    """Label ``target`` becomes the values of ``sources`` with ``separator`` between them."""
    for name in (target, *sources):
        check_label_name(name, utf8=utf8)
    labels = tuple(
        one.updated({target: separator.join(one.get(source, "") for source in sources)}) for one in vector.labels
    )
    return Matrix(labels, vector.values, vector.present).merged()


def check_label_name(name: str, *, utf8: bool) -> None:
    """Raises QueryError for what cannot be a label. Prometheus 3 takes any UTF-8, Prometheus 2 did not."""
    if not name or not (utf8 or _LABEL.fullmatch(name)):
        raise QueryError(f"invalid label name {name!r}")


def expand(template: str, match: re.Match[str]) -> str:
    """``template`` with ``$1`` and ``${name}`` filled in from ``match`` (Go, regexp.Expand)."""

    def value(found: re.Match[str]) -> str:
        dollar, *names = found.groups()
        if dollar:
            return "$"
        name = names[0] or names[1]
        if name.isdecimal():
            return (match[int(name)] or "") if int(name) <= match.re.groups else ""
        return match.groupdict().get(name) or ""

    return _VARIABLE.sub(value, template)
