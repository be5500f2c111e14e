"""Go's text/template as Prometheus expands it in the labels and annotations of rules.

``compiled`` reads a template once, ``expand`` fills it in. Time, memory and depth are bounded: templates come with
rule files, and those from strangers.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from rulegen.errors import UnsupportedError
from rulegen.gotemplate.depends import Dependence, dependence
from rulegen.gotemplate.execute import SHORT_CIRCUIT, Execution
from rulegen.gotemplate.functions import FUNCTIONS, outside
from rulegen.gotemplate.parse import TemplateError, parse
from rulegen.gotemplate.tree import Template
from rulegen.gotemplate.values import Data, Sample, StringMap

__all__ = [
    "Data",
    "Dependence",
    "Sample",
    "StringMap",
    "Template",
    "TemplateError",
    "compiled",
    "dependence",
    "expand",
]

# Prometheus, rules/alerting.go: what every template starts with.
_PREAMBLE = (
    "{{$labels := .Labels}}{{$externalLabels := .ExternalLabels}}{{$externalURL := .ExternalURL}}{{$value := .Value}}"
)
_NAMES = frozenset((*FUNCTIONS, *outside(""), *SHORT_CIRCUIT, "not", "query"))


@lru_cache(maxsize=4096)
def compiled(text: str) -> Template:
    """Raises TemplateError for what Go does not parse, UnsupportedError for what is not read here."""
    return parse(_PREAMBLE + text, _NAMES)


def expand(text: str, data: Data, query: Callable[[str], list[Sample]]) -> str:
    """``text`` filled in with ``data``; ``query`` answers PromQL at the time of the evaluation.

    Raises TemplateError where Prometheus writes ``<error expanding template: …>``, UnsupportedError for what is not
    done here and for templates that run away.
    """
    if "{{" not in text:
        return text
    functions = {**FUNCTIONS, **outside(data.ExternalURL), "query": query, "not": _not}
    try:
        return Execution(compiled(text), functions).run(data)
    except RecursionError:
        raise UnsupportedError("a template that is nested too deeply") from None


def _not(value: object) -> bool:
    return not (value if isinstance(value, bool | int | float | str | list | dict) else value is not None)
