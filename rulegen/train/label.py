"""Labelled clusters: for each noisy rule of many random worlds, what search over the templates found to be best.

python -m rulegen.train.label --seeds 0..1000 --out DIR [--workers 2]

One shard for every ``SHARD`` seeds, ``shard-NNNNN.jsonl.gz``; one cluster a line. The same seeds give the same bytes,
a shard that exists is not made again, and one that is not finished does not exist.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
import sys
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.marks import marks
from rulegen.core.outcome import Verdict
from rulegen.core.routing import Routing
from rulegen.core.settings import Settings
from rulegen.desk import Desk, Selection
from rulegen.errors import InputError, RulegenError
from rulegen.pager import Pager
from rulegen.propose.offer import Offer, offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.score.gate import Standing
from rulegen.score.parts import Parts, split
from rulegen.templates import TEMPLATES
from rulegen.train.answers import write_answer
from rulegen.train.facts import facts_row
from rulegen.train.ranking import costs_of, likeliest
from rulegen.train.routes import routed
from rulegen.train.tries import first_tries, polished
from rulegen.train.wild import draw_world

SHARD = 20  # seeds
REASON = 100  # characters of a reason that are kept

Line = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Shard:
    """The worlds of ``SHARD`` seeds from ``number * SHARD`` on."""

    number: int

    @property
    def name(self) -> str:
        return f"shard-{self.number:05d}.jsonl.gz"

    @property
    def seeds(self) -> range:
        return range(self.number * SHARD, (self.number + 1) * SHARD)


def shards(text: str) -> tuple[Shard, ...]:
    """``A..B`` as the shards of the seeds from A up to, not including, B. Raises InputError."""
    found = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    first, last = (int(found[1]), int(found[2])) if found else (0, 0)
    if first >= last or first % SHARD or last % SHARD:
        raise InputError(f"--seeds {text}: want A..B, two multiples of {SHARD}, A the smaller")
    return tuple(Shard(number) for number in range(first // SHARD, last // SHARD))


def label_world(seed: int) -> Iterator[Line]:
    """The labelled clusters of the world of ``seed``, in the order of its rules."""
    world = draw_world(seed)
    for line in label(world.history, Settings(page=world.page), world.routing):
        story = world.stories.get(str(line.pop("rule")), "")
        yield {"world": seed, **line, "story": story}


def label(history: History, settings: Settings, routing: Routing | None = None) -> Iterator[Line]:
    """One line for each cluster of ``history``: what is asked, what should be answered, and everything tried."""
    known = () if routing is None else marks(routing)
    desk = Desk.of(history, settings, first_tries, MINUTE, lambda *_: None, known)
    parts = split(desk.judge)
    selection = desk.select(parts)
    standing, pager = desk.standing(parts), Pager.of(desk, routing)
    for cluster in selection.clusters:
        offers = offers_for(cluster, TEMPLATES)
        answer, left, tried = _judged(standing, pager, parts, selection, cluster, offers)
        yield {
            "rule": cluster.rule.name,
            "cluster": cluster.id,
            "pattern": cluster.pattern.value,
            "prompt": build_prompt(cluster, offers),
            "answer": answer,
            "left": round(left, 4),
            "facts": {name: _short(value) for name, value in facts_row(cluster).items()},
            "tried": tried,
        }


def _judged(
    standing: Standing, pager: Pager, parts: Parts, selection: Selection, cluster: Cluster, offers: Sequence[Offer]
) -> tuple[str | None, float, list[list[object]]]:
    """The answer to learn for ``cluster`` (None: leave it alone), what it leaves of the noise, and all tried."""
    ref = cluster.ref
    verdicts = [one for one in selection.verdicts[ref] if one.candidate.change != "routing"]
    verdicts += polished(standing, pager.desk, cluster, offers, verdicts)
    passed = [one for one in verdicts if one.passed]
    changes = routed(pager, parts, selection, cluster)
    allowed = [one for one in changes if not one.reason]
    costs = [*costs_of(standing, ref, passed), *(one.left for one in allowed)]
    candidates = [*(one.candidate for one in passed), *(one.candidate for one in allowed)]
    at = likeliest(costs, [one.proposal.template for one in candidates])
    tried = [_tried(standing, cluster, one, offers) for one in verdicts]
    for one in changes:
        answer = write_answer(one.candidate.proposal, offers)
        tried.append([answer, int(not one.reason), round(one.cut, 3), round(one.cut, 3), one.reason[:REASON]])
    if at is None:
        return None, 1.0, tried
    return write_answer(candidates[at].proposal, offers), costs[at], tried


def _tried(standing: Standing, cluster: Cluster, verdict: Verdict, offers: Sequence[Offer]) -> list[object]:
    """What was proposed, whether the gate let it through, the shares of pages and of minutes that it cuts, and why
    not."""
    answer = write_answer(verdict.candidate.proposal, offers)
    reason = verdict.reasons[0][:REASON] if verdict.reasons else ""
    if verdict.outcome is None:
        return [answer, 0, 0.0, 0.0, reason]
    before, fit = standing.before[cluster.ref], standing.parts.fit
    cuts = [
        round(
            1 - float(getattr(verdict.outcome, what)[fit].sum()) / max(1.0, float(getattr(before, what)[fit].sum())),
            3,
        )
        for what in ("pages", "minutes")
    ]
    return [answer, int(verdict.passed), *cuts, reason]


def _short(value: float | str) -> float | str:
    return value if isinstance(value, str) else float(f"{value:.5g}")


def write_shard(shard: Shard, folder: Path) -> tuple[int, float]:
    """Writes ``shard`` into ``folder``, whole or not at all. Returns how many clusters it holds, and the CPU seconds
    that they took."""
    started = time.process_time()
    lines = [json.dumps(line, ensure_ascii=False) for seed in shard.seeds for line in label_world(seed)]
    content = gzip.compress("".join(f"{line}\n" for line in lines).encode(), compresslevel=6, mtime=0)
    unfinished = folder / f".{shard.name}.{os.getpid()}.part"
    unfinished.write_bytes(content)
    unfinished.replace(folder / shard.name)
    return len(lines), time.process_time() - started


def read_shards(folder: Path) -> Iterator[Line]:
    """The lines of all shards in ``folder``, by number and seed."""
    for path in sorted(folder.glob("shard-*.jsonl.gz")):
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


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code; what is wrong goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m rulegen.train.label", description=__doc__)
    parser.add_argument("--seeds", required=True, metavar="A..B", help="from A up to, not including, B")
    parser.add_argument("--out", required=True, type=Path, metavar="DIR")
    parser.add_argument("--workers", type=int, default=1, metavar="N")
    options = parser.parse_args(arguments)
    try:
        wrong = run(shards(options.seeds), options.out, options.workers)
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{options.out}: {error.strerror or error}", file=sys.stderr)
        return InputError.exit_code
    print("".join(f"{line}\n" for line in wrong), end="", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
