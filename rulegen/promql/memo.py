"""A bounded memory of what was evaluated."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from rulegen.promql.matrix import Matrix, Scalar

ENTRY_BYTES = 500  # what a value costs beside its arrays; about


class Memo:
    """Least recently used values go first, once all together are larger than ``limit`` bytes."""

    __slots__ = ("_held", "_limit", "_values")

    def __init__(self, limit: int) -> None:
        self._limit, self._held = limit, 0
        self._values: OrderedDict[Hashable, Matrix | Scalar] = OrderedDict()

    def get(self, key: Hashable) -> Matrix | Scalar | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: Hashable, value: Matrix | Scalar) -> None:
        """Holds ``value``, whose arrays become read-only: it is handed out again."""
        size = _size(value)
        if size > self._limit:
            return
        value.values.flags.writeable = False
        if isinstance(value, Matrix):
            value.present.flags.writeable = False
        if key in self._values:
            self._held -= _size(self._values.pop(key))
        self._values[key] = value
        self._held += size
        while self._held > self._limit:
            self._held -= _size(self._values.popitem(last=False)[1])

    def __len__(self) -> int:
        return len(self._values)


def _size(value: Matrix | Scalar) -> int:
    present = value.present.nbytes + 300 * len(value.labels) if isinstance(value, Matrix) else 0
    return value.values.nbytes + present + ENTRY_BYTES
