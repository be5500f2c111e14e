"""Whether the model earns its place: what each proposer reaches with 1, 8 and 32 replays, in worlds nobody has seen.

``python -m evals.lift --train DIR [--worlds N] [--model GGUF] [--keep DIR] [--limit N] [--shop [DATA]]`` prints the
tables.

The worlds are those of the seeds from ``UNSEEN`` on: words and topologies (more services, more pods, longer
histories) that no world to train on has. For each noisy rule whose noise full search can cut by 5% or more, a
proposer may replay k candidates; the best that the gate accepts counts. *Share*: the cut of the noise (pages and
minutes alike, a little off for effort, as the choice weighs them), summed over rules, beside that of full search,
which tries up to ``--limit`` fillings of every template. The space is larger than what full search tries, so a share
may exceed 100%. 95% intervals resample worlds; differences are paired.

The proposers: *halving* (successive halving of random candidates on parts of the history, which cost their share), a
*fixed list* learnt on the training worlds (greedy cover), *boosted trees* on the cluster's facts and the proposal's
form, learnt there too, *random*, *the model* (its samples as they come), the same with what it *said most often*
first, that and the list *by turns*, the model *asked again* with verdicts, and what it says most often with
*shuffled facts*: rule and figures of another cluster of the same world over its own inventory, or all that is told of
another. All are polished alike; as a polish may cost more than it gives, the model is also set beside the others
with none.

``--train`` is a folder of labelled shards (``rulegen.train.label``), and may come several times; list and trees learn
from the first ``--clusters`` in them. ``--keep`` keeps verdicts between runs of the same code. With ``--shop`` the
shop history takes the worlds' place; there the intervals resample rules.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import chain, islice
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from evals.proposers import Asked, Asking, Trees, borrowed, by_heart, by_turns, chance, listed, most_said
from evals.resampled import interval
from evals.shop import FIRST, LAST, MORNING, NIGHT
from evals.spend import Spend, asking_again, halving, streaming
from evals.trial import Trial, best_of, trials
from rulegen.cli.history import read
from rulegen.cli.sources import Sources
from rulegen.core.durations import MINUTE
from rulegen.core.history import History
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.propose.llama import load
from rulegen.train.label.shards import read_shards
from rulegen.train.lexicon import UNSEEN
from rulegen.train.wild import draw_world

BUDGETS = (1, 8, 32)
FEW = (1, 8)  # asked again: each further budget costs dozens of answers
CLUSTERS = 4000  # labelled clusters that the list and the trees learn from
RANDOM, MODEL, AGAIN, SHUFFLED = (
    "random",
    "the model",
    "the model, asked again",
    "most said first, rule and figures shuffled",
)
OFTEN, TURNS = "the model, most said first", "the model and the list by turns"
OTHERS = "most said first, all facts shuffled"
BASELINES = ("halving", "fixed list", "boosted trees", RANDOM)


@dataclass(frozen=True, slots=True)
class Row:
    """What a proposer reached for one rule with so many replays."""

    group: str
    rule: str
    proposer: str
    replays: int
    polished: bool
    cut: float
    full: float  # what full search cuts
    passed: bool  # something was accepted
    agrees: bool  # its first candidate is of the template that full search chose


@dataclass(frozen=True, slots=True)
class Size:
    """How large the search for one rule is: fillings of all slots, and replays of full search."""

    ways: float
    tried: int
    found: bool


@dataclass(frozen=True, slots=True)
class Learnt:
    """What was learnt on the training worlds, and where the model is."""

    forms: tuple[str, ...]
    trees: Trees
    model: Path | None


Result = tuple[list[Row], list[Size], dict[str, Asked]]


def main() -> None:
    options = _options()
    lines = list(islice(chain.from_iterable(map(read_shards, options.train)), options.clusters))
    learnt = Learnt(by_heart(lines), Trees(lines), options.model)
    print(f"{len(lines)} labelled clusters to learn from; {len(learnt.forms)} forms on the list", file=sys.stderr)
    if options.shop:
        results = [of_history("shop", *shop(options.shop), learnt, options.limit, options.keep, by_rule=True)]
    else:
        seeds = range(UNSEEN + options.first, UNSEEN + options.first + options.worlds)
        work = partial(of_world, learnt=learnt, limit=options.limit, keep=options.keep)
        # Not forked: the trees have started threads by now, which a fork would leave hanging.
        with ProcessPoolExecutor(options.workers, get_context("spawn")) as pool:
            results = []
            for done, result in enumerate(pool.map(work, seeds), 1):
                results.append(result)
                print(f"{done} of {len(seeds)} worlds", file=sys.stderr, flush=True)
    report([row for rows, _, _ in results for row in rows], [size for _, sizes, _ in results for size in sizes])
    _validity([asked for _, _, asked in results])


def of_world(seed: int, learnt: Learnt, limit: int, keep: Path | None) -> Result:
    world = draw_world(seed)
    return of_history(f"world-{seed}", world.history, Settings(page=world.page), learnt, limit, keep)


def of_history(
    group: str,
    history: History,
    settings: Settings,
    learnt: Learnt,
    limit: int,
    keep: Path | None,
    *,
    by_rule: bool = False,
) -> Result:
    """What every proposer reaches for each noisy rule of a history. ``by_rule``: each rule is a group of its own."""
    some = list(trials(group, history, settings, limit, keep))
    others = {(group, one.cluster.id): other for one, other in zip(some, [*some[1:], *some[:1]], strict=True)}
    spenders: dict[str, Spend] = {
        "halving": halving,
        "fixed list": streaming(listed(learnt.forms)),
        "boosted trees": streaming(learnt.trees),
        RANDOM: streaming(chance),
    }
    asked = {}
    if learnt.model is not None:
        model = load(learnt.model, threads=1, context=4096)
        plain, shuffled = Asking(model), Asking(model, borrowed(others, whole=False))
        strange = Asking(model, borrowed(others, whole=True))
        often = most_said(plain)
        spenders |= {
            MODEL: streaming(plain),
            OFTEN: streaming(often),
            TURNS: streaming(by_turns(often, listed(learnt.forms))),
            AGAIN: asking_again(plain),
            SHUFFLED: streaming(most_said(shuffled)),
            OTHERS: streaming(most_said(strange)),
        }
        asked = {MODEL: plain.asked, SHUFFLED: shuffled.asked, OTHERS: strange.asked}
    rows: list[Row] = []
    for trial in some:
        rows += _rows(trial, spenders, f"{group}/{trial.cluster.id}" if by_rule else group)
        trial.keep()
    return rows, [Size(one.ways, one.tried, one.full is not None) for one in some], asked


def _rows(trial: Trial, spenders: Mapping[str, Spend], group: str) -> Iterable[Row]:
    if trial.full is None:
        return
    for name, spend in spenders.items():
        for replays in FEW if name == AGAIN else BUDGETS:
            for polished in (False, True) if replays > 1 else (False,):
                verdicts = spend(trial, replays, polished)
                best = best_of(verdicts)
                agrees = bool(verdicts) and verdicts[0].template == trial.full.template
                yield Row(
                    group,
                    trial.cluster.id,
                    name,
                    replays,
                    polished,
                    best.cut if best else 0.0,
                    trial.full.cut,
                    best is not None,
                    agrees,
                )


def shop(data: Path) -> tuple[History, Settings]:
    """The shop history, as ``evals.shop`` judges it."""
    judged = (Span(FIRST * 1000, NIGHT * 1000), Span(MORNING * 1000, LAST * 1000))
    sources = Sources(
        metrics=data / "metrics.om.gz",
        rules=(data / "rules.yml",),
        incidents=data / "incidents.csv",
        judged=judged,
        semantics="closed",
    )
    return read(sources, lambda *_: None).history, Settings(lead=0, allowed_delay=2 * MINUTE)


def share(rows: Sequence[Row]) -> tuple[float, float, float]:
    """The summed cut beside that of full search, and its interval."""
    return _ratio(np.array([one.cut for one in rows]), rows)


def beyond(rows: Sequence[Row], others: Sequence[Row]) -> tuple[float, float, float]:
    """By how much the share of ``rows`` is larger than that of ``others`` on the same rules, and its interval."""
    beside = {(one.group, one.rule): one.cut for one in others}
    return _ratio(np.array([one.cut - beside[one.group, one.rule] for one in rows]), rows)


def report(rows: Sequence[Row], sizes: Sequence[Size]) -> None:
    """Prints the tables."""
    found = [one for one in sizes if one.found]
    groups = len({row.group for row in rows})
    print(
        f"{len(sizes)} noisy rules; in {len(found)} of them (in {groups} groups, which are resampled) full search "
        f"finds something. Median: {median(one.ways for one in sizes):,.0f} ways to fill the slots, "
        f"{median(one.tried for one in sizes):.0f} replays of full search"
    )
    names = list(dict.fromkeys(row.proposer for row in rows))
    of = {
        (name, k, polished): [r for r in rows if (r.proposer, r.replays, r.polished) == (name, k, polished)]
        for name in names
        for k in BUDGETS
        for polished in (False, True)
    }
    print(
        "\n| proposer | template of search | accepted at 1 | at 8 | share at 1 | at 8 | at 32 |\n" + "|---" * 7 + "|"
    )
    for name in names:
        first, eight = of[name, 1, False], of[name, 8, False]
        shares = [_mean(first, lambda r: r.agrees), *(_mean(some, lambda r: r.passed) for some in (first, eight))]
        cells = [f"{one:.0%}" for one in shares]
        cells += [_told(share(some)) for some in (first, of[name, 8, True], of[name, 32, True])]
        print(f"| {name} | " + " | ".join(cells) + " |")
    print("\nWhat the polish adds (share with it, less share without, at equal replays):\n")
    print("| proposer | at 8 | at 32 |\n|---|---|---|")
    for name in names:
        print(
            f"| {name} | " + " | ".join(_told(beyond(of[name, k, True], of[name, k, False])) for k in (8, 32)) + " |"
        )
    if MODEL in names:
        _lift(of)


def _lift(of: Mapping[tuple[str, int, bool], Sequence[Row]]) -> None:
    print("\nThe model beside the best of the others, what asking again adds, and what shuffled facts take away:\n")
    print("| difference of shares | at 1 | at 8 | at 32 |\n|---|---|---|---|")
    best, plain = partial(_best, of, polished=True), partial(_best, of, polished=False)
    pairs: list[tuple[str, Callable[[int], tuple[str, str]]]] = [
        (f"{MODEL} less the best baseline", lambda k: (MODEL, best(k))),
        (f"{OFTEN}, less the best baseline", lambda k: (OFTEN, best(k))),
        (f"{TURNS}, less the best baseline", lambda k: (TURNS, best(k))),
        (f"{AGAIN}, less {MODEL}", lambda _: (AGAIN, MODEL)),
        (f"{OFTEN}, less {SHUFFLED}", lambda _: (OFTEN, SHUFFLED)),
        (f"{OFTEN}, less {OTHERS}", lambda _: (OFTEN, OTHERS)),
        (f"{OTHERS}, less the best baseline", lambda k: (OTHERS, best(k))),
    ]
    bare: list[tuple[str, Callable[[int], tuple[str, str]]]] = [
        (f"{OFTEN}, less the best baseline, both without polish", lambda k: (OFTEN, plain(k))),
        (f"{TURNS}, less the best baseline, both without polish", lambda k: (TURNS, plain(k))),
    ]
    for (title, pair), polished in [*((one, True) for one in pairs), *((one, False) for one in bare)]:
        cells = []
        for k in BUDGETS:
            one, other = pair(k)
            some, others = (of.get((name, k, polished and k > 1), ()) for name in (one, other))
            told = _told(beyond(some, others)) if some and others else ""
            cells.append(f"{told} ({other})" if told and other in BASELINES else told)
        print(f"| {title} | " + " | ".join(cells) + " |")


def _best(of: Mapping[tuple[str, int, bool], Sequence[Row]], replays: int, *, polished: bool) -> str:
    """The baseline of the largest share with so many replays; a single one is never polished."""
    return max(BASELINES, key=lambda name: share(of[name, replays, polished and replays > 1])[0])


def _validity(asked: Iterable[Mapping[str, Asked]]) -> None:
    every = [one for some in asked for one in some.values()]
    answers, refused = sum(one.answers for one in every), sum(one.refused for one in every)
    if answers:
        print(f"\nValid: {answers - refused} of {answers} answers of the model ({1 - refused / answers:.2%})")


def _ratio(cuts: Any, rows: Sequence[Row]) -> tuple[float, float, float]:
    if not rows:
        return math.nan, math.nan, math.nan
    full = np.array([one.full for one in rows])
    low, high = interval(cuts / full, [one.group for one in rows], full)
    return float(cuts.sum() / full.sum()), low, high


def _mean(rows: Sequence[Row], what: Callable[[Row], bool]) -> float:
    return sum(map(what, rows)) / max(1, len(rows))


def _told(figures: tuple[float, float, float]) -> str:
    if math.isnan(figures[0]):
        return ""
    return "{:.1%} ({:.0%} to {:.0%})".format(*figures)


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).parents[2] / "shared/data/nezha-onlineboutique"
    parser.add_argument("--train", type=Path, action="append", required=True)
    parser.add_argument("--worlds", type=int, default=60)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--clusters", type=int, default=CLUSTERS)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--limit", type=int, default=96)
    parser.add_argument("--shop", type=Path, nargs="?", const=default)
    return parser.parse_args()


if __name__ == "__main__":
    main()
