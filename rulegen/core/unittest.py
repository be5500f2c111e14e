"""Unit tests of rules, in promtool's form. Times and durations in ms; times count from the start of the test."""

from __future__ import annotations

from dataclasses import dataclass

from rulegen.core.labels import Labels
from rulegen.core.series import Series


@dataclass(frozen=True, slots=True)
class ExpectedAlert:
    """``labels`` with the ``alertname``; ``annotations`` may hold empty values, which count."""

    labels: Labels
    annotations: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class AlertCheck:
    """All alerts named ``name`` that fire ``at`` a time, no others."""

    line: int
    at: int
    name: str
    alerts: tuple[ExpectedAlert, ...]


@dataclass(frozen=True, slots=True)
class ExprCheck:
    """What an expression gives ``at`` a time: one value for each label set."""

    line: int
    at: int
    expr: str
    samples: tuple[tuple[Labels, float], ...]


@dataclass(frozen=True, slots=True, eq=False)
class UnitTest:
    """One test: its series (times since the epoch, from ``start``), and what is checked."""

    line: int
    name: str
    start: int
    series: tuple[Series, ...]
    external_labels: Labels
    external_url: str
    alerts: tuple[AlertCheck, ...]
    expressions: tuple[ExprCheck, ...]

    @property
    def length(self) -> int:
        """The last time that is checked."""
        return max([*(check.at for check in self.alerts), *(check.at for check in self.expressions)], default=0)


@dataclass(frozen=True, slots=True, eq=False)
class UnitTestFile:
    """``rule_files`` are the files that were found; ``unmatched`` the patterns that found none."""

    path: str
    rule_files: tuple[str, ...]
    unmatched: tuple[str, ...]
    interval: int
    group_order: tuple[str, ...]
    fuzzy: bool
    tests: tuple[UnitTest, ...]


@dataclass(frozen=True, slots=True, order=True)
class ChangedTest:
    """A check of a user's unit test that holds today and would not: in ``file``, at ``line``. ``test`` is the test's
    name ("" where it has none), ``check`` what is checked, ``alert`` the alert that it is about ("" for others)."""

    file: str
    line: int
    test: str
    check: str
    alert: str


@dataclass(frozen=True, slots=True)
class RuleTests:
    """The user's unit tests with the rules as they are and as they would be.

    ``failing`` do not hold as it is, and nobody is blamed. ``changed`` [by suggestion id] would change with this
    suggestion alone, ``together`` with all that were written.
    """

    files: int
    checks: int
    failing: tuple[ChangedTest, ...] = ()
    changed: tuple[tuple[str, tuple[ChangedTest, ...]], ...] = ()
    together: tuple[ChangedTest, ...] = ()
