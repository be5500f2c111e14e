"""The joint choice beside a greedy one and beside an exact solver, on the shop history and on generated problems.

``python -m evals.choice [DATA]`` prints one table. *Greedy* is the first version's choice: a greedy cover, improved
one and two rules at a time. *Exact* is HiGHS by way of SciPy's ``milp``, which shares nothing with
``rulegen.score.cover``. Gaps are cost above the exact optimum; *proved* is how often the choice itself says that
nothing is cheaper. DATA is the shop history (default: ../shared/data/nezha-onlineboutique).
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import TypeVar

import numpy as np
from scipy.optimize import Bounds, LinearConstraint, milp
from scipy.sparse import csr_matrix

from evals.shop import FIRST, LAST, MORNING, NIGHT
from rulegen.cli.history import read
from rulegen.cli.sources import Sources
from rulegen.core.durations import MINUTE
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk
from rulegen.propose.search import enumerate_proposals
from rulegen.score.choose import options_for, uncovered
from rulegen.score.cover import Option, cheapest
from rulegen.score.parts import folds, known_only, split
from rulegen.templates import TEMPLATES

Rules = Sequence[Sequence[Option]]
Problem = tuple[Rules, frozenset[int]]
T = TypeVar("T")
SAME = 1e-6  # costs are shares; closer than this is the same


def main() -> None:
    default = Path(__file__).parents[2] / "shared/data/nezha-onlineboutique"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    print(
        "| problems | rules × options, targets | greedy: gap mean, most, best in | choice: gap mean, most, best in "
        "| proved | seconds: greedy, choice, exact |"
    )
    print("|---|---|---|---|---|---|")
    row("shop, tuning alone: both days, 5 folds", shop(data, demote=False))
    row("shop, with demotion: both days, 5 folds", shop(data, demote=True))
    for rules, options, targets, catches in (
        (4, 3, 6, 3),
        (8, 5, 10, 3),
        (20, 8, 20, 3),
        (110, 20, 40, 5),
        (300, 10, 200, 5),
    ):
        several = [scattered(seed, rules, options, targets, catches) for seed in range(20)]
        row("scattered, 20 seeds", several)
    for rules, options, targets, catches, seeds in (
        (6, 4, 12, 6, 20),
        (10, 6, 20, 6, 20),
        (20, 8, 40, 6, 10),
        (40, 10, 80, 8, 4),
        (80, 12, 120, 8, 2),
    ):
        several = [contested(seed, rules, options, targets, catches) for seed in range(seeds)]
        row(f"contested, {seeds} seeds", several)


def shop(data: Path, *, demote: bool) -> list[Problem]:
    """The problems that a run on the shop history solves: the one on both days, then one for each fold left out."""
    judged = (Span(FIRST * 1000, NIGHT * 1000), Span(MORNING * 1000, LAST * 1000))
    sources = Sources(
        metrics=data / "metrics.om.gz",
        rules=(data / "rules.yml",),
        incidents=data / "incidents.csv",
        judged=judged,
        semantics="closed",
    )
    history = read(sources, lambda *_: None).history
    templates = [one for one in TEMPLATES if demote or one.change != "demotion"]
    settings = Settings(lead=0, allowed_delay=2 * MINUTE, demote=demote)
    desk = Desk.of(history, settings, lambda c: enumerate_proposals(c, templates), MINUTE, lambda *_: None)
    found: list[Problem] = []
    for parts in (split(desk.judge), *(known_only(~mask) for mask in folds(desk.judge))):
        standing, verdicts = desk.standing(parts), desk.select(parts).verdicts
        passed = {ref: [one for one in some if one.passed] for ref, some in verdicts.items()}
        found.append(
            ([options_for(standing, ref, passed[ref]) for ref in sorted(passed)], uncovered(standing, passed))
        )
    return found


def scattered(seed: int, rules: int, options: int, targets: int, catches: int) -> Problem:
    """Each rule catches some targets; a change keeps a share of them, and the fewer the quieter, more or less."""
    chance, made = np.random.default_rng(seed), []
    for _ in range(rules):
        mine = chance.choice(targets, size=min(targets, 1 + chance.poisson(catches)), replace=False).tolist()
        noise = float(chance.lognormal()) / rules
        some = [Option(noise, frozenset(mine))]
        for _ in range(options):
            kept = float(chance.random())
            cost = noise * (0.05 + 0.85 * kept * float(chance.random()))
            some.append(Option(cost, frozenset(one for one in mine if chance.random() < kept)))
        made.append(some)
    return made, frozenset(range(targets))


def contested(seed: int, rules: int, options: int, targets: int, catches: int) -> Problem:
    """The hard kind: a change keeps at most half of the targets, and each costs the same wherever it is kept."""
    chance, made = np.random.default_rng(seed), []
    for _ in range(rules):
        mine = chance.choice(targets, size=catches, replace=False)
        some = [Option(1 / rules, frozenset(mine.tolist()))]
        for _ in range(options):
            kept = chance.choice(mine, size=int(chance.integers(0, catches // 2 + 1)), replace=False)
            cost = 0.1 + 0.8 * len(kept) / catches * float(chance.uniform(1, 1.2))
            some.append(Option(cost / rules, frozenset(kept.tolist())))
        made.append(some)
    return made, frozenset(range(targets))


def row(name: str, problems: Sequence[Problem]) -> None:
    best, exact_s = timed(exact, problems)
    greedy_cost, greedy_s = timed(greedy, problems)
    covers, choice_s = timed(cheapest, problems)
    sizes = [(len(rules), sum(map(len, rules)), len(needed)) for rules, needed in problems]
    size = f"{sizes[0][0]} × {median(s[1] / max(1, s[0]) for s in sizes):.0f}, {sizes[0][2]}"
    cells = [name, size, gaps(greedy_cost, best), gaps([one.cost for one in covers], best)]
    cells += [f"{sum(one.gap == 0 for one in covers)}/{len(covers)}"]
    cells += [", ".join(f"{median(seconds):.3f}" for seconds in (greedy_s, choice_s, exact_s))]
    print("| " + " | ".join(cells) + " |", flush=True)


def gaps(costs: Sequence[float], best: Sequence[float]) -> str:
    above = [cost / least - 1 for cost, least in zip(costs, best, strict=True)]
    equal = sum(abs(cost - least) <= SAME for cost, least in zip(costs, best, strict=True))
    return f"{max(0, np.mean(above)):.2%}, {max(0, *above):.2%}, {equal}/{len(best)}"


def timed(solve: Callable[[Rules, frozenset[int]], T], problems: Sequence[Problem]) -> tuple[list[T], list[float]]:
    found, seconds = [], []
    for rules, needed in problems:
        start = time.perf_counter()
        found.append(solve(rules, needed))
        seconds.append(time.perf_counter() - start)
    return found, seconds


def exact(rules: Rules, needed: frozenset[int]) -> float:
    """The least cost there is: one option a rule (equalities), every target at least once, solved to a gap of 0."""
    flat = [(at, option) for at, some in enumerate(rules) for option in some]
    open_ = sorted(needed & frozenset[int]().union(*(option.covers for _, option in flat)))
    one_each = csr_matrix(np.array([[at == k for at, _ in flat] for k in range(len(rules))], dtype=float))
    limits = [LinearConstraint(one_each, 1, 1)]
    if open_:
        hits = csr_matrix(
            np.array([[target in option.covers for _, option in flat] for target in open_], dtype=float)
        )
        limits.append(LinearConstraint(hits, 1, np.inf))
    cost = np.array([option.cost for _, option in flat])
    result = milp(
        cost, constraints=limits, integrality=np.ones(len(flat)), bounds=Bounds(0, 1), options={"mip_rel_gap": 0}
    )
    assert result.status == 0, result.message
    return float(result.fun)


def greedy(rules: Rules, needed: frozenset[int]) -> float:
    """The first version: the best bargain first until all is covered, then single exchanges and exchanges of two."""
    kept = [frontier(some) for some in rules]
    taken = [0] * len(kept)
    counts = dict.fromkeys(needed & frozenset[int]().union(*(o.covers for some in kept for o in some)), 0)
    for some in kept:
        for target in some[0].covers & counts.keys():
            counts[target] += 1

    def take(taken: list[int], counts: dict[int, int], k: int, at: int) -> None:
        for target in kept[k][taken[k]].covers & counts.keys():
            counts[target] -= 1
        for target in kept[k][at].covers & counts.keys():
            counts[target] += 1
        taken[k] = at

    def free(taken: list[int], counts: dict[int, int], k: int, at: int) -> bool:
        return all(counts.get(target, 2) > 1 for target in kept[k][taken[k]].covers - kept[k][at].covers)

    def relax(taken: list[int], counts: dict[int, int], fixed: int | None = None) -> None:
        for k in sorted(range(len(kept)), key=lambda k: kept[k][0].cost - kept[k][taken[k]].cost):
            for at in range(taken[k]) if k != fixed else ():
                if free(taken, counts, k, at):
                    take(taken, counts, k, at)
                    break

    def cost(taken: list[int]) -> float:
        return sum(some[at].cost for some, at in zip(kept, taken, strict=True))

    while bare := {target for target, count in counts.items() if count == 0}:
        _, k, at = min(
            ((option.cost - some[taken[k]].cost) / len(option.covers & bare), k, at)
            for k, some in enumerate(kept)
            for at, option in enumerate(some)
            if option.covers & bare and free(taken, counts, k, at)
        )
        take(taken, counts, k, at)
    relax(taken, counts)
    better = True
    while better:
        better = False
        for k, some in enumerate(kept):
            for at, option in enumerate(some):
                if not option.covers - some[taken[k]].covers or not free(taken, counts, k, at):
                    continue
                trial, after = list(taken), dict(counts)
                take(trial, after, k, at)
                relax(trial, after, k)
                if cost(trial) < cost(taken) - 1e-12:
                    taken, counts, better = trial, after, True
    return cost(taken)


def frontier(options: Sequence[Option]) -> list[Option]:
    kept: list[Option] = []
    for option in sorted(options, key=lambda one: (one.cost, -len(one.covers))):
        if not any(option.covers <= other.covers for other in kept):
            kept.append(option)
    return kept


if __name__ == "__main__":
    main()
