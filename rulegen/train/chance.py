"""Randomness by name: each component of a world draws from its own stream, so that adding one reshuffles no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar
from zlib import crc32

import numpy as np

T = TypeVar("T")


def stream(seed: int, *names: str) -> np.random.Generator:
    """The generator that belongs to ``names`` (``"topology"``; ``"plot", "flapping-1"``) in the world of ``seed``.

    The names become the spawn key of the seed's SeedSequence, which is what its ``spawn`` does with a running number;
    names, unlike numbers, stay when a component is added before them.
    """
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(crc32(n.encode()) for n in names)))


def pick(rng: np.random.Generator, options: Sequence[T]) -> T:
    return options[int(rng.integers(len(options)))]
