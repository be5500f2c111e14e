"""Which alerts page somebody, and which rules are never touched."""

from __future__ import annotations

from collections.abc import Callable

import promql_parser as pp

from rulegen.core.labels import Labels
from rulegen.errors import InputError, UnsupportedError
from rulegen.promql import ExpressionError, Matcher, parse, selectors


def matching(matchers: str, option: str) -> Callable[[Labels], bool]:
    """A predicate from PromQL ``matchers`` without braces (``severity="page",team!="dev"``).

    Raises InputError, which names ``option``, when they are none.
    """
    wanted = _read(matchers, option)
    known: dict[Labels, bool] = {}

    def holds(labels: Labels) -> bool:
        if labels not in known:
            known[labels] = all(matcher.accepts(labels) for matcher in wanted)
        return known[labels]

    return holds


def routing(matchers: str, option: str) -> frozenset[str]:
    """The labels that ``matchers`` look at, and so decide where an alert goes. Raises InputError likewise."""
    return frozenset(matcher.name for matcher in _read(matchers, option))


def _read(matchers: str, option: str) -> tuple[Matcher, ...]:
    text = f"alert{{{matchers}}}"
    try:
        if not isinstance(parse(text), pp.VectorSelector):
            raise InputError(f'{option} {matchers}: more than matchers; write them as severity="page",team!="dev"')
        return selectors(text)[0].matchers[1:]  # without the made-up metric name
    except ExpressionError as error:  # without the caret: it stands in a text that the user did not write
        raise InputError(f"{option} {matchers}: {error.message}") from None
    except UnsupportedError as error:
        raise InputError(f"{option} {matchers}: {error}") from None
