"""Labelled clusters in files: one for every ``SHARD`` seeds, made whole or not at all, and never twice."""

from __future__ import annotations

import gzip
import json
import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from rulegen.errors import InputError, RulegenError
from rulegen.train.label.lines import Line, label_world
from rulegen.train.label.reword import Rewording

SHARD = 20  # seeds


@dataclass(frozen=True, slots=True)
class Shard:
    """The worlds of ``size`` seeds from ``number * size`` on."""

    number: int
    size: int = SHARD

    @property
    def name(self) -> str:
        return f"shard-{self.number:05d}.jsonl.gz"

    @property
    def seeds(self) -> range:
        return range(self.number * self.size, (self.number + 1) * self.size)


def shards(text: str, size: int = SHARD) -> tuple[Shard, ...]:
    """``A..B`` as the shards of the seeds from A up to, not including, B. Raises InputError."""
    found = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if size < 1 or first >= last or first % size or last % size:
        raise InputError(f"--seeds {text}: want A..B, two multiples of {size}, A the smaller")
    return tuple(Shard(number, size) for number in range(first // size, last // size))


def write_shard(shard: Shard, folder: Path) -> tuple[int, float]:
    """Writes ``shard`` into ``folder``, whole or not at all. Returns how many clusters it holds, and the CPU seconds
    that they took."""
    started = time.process_time()
    lines = [line for seed in shard.seeds for line in label_world(seed)]
    _write(folder / shard.name, lines)
    return len(lines), time.process_time() - started


def reword(source: Path, folder: Path) -> None:
    """Writes the shards of ``source`` into ``folder`` with the prompts of today; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in sorted(source.glob("shard-*.jsonl.gz")):
        if not (folder / path.name).exists():
            _write(folder / path.name, list(map(Rewording(), _read(path))))


def _write(path: Path, lines: Iterable[Line]) -> None:
    text = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in lines)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    unfinished.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
    unfinished.replace(path)


def read_shards(folder: Path) -> Iterator[Line]:
    """The lines of all shards in ``folder``, by number and seed."""
    for path in sorted(folder.glob("shard-*.jsonl.gz")):
        yield from _read(path)


def _read(path: Path) -> Iterator[Line]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from map(json.loads, file)


def run(wanted: Sequence[Shard], folder: Path, workers: int) -> list[str]:
    """Makes what is missing of ``wanted``; says after each shard how fast it goes. Returns what went wrong, by shard:
    one that can't be made keeps no other from being made."""
    folder.mkdir(parents=True, exist_ok=True)
    missing = [shard for shard in wanted if not (folder / shard.name).exists()]
    print(f"{len(wanted) - len(missing)} of {len(wanted)} shards are there", flush=True)
    started, clusters, wrong = time.monotonic(), 0, []
    for done, result in enumerate(_written(missing, folder, workers), start=1):
        if isinstance(result, str):
            wrong.append(result)
            continue
        clusters += result[0]
        speed = clusters / (time.monotonic() - started)
        print(
            f"{done} of {len(missing)} shards, {clusters} clusters, {speed:.2f} clusters/s, "
            f"{result[1] / max(1, result[0]):.2f} CPU s each",
            flush=True,
        )
    return wrong


def _written(missing: Sequence[Shard], folder: Path, workers: int) -> Iterable[tuple[int, float] | str]:
    write = partial(_tried_to_write, folder=folder)
    if workers == 1:
        yield from map(write, missing)
    else:
        with ProcessPoolExecutor(workers) as pool:
            yield from pool.map(write, missing)


def _tried_to_write(shard: Shard, folder: Path) -> tuple[int, float] | str:
    try:
        return write_shard(shard, folder)
    except (RulegenError, ValueError, ArithmeticError, LookupError) as error:
        return f"{shard.name}: {type(error).__name__}: {error}"
