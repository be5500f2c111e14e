"""Labelled clusters: how fast they are made, what noise they are of, and which changes win.

``python -m evals.labels [--seeds A..B]`` labels the random worlds of these seeds (default 0..20) in this process, and
``python -m evals.labels --read DIR…`` reads shards that ``rulegen.train.label`` wrote. Prints four tables. *Wins* are
the clusters for which a template is the answer to learn, *accepted* those for which the gate lets one of its
proposals through, *tried* those for which it was offered. Seconds are of CPU, with all that belongs to it: the world,
the replay of all proposals, the gate, the routing; the kernels are compiled before.
"""

from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from statistics import mean, median

from rulegen.core.cluster import Pattern
from rulegen.templates import TEMPLATES
from rulegen.train.label.lines import Line, label_world
from rulegen.train.label.shards import read_shards


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.labels")
    parser.add_argument("--seeds", default="0..20", metavar="A..B")
    parser.add_argument("--read", nargs="+", type=Path, metavar="DIR")
    options = parser.parse_args(arguments)
    if options.read:
        lines, seconds = [line for folder in options.read for line in read_shards(folder)], None
    else:
        first, _, last = options.seeds.partition("..")
        lines, seconds = timed(range(int(first), int(last)))
    print("\n".join(whole(lines, seconds)))
    print()
    print("\n".join(counted("pattern", (line["pattern"] for line in lines), [one.value for one in Pattern])))
    print()
    print("\n".join(templates(lines)))
    print()
    print("\n".join(counted("story", (line["story"] or "(beside a story)" for line in lines), ())))


def timed(seeds: range) -> tuple[list[Line], float]:
    """The lines of ``seeds``, and the CPU seconds that they took."""
    list(label_world(seeds.start))
    started = time.process_time()
    lines = [line for seed in seeds for line in label_world(seed)]
    return lines, time.process_time() - started


def whole(lines: Sequence[Line], seconds: float | None) -> Iterator[str]:
    accepted = [any(tried[1] for tried in line["tried"]) for line in lines]
    answered = [line for line in lines if line["answer"] is not None]
    rows = [
        ("worlds", len({line["world"] for line in lines})),
        ("clusters", len(lines)),
        ("different prompts", len({line["prompt"] for line in lines})),
        ("characters of a prompt, median", f"{median(len(line['prompt']) for line in lines):.0f}"),
        ("proposals tried for a cluster, mean", f"{mean(len(line['tried']) for line in lines):.0f}"),
        ("clusters with an accepted change", f"{mean(accepted):.1%}"),
        ("clusters with an answer", f"{len(answered) / len(lines):.1%}"),
        ("noise that the answer leaves, effort included, median", f"{median(line['left'] for line in answered):.1%}"),
    ]
    if seconds is not None:
        rows += [("CPU s", f"{seconds:.1f}"), ("CPU s for a cluster", f"{seconds / len(lines):.3f}")]
    yield from table(("what", "figure"), rows)


def templates(lines: Sequence[Line]) -> Iterator[str]:
    """Every template, the winners first."""
    wins = Counter(json.loads(line["answer"])["template"] if line["answer"] else "leave it alone" for line in lines)
    accepted, tried = Counter[str](), Counter[str]()
    for line in lines:
        verdicts = [(json.loads(answer)["template"], passed) for answer, passed, *_ in line["tried"]]
        tried.update({name for name, _ in verdicts})
        accepted.update({name for name, passed in verdicts if passed})
    names = sorted((*(one.name for one in TEMPLATES), "leave it alone"), key=lambda name: (-wins[name], name))
    rows = [(name, wins[name], f"{wins[name] / len(lines):.1%}", accepted[name], tried[name]) for name in names]
    yield from table(("template", "wins", "share", "accepted", "tried"), rows)


def counted(title: str, values: Iterable[str], names: Sequence[str]) -> Iterator[str]:
    """How often each of ``values`` occurs; ``names`` are listed even where they do not."""
    found = Counter(dict.fromkeys(names, 0))
    found.update(values)
    total = max(1, found.total())
    yield from table((title, "clusters", "share"), [(n, c, f"{c / total:.1%}") for n, c in found.most_common()])


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(map(str, row))} |"


if __name__ == "__main__":
    main()
