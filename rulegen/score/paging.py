"""Which alerts page somebody, and which rules are never touched."""

from __future__ import annotations

from collections.abc import Callable

from rulegen.core.labels import Labels
from rulegen.errors import InputError, UnsupportedError
from rulegen.promql import ExpressionError, selectors


def matching(matchers: str, option: str) -> Callable[[Labels], bool]:
    """A predicate from PromQL ``matchers`` without braces (``severity="page",team!="dev"``).

    Raises InputError, which names ``option``, when they don't parse.
    """
    try:
        wanted = selectors(f"alert{{{matchers}}}")[0].matchers[1:]  # without the made-up metric name
    except (ExpressionError, UnsupportedError) as error:
        raise InputError(f"{option} {matchers}: {error}") from None
    known: dict[Labels, bool] = {}

    def holds(labels: Labels) -> bool:
        if labels not in known:
            known[labels] = all(matcher.accepts(labels) for matcher in wanted)
        return known[labels]

    return holds
