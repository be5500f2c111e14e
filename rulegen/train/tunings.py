"""Changes that people made to noisy alerts, as pairs to learn from: the rule before in, the change out.

One JSON object a line, as in ``human-tunings``: ``before`` and ``after`` (``after`` null: retired) with alert, expr,
for, keep_firing_for and labels, the ``families`` of the change, ``details`` with its numbers, and the repository.

``python -m rulegen.train.tunings FILE OUT`` writes the pairs as lines to train on, with repository and fold: training
with ``--leave-out fold=0`` sees nothing of the repositories of fold 0.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, Field, ValidationError

from rulegen.core.durations import SECOND, format_duration, parse_duration
from rulegen.core.labels import Labels
from rulegen.core.rule import Rule
from rulegen.errors import InputError, RulegenError
from rulegen.propose.tune import Tuned, plain, tune_prompt, write_tuned

FOLDS = 5

# family → kind
FAMILIES = {
    "hold: for up/added": "hold",
    "hold: keep_firing_for": "keep",
    "window longer": "window",
    "threshold looser": "threshold",
    "numeric factor/param (arith, quantile, horizon)": "factor",
    "severity lowered": "severity",
    "split into severities": "other",
    "office-hours (label or expr)": "office_hours",
    "retired (deleted/disabled)": "retire",
    "carve-out: exclude matcher": "exclude",
    "scope narrowed (positive matcher)": "narrow",
    "gate: and / unless / join added": "gate",
    "inhibit label / unless ALERTS": "inhibit",
    "aggregate: agg added / coarser / op": "aggregate",
    "comparator/compared expression changed": "compare",
    "signal swapped / rewritten": "signal",
    "smoothing fn (*_over_time, irate->rate)": "smooth",
    "paging/routing label changed": "route",
    "grouping finer / agg removed": "finer",
    "TIGHTER (for down, threshold, window down, raise sev., un-gate)": "tighten",
}
# kind → which detail has its number, at what place, and whether it counts
_NUMBERS = {"hold": ("for", 2), "keep": ("kff", 2), "window": ("window", 2), "threshold": ("threshold", 4)}
_NUMBERS |= {"factor": ("const", 3), "severity": ("severity", 2)}


class _Side(BaseModel):
    alert: str
    expr: str
    hold: str | None = Field(None, alias="for")
    keep_firing_for: str | None = None
    labels: dict[str, Any] = Field(default_factory=dict)


class _Record(BaseModel):
    repo: str
    before: _Side
    families: list[str]
    details: list[list[Any]] = Field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Tuning:
    """What people changed about ``rule``. ``changes`` are all that were made at once, the one that says most first;
    any of them counts as right. Rules are text that some program fills in, so that an expression need not parse."""

    repository: str
    rule: Rule
    changes: tuple[Tuned, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """One example: what a model reads and what it should write; ``fold`` is the part in which it is tested."""

    prompt: str
    answer: str
    repository: str
    fold: int


def read_tunings(path: Path) -> tuple[Tuning, ...]:
    """The changes in the file at ``path``. Raises InputError that names each line that is no such record."""
    found, wrong = [], []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            record = _Record.model_validate_json(line)
        except ValidationError as error:
            wrong += [f"{path}:{number}: {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            continue
        found.append(Tuning(record.repo, _rule(record.before), _changes(record)))
    if wrong:
        raise InputError(*wrong)
    return tuple(found)


def folds(tunings: Iterable[Tuning], count: int = FOLDS) -> dict[str, int]:
    """Repository → fold: the largest first, each into the fold that holds least. No repository is in two."""
    sizes = Counter(one.repository for one in tunings)
    held, found = [0] * count, {}
    for repository, size in sorted(sizes.items(), key=lambda one: (-one[1], one[0])):
        fold = held.index(min(held))
        held[fold] += size
        found[repository] = fold
    return found


def pairs(tunings: Sequence[Tuning]) -> tuple[Pair, ...]:
    """One example for each change that was made: of several at once each is right."""
    fold_of = folds(tunings)
    return tuple(
        Pair(tune_prompt(one.rule), write_tuned(change), one.repository, fold_of[one.repository])
        for one in tunings
        for change in one.changes
    )


def _changes(record: _Record) -> tuple[Tuned, ...]:
    kinds = dict.fromkeys(FAMILIES.get(family, "other") for family in record.families)
    found: dict[Tuned, None] = {}
    for kind in sorted(kinds, key=lambda kind: list(FAMILIES.values()).index(kind)):
        if kind not in _NUMBERS:
            found[Tuned(kind)] = None
            continue
        for value in _values(kind, record.details):
            found[Tuned(kind, value)] = None
    return tuple(found) or (Tuned("other"),)


def _values(kind: str, details: Iterable[Sequence[Any]]) -> Iterable[str]:
    """What was set. Windows that became shorter and thresholds that became tighter are no part of the kind."""
    name, at = _NUMBERS[kind]
    for detail in details:
        if detail[0] != name or (kind == "threshold" and detail[5] != "loosen"):
            continue
        old, new = detail[at - 1], detail[at]
        if kind == "severity":
            yield str(new).lower()
        elif kind in ("hold", "keep", "window"):
            if new > (old or 0):
                yield format_duration(round(new * SECOND))
        elif isinstance(new, int | float):
            yield plain(new)


def _rule(side: _Side) -> Rule:
    labels: Mapping[str, str] = {name: str(value) for name, value in side.labels.items()}
    hold, keep = (_duration(text) for text in (side.hold, side.keep_firing_for))
    return Rule(side.alert, side.expr, "alert", hold, keep, Labels(labels))


def _duration(text: str | None) -> int:
    """In ms; 0 for what a program fills in."""
    try:
        return parse_duration(text or "0s")
    except ValueError:
        return 0


def main(arguments: Sequence[str]) -> int:
    """``FILE OUT``: reads changes and writes pairs. Returns the exit code; what is wrong goes to stderr."""
    if len(arguments) != 2:
        print("usage: python -m rulegen.train.tunings FILE OUT", file=sys.stderr)
        return InputError.exit_code
    source, target = map(Path, arguments)
    try:
        lines = [json.dumps(asdict(pair), ensure_ascii=False) for pair in pairs(read_tunings(source))]
        unfinished = target.with_name(f".{target.name}.part")
        unfinished.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
        unfinished.replace(target)
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except (OSError, UnicodeDecodeError) as error:
        print(f"{source}: {error}", file=sys.stderr)
        return InputError.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
