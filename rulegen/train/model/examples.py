"""What a model learns from: questions with the answers that are right, read from files of lines.

A source is a folder of shards (``shard-*.jsonl.gz``) or one JSONL file (gzip or not). A line is one JSON object with
``prompt`` and ``answer`` (text; null means that the best answer is to leave the rule alone, and the line is skipped),
and it may have

    tried      [[answer, accepted 0 or 1, share of pages cut, share of minutes cut, reason], …]
    facts      an object, of which ``for`` is read: the rule's, in minutes
    world      or ``group``, ``repository``: what must not be split between training and test
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

from rulegen.errors import InputError
from rulegen.train.model.worth import lessons

SHARDS = "shard-*.jsonl.gz"
GROUPS = ("world", "group", "repository", "repo")
_WORD = re.compile(r"\s*\S+")
EQUAL = 0.02  # of the noise: cuts that differ by less are equally good


@dataclass(frozen=True, slots=True)
class Tried:
    """An answer that was replayed: whether the gate let it through, the shares of pages and of minutes that it cuts,
    and the gate's reason where it did not."""

    answer: str
    accepted: bool
    pages: float
    minutes: float
    reason: str = ""

    @property
    def cut(self) -> float:
        """The share of the noise that it cuts."""
        return (self.pages + self.minutes) / 2


@dataclass(frozen=True, slots=True)
class Example:
    """One question. ``answer`` is the right one; ``tried`` is what is known about others."""

    prompt: str
    answer: str
    group: str
    source: str
    tried: tuple[Tried, ...] = ()
    hold: float = 0.0  # the rule's ``for`` in minutes

    def lessons(self) -> tuple[tuple[str, float], ...]:
        """``answer`` and the others that are worth saying, with how often each is taught."""
        passed = [(one.answer, one.cut) for one in self.tried if one.accepted]
        return lessons(self.answer, passed, self.hold) if passed else ((self.answer, 1.0),)

    def equals(self) -> tuple[str, ...]:
        """``answer``, then the others that were accepted and cut as much, to within ``EQUAL``."""
        best = next((one.cut for one in self.tried if one.answer == self.answer), None)
        if best is None:
            return (self.answer,)
        alike = (one.answer for one in self.tried if one.accepted and one.cut >= best - EQUAL)
        return tuple(dict.fromkeys((self.answer, *alike)))


@dataclass(frozen=True, slots=True)
class Source:
    """Where examples come from. ``weight`` is how often an epoch shows each; 1 is once, 0.5 every other one."""

    path: Path
    weight: float = 1.0

    @property
    def name(self) -> str:
        return self.path.name

    def files(self) -> list[Path]:
        """Raises InputError where there is nothing to read."""
        if self.path.is_dir():
            found = sorted(self.path.glob(SHARDS))
            if not found:
                raise InputError(f"{self.path}: no {SHARDS} in this directory")
            return found
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such file or directory")
        return [self.path]


def read_source(text: str) -> Source:
    """``PATH`` or ``PATH=WEIGHT``. Raises InputError."""
    path, equals, weight = text.rpartition("=")
    if not equals:
        return Source(Path(text))
    try:
        value = float(weight)
    except ValueError:
        raise InputError(f"{text}: the weight {weight!r} is no number") from None
    if not 0 < value < math.inf:
        raise InputError(f"{text}: a weight is above 0")
    return Source(Path(path), value)


@dataclass(frozen=True, slots=True)
class Material:
    """All that was read. ``sha256`` is that of the files' contents, in order; ``left`` counts lines without an
    answer."""

    train: tuple[Example, ...]
    test: tuple[Example, ...]
    weights: dict[str, float]
    left: int
    sha256: str


def read_material(sources: Sequence[Source], held_out: float, leave_out: tuple[str, str] | None = None) -> Material:
    """The examples of ``sources``, those of the same prompt and answer once.

    ``held_out`` is the share of groups (worlds) that is kept for the test: which, depends on their names alone, so
    that more shards move none from one side to the other. ``leave_out``, a key and a value, names lines that are
    for the test whatever their group. Raises InputError that names every line that is no example.
    """
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise InputError(f"two sources have the same name: {', '.join(sorted(names))}")
    train: dict[tuple[str, str], Example] = {}
    test: dict[tuple[str, str], Example] = {}
    left, wrong, digest = 0, [], hashlib.sha256()
    for source in sources:
        for path in source.files():
            for number, line in enumerate(_lines(path, digest), 1):
                try:
                    examples = tuple(_examples(line, source.name, f"{path.name}:{number}"))
                except (KeyError, TypeError, ValueError) as error:
                    wrong.append(f"{path}:{number}: no example: {type(error).__name__}: {error}")
                    continue
                left += not examples
                for one in examples:
                    kept = _is_held_out(one.group, held_out)
                    if leave_out is not None:
                        kept = str(json.loads(line).get(leave_out[0])) == leave_out[1]
                    (test if kept else train).setdefault((one.prompt, one.answer), one)
    if wrong:
        raise InputError(*wrong[:20], *([f"and {len(wrong) - 20} more"] if len(wrong) > 20 else []))
    if not train:
        raise InputError("there is nothing to learn from: no line has an answer")
    return Material(
        tuple(train.values()),
        tuple(one for key, one in test.items() if key not in train),
        {source.name: source.weight for source in sources},
        left,
        digest.hexdigest(),
    )


def _lines(path: Path, digest: Any) -> Iterator[str]:
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
        lines = content.decode("utf-8").splitlines()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from None
    digest.update(content)
    yield from (line for line in lines if line.strip())


def _examples(line: str, source: str, place: str) -> Iterator[Example]:
    record = json.loads(line)
    if not isinstance(record["prompt"], str) or not isinstance(record["answer"], str | None):
        raise TypeError("prompt and answer are text")
    if record["answer"] is None:
        return
    # A world that is in two sources, labelled in two ways, is on the same side in both.
    group = next((f"{key}={record[key]}" for key in GROUPS if key in record), f"{source}:{place}")
    tried = tuple(Tried(one[0], bool(one[1]), one[2], one[3], one[4]) for one in record.get("tried", ()))
    hold = float(record.get("facts", {}).get("for", 0.0))
    yield Example(record["prompt"], record["answer"], group, source, tried, hold)


def _is_held_out(group: str, share: float) -> bool:
    return crc32(group.encode()) % 10_000 < share * 10_000


def texts(examples: Iterable[Example]) -> Iterator[str]:
    """What a tokenizer should be able to write shortly: of each group (a world), every word once, so that what many
    worlds have in common gets tokens of its own and the names of one do not."""
    words: dict[str, dict[str, None]] = {}
    for one in examples:
        words.setdefault(one.group, {}).update(dict.fromkeys(_WORD.findall(f"{one.prompt}{one.answer}")))
    yield from map("".join, words.values())
