"""Aggregation operators: many series into one for each group, or the best few of each group."""

from __future__ import annotations

import numpy as np
import promql_parser as ast

from rulegen.core.labels import EMPTY, METRIC_NAME, Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.errors import QueryError, UnsupportedError
from rulegen.promql import fold
from rulegen.promql.block import Index
from rulegen.promql.matrix import Matrix, Scalar
from rulegen.promql.relabel import check_label_name
from rulegen.promql.ties import kept


def aggregate(
    op: str, vector: Matrix, modifier: ast.AggModifier | None, param: Scalar | str | None, semantics: Semantics
) -> Matrix:
    """``op`` over ``vector``, grouped as ``modifier`` says. ``param`` is a Scalar for quantile, topk and bottomk, a
    label name for count_values, else None. Raises QueryError as Prometheus would."""
    groups = _groups(vector, modifier)
    if op in fold.FOLDS:
        found = _folded(vector, groups, fold.FOLDS[op], None)
        if op not in ("stddev", "stdvar") or semantics == "open":
            return found
        # To Prometheus 2 a lone value does not spread, be it NaN or infinite; to Prometheus 3 that is NaN.
        lone = _folded(vector, groups, fold.FOLDS["count"], None).values == 1
        return Matrix(found.labels, np.where(lone, 0.0, found.values), found.present)
    if op == "quantile" and isinstance(param, Scalar):
        return _folded(vector, groups, fold.quantiles, param.values)
    if op in ("topk", "bottomk") and isinstance(param, Scalar):
        return _best(vector, groups, _whole(param.values), semantics, largest=op == "topk")
    if op == "count_values" and isinstance(param, str):
        check_label_name(param, utf8=semantics == "open")
        return _count_values(vector, groups, param, hidden=_drops(modifier, param))
    raise UnsupportedError(f"aggregation {op}")


def _groups(vector: Matrix, modifier: ast.AggModifier | None) -> dict[Labels, list[int]]:
    """Rows by the labels of their group, in order of appearance."""
    if modifier is None:
        return {EMPTY: list(range(len(vector.labels)))} if vector.labels else {}
    by = modifier.type == ast.AggModifierType.By
    names = modifier.labels if by else [*modifier.labels, METRIC_NAME]
    groups: dict[Labels, list[int]] = {}
    for row, labels in enumerate(vector.labels):
        groups.setdefault(labels.keep(names) if by else labels.drop(names), []).append(row)
    return groups


def _folded(vector: Matrix, groups: dict[Labels, list[int]], of_group: fold.Fold, param: Values | None) -> Matrix:
    """Groups differ in their labels and each has a row that is present somewhere, so that nothing needs merging."""
    found = of_group(vector.values, vector.present, tuple(groups.values()), param)
    return Matrix(tuple(groups), *found)


def _whole(values: Values) -> Values:
    """The parameter of topk and bottomk [steps], cut to whole numbers."""
    if np.isnan(values).any():
        raise QueryError("Parameter value is NaN")
    if (np.abs(values) >= 2.0**63).any():
        raise QueryError(f"Scalar value {values[np.abs(values) >= 2.0**63][0]} overflows int64")
    return np.trunc(values)


def _best(
    vector: Matrix, groups: dict[Labels, list[int]], k: Values, semantics: Semantics, *, largest: bool
) -> Matrix:
    """The ``k`` [steps] largest (smallest) values of each group at each step; NaN comes last either way."""
    present = np.zeros_like(vector.present)
    best_first: list[int] = []
    for rows in groups.values():
        values, here = vector.values[rows], vector.present[rows]  # [rows, steps]
        rank = np.where(here, np.where(np.isnan(values), 1, 0), 2)
        order = np.lexsort((-values if largest else values, rank), axis=0)  # equal values: in order of rows
        places = np.argsort(order, axis=0)  # [rows, steps] where each row comes in the order
        present[rows] = here & (places < k)
        for step in _tied(values, here, order, k):
            there = [rows[at] for at in np.flatnonzero(here[:, step])]
            stays = kept(vector.values[there, step].tolist(), int(k[step]), semantics, largest=largest)
            present[rows, step] = False
            present[[there[at] for at in stays], step] = True
        best_first += [rows[at] for at in order[:, -1]]
    best = Matrix(vector.labels, vector.values, present)
    # An instant query answers best first; over several steps there is no such order.
    return (best.take(best_first) if vector.steps == 1 else best).pruned()


def _tied(values: Values, here: Mask, order: Index, k: Values) -> list[int]:
    """The steps at which the last of the ``k`` [steps] best and the next one are equal; all else is [rows, steps]."""
    steps = np.flatnonzero((k >= 1) & (k < here.sum(axis=0)))
    last, following = (order[k[steps].astype(np.int64) + after, steps] for after in (-1, 0))
    one, other = values[last, steps], values[following, steps]
    tied: list[int] = steps[(one == other) | (np.isnan(one) & np.isnan(other))].tolist()
    return tied


def _drops(modifier: ast.AggModifier | None, label: str) -> bool:
    """Whether ``without`` takes ``label`` away."""
    return modifier is not None and modifier.type != ast.AggModifierType.By and label in modifier.labels


def _count_values(vector: Matrix, groups: dict[Labels, list[int]], label: str, *, hidden: bool) -> Matrix:
    """``hidden``: Prometheus writes the value into the label before it groups, so that ``without`` takes it again."""
    found: dict[Labels, Values] = {}
    for group, rows in groups.items():
        for row in rows:
            for step in np.flatnonzero(vector.present[row]):
                value = "" if hidden else go_float(float(vector.values[row, step]))
                labels = group.updated({label: value})
                found.setdefault(labels, np.zeros(vector.steps))[step] += 1
    return Matrix.of(((labels, counts, counts > 0) for labels, counts in found.items()), vector.steps)


def go_float(value: float) -> str:
    """As Go's ``strconv.FormatFloat(value, 'f', -1, 64)`` writes it: the shortest digits, without an exponent."""
    if np.isnan(value):
        return "NaN"
    if np.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    return np.format_float_positional(value, trim="-")
