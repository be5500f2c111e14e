"""What unit tests showed, as it stands in the evidence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from rulegen.core.exhibit import Exhibit, Shown
from rulegen.core.outcome import Suggestion
from rulegen.core.unittest import RuleTests


def tested(one: Suggestion, shown: Shown, tests: Mapping[str, str]) -> dict[str, Any]:
    """The fields of one accepted suggestion; ``tests`` says where its unit tests stand."""
    exhibit = next((each for each in shown.exhibits if each.suggestion == one.id), None)
    changed = None if shown.rule_tests is None else dict(shown.rule_tests.changed).get(one.id, ())
    return {
        "test": None if exhibit is None else {"file": tests.get(one.id), **_claims(exhibit)},
        "rule_tests_changed": None if changed is None else [asdict(check) for check in changed],
    }


def rule_tests(found: RuleTests | None) -> dict[str, Any] | None:
    if found is None:
        return None
    return {
        "files": found.files,
        "checks": found.checks,
        "failing": [asdict(check) for check in found.failing],
        "together": [asdict(check) for check in found.together],
    }


def _claims(exhibit: Exhibit) -> dict[str, str]:
    shown: dict[str, str] = {case.claim: "shown" for case in exhibit.cases}
    return {"silent": "", "fires": ""} | shown | dict(exhibit.missing)
