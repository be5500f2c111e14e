"""Vector matching, one pair of series after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import promql_parser as ast

from rulegen.core.labels import Labels
from rulegen.core.semantics import Semantics
from rulegen.core.series import Values
from rulegen.core.spans import Mask
from rulegen.errors import QueryError
from rulegen.promql.binary import ARITHMETIC, COMPARISON, _as_bool, _by_signature, _result_labels
from rulegen.promql.matrix import Matrix, somewhere

Rows = Iterator[tuple[Labels, Values, Mask]]


def matched(
    op: str,
    left: Matrix,
    right: Matrix,
    modifier: ast.BinModifier | None,
    signature: Callable[[Labels], Labels],
    semantics: Semantics,
) -> Rows:
    """One row for each pair of series that match: Prometheus, VectorBinop."""
    card = modifier.card if modifier else ast.VectorMatchCardinality.OneToOne
    flipped = card == ast.VectorMatchCardinality.OneToMany
    one_to_one = card == ast.VectorMatchCardinality.OneToOne
    many, one = (right, left) if flipped else (left, right)
    many_rows, one_rows = _by_signature(many, signature), _by_signature(one, signature)
    both = somewhere(many.present) & somewhere(one.present)  # where a side is empty, nothing is matched or wrong
    for key, rows in one_rows.items():
        if (both & (one.present[rows].sum(axis=0) > 1)).any():
            side = "left" if flipped else "right"
            raise QueryError(
                f"found duplicate series for the match group {key} on the {side} hand-side of the operation: "
                f"[{one.labels[rows[1]]}, {one.labels[rows[0]]}];"
                "many-to-many matching not allowed: matching labels must be unique on one side"
            )
    for key, rows in many_rows.items():
        taken = np.zeros(many.steps, dtype=np.bool_)
        for many_row in rows:
            for one_row in one_rows.get(key, ()):
                matched = many.present[many_row] & one.present[one_row]
                a, b = many.values[many_row], one.values[one_row]
                values, here = _operate(op, *((b, a) if flipped else (a, b)), matched, as_bool=_as_bool(modifier))
                # Prometheus 2 overlooks a second match that a comparison filters away.
                claimed = matched if semantics == "open" else here
                if one_to_one and (taken & claimed).any():
                    raise QueryError(
                        "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)"
                    )
                taken |= claimed
                yield (
                    _result_labels(op, many.labels[many_row], one.labels[one_row], modifier, semantics),
                    values,
                    here,
                )


def _operate(op: str, left: Values, right: Values, here: Mask, *, as_bool: bool) -> tuple[Values, Mask]:
    if op in ARITHMETIC:
        return ARITHMETIC[op](left, right), here
    holds = COMPARISON[op](left, right)
    return (holds.astype(np.float64), here) if as_bool else (left, here & holds)
