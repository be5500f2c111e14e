"""Binary operators: arithmetic, comparison and set operators, and how vectors are matched."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import promql_parser as ast
from numpy.typing import NDArray

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql.block import Index
from rulegen.promql.matrix import Matrix, Scalar, somewhere, unnamed

ARITHMETIC: dict[str, Callable[[Values, Values], Values]] = {
    "+": np.add,
    "-": np.subtract,
    "*": np.multiply,
    "/": np.divide,
    "%": np.fmod,
    "^": np.power,
    "atan2": np.arctan2,
}
COMPARISON: dict[str, Callable[[Values, Values], Mask]] = {
    "==": np.equal,
    "!=": np.not_equal,
    ">": np.greater,
    "<": np.less,
    ">=": np.greater_equal,
    "<=": np.less_equal,
}
SET = ("and", "or", "unless")


def scalars(op: str, left: Scalar, right: Scalar) -> Scalar:
    """Between scalars a comparison is always ``bool``."""
    if op in COMPARISON:
        return Scalar(COMPARISON[op](left.values, right.values).astype(np.float64))
    return Scalar(ARITHMETIC[op](left.values, right.values))


def vector_scalar(
    op: str, left: Matrix | Scalar, right: Matrix | Scalar, semantics: Semantics, *, as_bool: bool
) -> Matrix:
    """Exactly one side is a vector. A comparison without ``bool`` filters it and keeps its values and names."""
    vector = left if isinstance(left, Matrix) else right
    assert isinstance(vector, Matrix)
    if op in ARITHMETIC:
        values = ARITHMETIC[op](left.values, right.values)
        named = _keeps_name(op, semantics)
        return Matrix(vector.labels if named else unnamed(vector.labels), values, vector.present).merged()
    holds = COMPARISON[op](left.values, right.values)
    if as_bool:
        return Matrix(unnamed(vector.labels), holds.astype(np.float64), vector.present).merged()
    return Matrix(vector.labels, vector.values, vector.present & holds).pruned()


def vectors(op: str, left: Matrix, right: Matrix, modifier: ast.BinModifier | None, semantics: Semantics) -> Matrix:
    """Vector matching. Raises QueryError for many-to-many matches, as Prometheus does."""
    if modifier is not None and not (modifier.fill_values.lhs is None and modifier.fill_values.rhs is None):
        raise UnsupportedError("fill modifiers (experimental in Prometheus)")
    signature = _signature(modifier)
    if op in SET:
        return _set(op, left, right, signature)
    return _matched(op, left, right, modifier, signature, semantics)


def _signature(modifier: ast.BinModifier | None) -> Callable[[Labels], Labels]:
    """What must be equal on both sides for two series to match."""
    matching = modifier.matching if modifier else None
    if matching is None:
        return lambda labels: labels.drop((METRIC_NAME,))
    names = matching.labels
    if matching.type == ast.LabelModifierType.Include:
        return lambda labels: labels.keep(names)
    return lambda labels: labels.drop((*names, METRIC_NAME))


def _by_signature(vector: Matrix, signature: Callable[[Labels], Labels]) -> dict[Labels, list[int]]:
    rows: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        rows.setdefault(signature(labels), []).append(row)
    return rows


def _set(op: str, left: Matrix, right: Matrix, signature: Callable[[Labels], Labels]) -> Matrix:
    """``or`` keeps the left side and adds what only the right has; ``and`` and ``unless`` filter the left side."""
    keeper, other = (right, left) if op == "or" else (left, right)
    there = {key: somewhere(other.present[rows]) for key, rows in _by_signature(other, signature).items()}
    nowhere = np.zeros(left.steps, dtype=np.bool_)
    matched = [there.get(signature(labels), nowhere) for labels in keeper.labels]
    mask = np.stack(matched) if matched else np.zeros_like(keeper.present)
    kept = Matrix(keeper.labels, keeper.values, keeper.present & (mask if op == "and" else ~mask)).pruned()
    if op != "or":
        return kept
    return Matrix(
        left.labels + kept.labels,
        np.concatenate([left.values, kept.values]),
        np.concatenate([left.present, kept.present]),
    ).merged()


def _matched(
    op: str,
    left: Matrix,
    right: Matrix,
    modifier: ast.BinModifier | None,
    signature: Callable[[Labels], Labels],
    semantics: Semantics,
) -> Matrix:
    """One row for each pair of series that match: Prometheus, VectorBinop."""
    card = modifier.card if modifier else ast.VectorMatchCardinality.OneToOne
    flipped = card == ast.VectorMatchCardinality.OneToMany
    many, one = (right, left) if flipped else (left, right)
    many_rows, one_rows = _by_signature(many, signature), _by_signature(one, signature)
    _at_most_one(many, one, one_rows, "left" if flipped else "right")
    pairs = sorted((a, b) for key, rows in many_rows.items() for a in rows for b in one_rows.get(key, ()))
    if not pairs:
        return Matrix.empty(left.steps)
    of_many, of_one = (np.array(rows, dtype=np.int64) for rows in zip(*pairs, strict=True))
    ours, matched = _rows(many.values, of_many), _rows(many.present, of_many) & _rows(one.present, of_one)
    theirs = _rows(one.values, of_one)
    values, here = _operate(op, *((theirs, ours) if flipped else (ours, theirs)), matched, as_bool=_as_bool(modifier))
    if card == ast.VectorMatchCardinality.OneToOne:
        # Prometheus 2 overlooks a second match that a comparison filters away.
        _matched_once(of_many, many_rows, matched if semantics == "open" else here)
    labels = tuple(_result_labels(op, many.labels[a], one.labels[b], modifier, semantics) for a, b in pairs)
    return Matrix(labels, values, here).pruned().merged()


def _rows(of: NDArray[Any], rows: Index) -> NDArray[Any]:
    """``of[rows]`` without a copy where that is all rows in order."""
    whole = len(rows) == len(of) and rows[0] == 0 and bool((np.diff(rows) == 1).all())
    return of if whole else of[rows]


def _at_most_one(many: Matrix, one: Matrix, one_rows: dict[Labels, list[int]], side: str) -> None:
    """Where a side is empty, nothing is matched or wrong."""
    twice = [(key, rows) for key, rows in one_rows.items() if len(rows) > 1]
    if not twice:
        return
    both = somewhere(many.present) & somewhere(one.present)
    for key, rows in twice:
        if (both & (one.present[rows].sum(axis=0) > 1)).any():
            raise QueryError(
                f"found duplicate series for the match group {key} on the {side} hand-side of the operation: "
                f"[{one.labels[rows[1]]}, {one.labels[rows[0]]}];"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )


def _matched_once(of_many: Index, many_rows: dict[Labels, list[int]], claimed: Mask) -> None:
    """``claimed`` [pairs, steps] is where each pair, whose many side is row ``of_many`` [pairs], takes its match."""
    for rows in many_rows.values():
        if len(rows) > 1 and (claimed[np.isin(of_many, rows)].sum(axis=0) > 1).any():
            raise QueryError(
                "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
            )


def _as_bool(modifier: ast.BinModifier | None) -> bool:
    return modifier is not None and modifier.return_bool


def _operate(op: str, left: Values, right: Values, here: Mask, *, as_bool: bool) -> tuple[Values, Mask]:
    """All [rows, steps]."""
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right), here
    holds = COMPARISON[op](left, right)
    return (holds.astype(np.float64), here) if as_bool else (left, here & holds)


def _keeps_name(op: str, semantics: Semantics) -> bool:
    """A comparison filters; and Prometheus 2 forgot atan2 among the operators that drop metric names."""
    return op in COMPARISON or (op == "atan2" and semantics == "closed")


def _result_labels(
    op: str, many: Labels, one: Labels, modifier: ast.BinModifier | None, semantics: Semantics
) -> Labels:
    labels = many if _keeps_name(op, semantics) and not _as_bool(modifier) else many.drop((METRIC_NAME,))
    if modifier is None:
        return labels
    if modifier.card == ast.VectorMatchCardinality.OneToOne:
        matching = modifier.matching
        if matching is None:
            return labels
        include = matching.type == ast.LabelModifierType.Include
        return labels.keep(matching.labels) if include else labels.drop(matching.labels)
    return labels.updated({name: one.get(name, "") for name in modifier.group_labels or ()})
