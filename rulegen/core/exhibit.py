"""Unit tests that show what a suggestion claims, cut from the history that justifies it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from rulegen.core.labels import Labels
from rulegen.core.rule import RuleSet
from rulegen.core.series import Series
from rulegen.core.unittest import AlertCheck, ExprCheck, RuleTests

Claim = Literal["silent", "fires"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One test: what it ``shows``, its series, and what is expected when.

    Times of ``series`` and of the checks count in ms from ``origin`` (ms since the epoch). The series are on a grid
    of ``interval`` ms. ``before`` says when the rule as it was fires on the same series, and with which labels.
    """

    claim: Claim
    shows: str
    origin: int
    interval: int
    series: tuple[Series, ...]
    checks: tuple[AlertCheck, ...]
    labels_only: tuple[ExprCheck, ...] = ()  # ALERTS, where annotations hold what differs between versions
    before: tuple[tuple[int, Labels], ...] = ()

    @property
    def samples(self) -> int:
        return sum(len(one.times) for one in self.series)


@dataclass(frozen=True, slots=True, eq=False)
class RuleFile:
    """An emitted rule file as it was read again: where it stands below ``rules/``, and whether promtool loads it.

    PrometheusRule resources are not ``loadable``, nor is a file in which something is wrong. ``stands_in``: no such
    file was written; the rules do what the changed rule does, as far as recorded alerts can tell.
    """

    place: str
    rules: RuleSet
    loadable: bool
    stands_in: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Exhibit:
    """The tests of one suggestion against ``file``, every group evaluated each ``step`` ms, and why a claim has none
    (``missing``: claim and reason)."""

    suggestion: str
    file: RuleFile | None  # None: the change is in no file
    step: int
    cases: tuple[Case, ...] = ()
    missing: tuple[tuple[Claim, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Shown:
    """What was shown of the accepted suggestions by tests: their own, and the user's (None where none were given)."""

    exhibits: tuple[Exhibit, ...] = ()
    rule_tests: RuleTests | None = None
