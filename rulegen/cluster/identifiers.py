"""Which labels carry identifiers that change, and what of a value stays: ``api-7d9f8b6c4-x2x9z`` is ``api-*-*``.

A value's spelling says where an identifier may stand; what values of one spelling do decides whether it is one that
changes. Random spellings (UUIDs, hashes, Kubernetes' suffixes, long numbers) change unless they stay throughout.
Plain ones (addresses, short numbers) stay unless they are seen to be replaced: each seen again within one stretch
of time and never after, or numbers that only rise.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rulegen.core.durations import HOUR
from rulegen.core.spans import Times

Numbers = NDArray[np.int64]

STRETCH = HOUR  # what comes back within this long has not been away
LASTING = 0.5  # of the history: a random value that lives longer stays
LEAST_VALUES = 5  # that came back at all, before their coming back says anything
LOCAL = 0.25  # of the range of time that chance would spread a value's stretches over: below, it lived only then
LEAST_RISING, RISING = 8, 0.95  # distinct numbers, and how well their order is that of time

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:[.-]\d{1,3}){3}(?![\d.])")
_WORD = re.compile(r"[0-9A-Za-z]+")
_HEX = re.compile(r"(?=.*\d)(?=.*[a-f])[0-9a-f]{7,}", re.IGNORECASE)
# Kubernetes, apimachinery/pkg/util/rand: no vowels, and no digits or letters that could be taken for others.
_SUFFIX = re.compile(r"[bcdfghjklmnpqrstvwxz2456789]{5}|[bcdfghjklmnpqrstvwxz2456789]{8,10}")
# Letters and digits in turn; people write Etcd3LatencyP99, and so it takes a fourth turn.
_CHANGES = re.compile(r"(?<=[0-9])(?=[A-Za-z])|(?<=[A-Za-z])(?=[0-9])")
_RANDOM, _PLAIN = "*", "#"  # in a skeleton: a random part, and a plain number or address
_LONG = 8  # digits from which a number is no count and no port


@dataclass(frozen=True, slots=True)
class Identifiers:
    """What the values of one label (or alert names) do.

    ``normal`` [values] is each value with what changes taken out; a value that holds nothing that changes is
    itself. ``volatile`` says that most of the episodes carry a value that changes. ``lifetime`` is the median ms
    from a value's first start to its last end.
    """

    normal: tuple[str, ...]
    volatile: bool
    episodes: int
    lifetime: int

    @property
    def skeletons(self) -> int:
        return len(set(self.normal))


def identifiers(values: Sequence[str], which: Numbers, start: Times, end: Times) -> Identifiers:
    """What the label ``values`` [values], distinct, of episodes do: ``which`` [n] is each episode's (−1: it has
    none), ``start`` and ``end`` [n] ms."""
    has = which >= 0
    which, start, end = which[has], start[has], end[has]
    if not len(which):
        return Identifiers(tuple(values), False, 0, 0)
    count = len(values)
    first, last = np.full(count, np.iinfo(np.int64).max), np.full(count, np.iinfo(np.int64).min)
    np.minimum.at(first, which, start)
    np.maximum.at(last, which, end)
    seen = np.bincount(which, minlength=count)
    skeletons = _skeletons(values)
    ids: dict[str, int] = {}
    group = np.array([ids.setdefault(one, len(ids)) for one in skeletons], dtype=np.int64)
    lifetime = np.where(seen > 0, last - first, 0)
    history = int(end.max() - start.min())
    value, reached, chance = _stretches(which, start, end, group)
    members, again, spread, expected, lasting = (
        np.bincount(rows, weights=weights, minlength=len(ids))
        for rows, weights in (
            (group, None),
            (group[value], None),
            (group[value], reached),
            (group[value], chance),
            (group, (lifetime >= LASTING * history).astype(np.float64)),
        )
    )
    most = np.zeros(len(ids), dtype=np.int64)
    np.maximum.at(most, group, seen)
    random = np.array([_RANDOM in one for one in ids], dtype=np.bool_)
    plain = np.array([_PLAIN in one for one in ids], dtype=np.bool_) & ~random
    stays = (history > 0) & (lasting >= LASTING * members) & (most > 1)
    changing = (random & ~stays) | (plain & (again >= LEAST_VALUES) & (spread <= LOCAL * expected))
    order = np.argsort(group, kind="stable")
    bounds = np.searchsorted(group[order], np.arange(len(ids) + 1))
    for k in np.flatnonzero(plain & ~changing & (members >= LEAST_RISING)).tolist():
        mine = order[bounds[k] : bounds[k + 1]]
        changing[k] = _rising([values[i] for i in mine.tolist()], first[mine], lifetime[mine])
    of = changing[group]
    normal = tuple(
        skeleton.replace(_PLAIN, "*") if changes else value
        for value, skeleton, changes in zip(values, skeletons, of.tolist(), strict=True)
    )
    volatile = bool(seen[of].sum() * 2 > len(which))
    return Identifiers(normal, volatile, len(which), int(np.median(lifetime[seen > 0])))


def _skeletons(values: Sequence[str]) -> list[str]:
    """Each value with marks where identifiers may stand."""
    plain = [skeleton(value) for value in values]
    known = set(plain)
    # A suffix without a digit (one in five of Kubernetes') is one only beside others that are known for suffixes.
    return [next((c for c in _guesses(value) if c in known), one) for value, one in zip(values, plain, strict=True)]


def skeleton(value: str) -> str:
    """``value`` with ``*`` where a random part stands and ``#`` for a plain number or address.

    >>> skeleton("api-7d9f8b6c4-x2x9z"), skeleton("10.0.0.1:9100"), skeleton("https")
    ('api-*-*', '#:9100', 'https')
    """
    value = value.replace(_RANDOM, "_").replace(_PLAIN, "_")
    value = _ADDRESS.sub(_PLAIN, _UUID.sub(_RANDOM, value))
    port = re.search(r":\d{1,5}$", value)
    head, tail = (value[: port.start()], value[port.start() :]) if port else (value, "")
    return _WORD.sub(lambda word: _mark(word.group()), head) + tail


def _mark(word: str) -> str:
    if word.isdigit():
        return _RANDOM if len(word) >= _LONG else _PLAIN
    if word.isalpha():
        return word
    if _HEX.fullmatch(word) or _SUFFIX.fullmatch(word) or (len(word) >= _LONG and len(_CHANGES.findall(word)) >= 4):
        return _RANDOM
    return re.sub(r"\d+$", _PLAIN, word)


def _guesses(value: str) -> list[str]:
    head, dash, tail = value.rpartition("-")
    if not dash or not tail.isalpha() or not _SUFFIX.fullmatch(tail):
        return []
    before, dash, middle = head.rpartition("-")
    guessed = [f"{skeleton(head)}-{_RANDOM}"]
    if dash and middle.isalpha() and _SUFFIX.fullmatch(middle):
        guessed.append(f"{skeleton(before)}-{_RANDOM}-{_RANDOM}")
    return guessed


def _stretches(
    which: Numbers, start: Times, end: Times, group: Numbers
) -> tuple[Numbers, NDArray[np.float64], NDArray[np.float64]]:
    """Of each value that came back after a while: (the value, over how many of its skeleton's stretches it is spread,
    over how many chance would spread it).

    Of n stretches in the order of time, k drawn at random reach over (n + 1)(k − 1)/(k + 1) on average.
    """
    order = np.lexsort((start, which))
    value, begins, ends = which[order], start[order], end[order]
    fresh = np.ones(len(order), dtype=np.bool_)
    fresh[1:] = (np.diff(value) != 0) | (begins[1:] - ends[:-1] > STRETCH)
    value, begins = value[fresh], begins[fresh]
    by_time = np.lexsort((begins, group[value]))
    rank = np.empty(len(value), dtype=np.int64)
    rank[by_time] = np.arange(len(value))  # of one skeleton side by side: differences are what counts
    of_group = np.bincount(group[value], minlength=int(group.max(initial=0)) + 1)
    some, at, k = np.unique(value, return_index=True, return_counts=True)
    back = k > 1
    some, at, k = some[back], at[back], k[back]
    reached = (rank[at + k - 1] - rank[at]).astype(np.float64)
    return some, reached, (of_group[group[some]] + 1) * (k - 1) / (k + 1)


def _rising(values: Sequence[str], first: Times, lifetime: Times) -> bool:
    """Whether the values' last numbers rise with the time at which they are first seen, each for a short while."""
    found = [re.findall(r"\d+", value) for value in values]
    numbers = np.array([min(int(one[-1][:18]), 2**62) for one in found], dtype=np.int64)
    span = int(first.max() - first.min())
    if span == 0 or np.median(lifetime) > span / 4:
        return False
    by_number, by_time = (np.argsort(np.argsort(one, kind="stable"), kind="stable") for one in (numbers, first))
    return bool(np.corrcoef(by_number, by_time)[0, 1] >= RISING)
