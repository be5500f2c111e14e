"""Label sets and the quoting of label values."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping

METRIC_NAME = "__name__"
ALERT_NAME = "alertname"


class Labels(Mapping[str, str]):
    """An immutable label set, sorted by name. An empty value means "no such label", as in Prometheus."""

    __slots__ = ("_hash", "_map", "pairs")

    pairs: tuple[tuple[str, str], ...]
    _map: dict[str, str]
    _hash: int

    def __init__(self, labels: Mapping[str, str] | Iterable[tuple[str, str]] = ()) -> None:
        items = labels.items() if isinstance(labels, Mapping) else labels
        self._map = {name: value for name, value in sorted(items) if value != ""}
        self.pairs = tuple(self._map.items())
        self._hash = hash(self.pairs)

    def __getitem__(self, name: str) -> str:
        return self._map[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._map)

    def __len__(self) -> int:
        return len(self._map)

    def __hash__(self) -> int:
        return self._hash

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self.pairs == other.pairs

    def __lt__(self, other: Labels) -> bool:
        return self.pairs < other.pairs

    def __repr__(self) -> str:
        return f"Labels({str(self)!r})"

    def __str__(self) -> str:
        """``name{a="b"}``, the way Prometheus prints a metric."""
        inner = ",".join(f"{name}={quote(value)}" for name, value in self.pairs if name != METRIC_NAME)
        return f"{self.get(METRIC_NAME, '')}{{{inner}}}"

    def updated(self, other: Mapping[str, str]) -> Labels:
        """These labels with ``other`` laid over them; an empty value removes the label."""
        return Labels({**self._map, **other})

    def keep(self, names: Iterable[str]) -> Labels:
        wanted = set(names)
        return Labels([pair for pair in self.pairs if pair[0] in wanted])

    def drop(self, names: Iterable[str]) -> Labels:
        unwanted = set(names)
        return Labels([pair for pair in self.pairs if pair[0] not in unwanted])


def held(sets: Iterable[Labels]) -> Callable[[Labels], tuple[Labels, ...]]:
    """Tells of a label set which of ``sets`` it holds, that is, has all labels of with their values; the largest
    first."""
    known = frozenset(sets)
    shapes = sorted({tuple(one) for one in known}, key=lambda names: (-len(names), names))
    found: dict[Labels, tuple[Labels, ...]] = {}

    def of(labels: Labels) -> tuple[Labels, ...]:
        if labels not in found:
            parts = [labels.keep(names) for names in shapes]
            found[labels] = tuple(dict.fromkeys(one for one in parts if one in known))
        return found[labels]

    return of


EMPTY = Labels()
_ESCAPES = {
    **{code: f"\\x{code:02x}" for code in (*range(0x20), 0x7F)},
    **{
        ord(char): f"\\{escaped}"
        for char, escaped in (('"', '"'), ("\\", "\\"), ("\n", "n"), ("\t", "t"), ("\r", "r"))
    },
}


def quote(value: str) -> str:
    """``value`` as a PromQL string literal in double quotes; safe for any text, hostile text included.

    Escapes as Go's ``strconv.Quote`` does, which is what PromQL reads: backslash, quote and control characters.
    """
    return f'"{value.translate(_ESCAPES)}"'
