"""Work on many rows, split over the processor's cores. Kernels are compiled without the interpreter's lock."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba
import numpy as np

F = TypeVar("F", bound=Callable[..., Any])

CORES: int = numba.config.NUMBA_NUM_THREADS  # type: ignore[attr-defined] # made when numba is loaded
WORTH_SPLITTING = 200_000  # cells: below, starting threads costs more than they save
PARTS = 4  # for each core: one that another process slows down leaves the rest to the others


def kernel(function: F) -> F:
    """Compiled at its first call and kept on disk. Dividing by zero gives Inf or NaN, as in Go."""
    try:
        return cast(F, numba.njit(cache=True, nogil=True, error_model="numpy")(function))
    except RuntimeError:  # neither the package's folder nor the user's can be written: compiled anew each time
        return cast(F, numba.njit(nogil=True, error_model="numpy")(function))


def inlined(function: F) -> F:
    """A part of kernels, compiled into them."""
    return cast(F, numba.njit(inline="always", error_model="numpy")(function))


@inlined
def item(of: Any, index: int) -> Any:
    """``of[index]`` of an index that is not negative: to say so spares the look whether it counts from the end."""
    return of[np.uint64(index)]


def each(compiled: Callable[..., None], count: int, cells: int, *arguments: object) -> None:
    """``compiled(begin, end, *arguments)`` over parts of ``range(count)``; ``cells`` is about the work in all."""
    if min(CORES, count) < 2 or cells < WORTH_SPLITTING:
        compiled(0, count, *arguments)
        return
    parts = min(PARTS * CORES, count)
    edges = [count * part // parts for part in range(parts + 1)]
    futures = [_pool().submit(compiled, a, b, *arguments) for a, b in pairwise(edges)]
    for future in futures:
        future.result()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(max_workers=CORES, thread_name_prefix="rulegen-rows")
