"""The shop history (``nezha-onlineboutique``): how much noise goes, and what it costs, judged by a real Prometheus.

``python -m evals.shop [DATA]`` runs ``rulegen suggest`` as a user would: on both days, and on the first day alone,
each by tuning alone and with demotion. An independent judge evaluates the rule files that it wrote (a real
Prometheus), counts notifications (an Alertmanager spelled out, with the history's ``alertmanager.yml``) and luck, and
prints the tables. Needs Debian's ``prometheus``. DATA is the directory of the history (default:
../shared/data/nezha-onlineboutique).
"""

from __future__ import annotations

import json
import math
import random
import statistics
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from evals.independent import Incident, Page, Score, blocks_of, outside, pages, read_incidents, score, serving
from evals.independent_luck import credibly_caught
from evals.independent_pager import for_nothing, notified, read_route

LOOKBACK = 300
FIRST, NIGHT, MORNING, LAST = 1661140260, 1661212760 + LOOKBACK, 1661255940, 1661299168  # seconds
RECORDINGS = [(FIRST // 60 * 60, NIGHT), (MORNING, LAST)]
JUDGED = ["--judged", f"{FIRST}..{NIGHT}", "--judged", f"{MORNING}..{LAST}"]
DAY_ONE = [*JUDGED[:2], "--end", str(NIGHT)]
HOUR, ALLOWED, MANY = 3600, 120, 5


@dataclass(frozen=True)
class Found:
    """What a rule file does: its pages, and when it notifies somebody for nothing."""

    pages: list[Page]
    noise: list[int]

    def between(self, start: int, end: int) -> int:
        return sum(start <= at <= end for at in self.noise)


def main() -> None:
    default = Path(__file__).parents[2] / "shared/data/nezha-onlineboutique"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    incidents, route = read_incidents(data / "incidents.csv"), read_route(data / "alertmanager.yml")
    with (
        tempfile.TemporaryDirectory() as folder,
        serving(blocks_of(data / "metrics.om.gz", Path(folder)), Path(folder)) as url,
    ):
        home = Path(folder)

        def found(file: Path) -> Found:
            some = pages(url, file, FIRST // 60 * 60, LAST)
            return Found(some, for_nothing(notified(route, some), incidents))

        before = found(data / "rules.yml")
        runs = {(name, when): [*more, *times] for name, more in WAYS for when, times in WHEN}
        with ThreadPoolExecutor(2) as pool:  # as many as most machines have processors for
            made = [pool.submit(_suggest, data, home / f"run{k}", *some) for k, some in enumerate(runs.values())]
            out = dict(zip(runs, (one.result() for one in made), strict=True))
        both = {name: out[name, "both days"] for name, _ in WAYS}
        after = {name: found(path / "rules/rules.yml") for name, path in both.items()}
        ahead = {name: found(out[name, "day one"] / "rules/rules.yml") for name, _ in WAYS}
        kinds = {name: Counter(str(one["change"]) for one in _accepted(out)) for name, out in both.items()}
        coverage = {name: _coverage(before.pages, after[name].pages, incidents, out) for name, out in both.items()}
    credible = credibly_caught(before.pages, incidents, RECORDINGS)
    _whole(before, after, kinds, credible, incidents)
    _covered(coverage)
    print("\nThe forecast: chosen on the first day, scored on the second, nothing fed back:\n")
    print("| rules | figure | estimate | 95% interval |\n|---|---|---|---|")
    for name in ahead:
        _forecast(name, before, ahead[name], credible, incidents)


WAYS = [("tuning alone", ["--no-demote"]), ("with demotion", [])]
WHEN = [("both days", JUDGED), ("day one", DAY_ONE)]


def _suggest(data: Path, out: Path, *options: str) -> Path:
    """Runs the command as a user would; the directory that it wrote."""
    command = [sys.executable, "-m", "rulegen.cli.main", "suggest", "--metrics", str(data / "metrics.om.gz")]
    command += ["--rules", str(data / "rules.yml"), "--incidents", str(data / "incidents.csv"), "--lead", "0s"]
    command += ["--alertmanager", str(data / "alertmanager.yml"), "--allowed-delay", "2m"]
    command += ["--range-semantics", "closed", "--quiet", "--out", str(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out


def _accepted(out: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((out / "suggestions.json").read_text())["accepted"]
    return found


def _whole(
    before: Found,
    after: dict[str, Found],
    kinds: dict[str, Counter[str]],
    credible: set[str],
    incidents: list[Incident],
) -> None:
    print("Chosen and judged on both days (an independent judge, expressions evaluated by a real Prometheus):\n")
    old = score(before.pages, incidents, FIRST, LAST)
    print(
        "| rules | notifications for nothing | cut | pages outside | cut | minutes outside | cut | rules that page |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, found in (("as they were", before), *after.items()):
        new = score(found.pages, incidents, FIRST, LAST)
        figures = ((len(before.noise), len(found.noise)), (old.noise, new.noise), (old.minutes, new.minutes))
        cells = [cell for a, b in figures for cell in (b, _share(1 - b / a))]
        print("| " + " | ".join(map(str, [name, *cells, new.paging])) + " |")
    print("\n| rules | changes | caught | lost | later than 2m | added delay: median | most | new, beyond luck |")
    print("|---|---|---|---|---|---|---|---|")
    print(f"| as they were | 0 | {len(old.delays)} ({len(credible)} beyond luck) | 0 | 0 | 0s | 0s | 0 |")
    for name, found in after.items():
        new = score(found.pages, incidents, FIRST, LAST)
        lost, late = _missed(old, new)
        added = [max(0, new.delays[one] - old.delays[one]) for one in old.delays if one in new.delays]
        beyond = credibly_caught(found.pages, incidents, RECORDINGS)
        gained = sorted(beyond - set(old.delays))
        changes = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds[name].items()))
        median = f"{statistics.median(added):.0f}s"
        cells = [name, changes, len(new.delays), len(lost), len(late), median, f"{max(added)}s"]
        print("| " + " | ".join(map(str, [*cells, f"{len(gained)} {' '.join(gained)}".strip()])) + " |")


def _missed(old: Score, new: Score) -> tuple[list[str], list[str]]:
    """What is no longer caught, and what is caught later than allowed."""
    kept = [one for one in old.delays if one in new.delays]
    return [one for one in old.delays if one not in new.delays], [
        one for one in kept if new.delays[one] > old.delays[one] + ALLOWED
    ]


def _coverage(before: list[Page], after: list[Page], incidents: list[Incident], out: Path) -> tuple[int, int]:
    """Of the repetitive pages for nothing (five or more of one alert and series), those whose rule an accepted
    suggestion changes so that at least half of its noise goes, pages and minutes both."""
    noise = [page for page in before if outside(page.start, incidents)]
    often = Counter((page.name, page.series) for page in noise)
    named = {f"{one['replaces']['group']}/{one['rule']['name']}" for one in _accepted(out)}
    halved = set()
    for name in named:
        old, new = (
            score([one for one in some if one.name == name], incidents, FIRST, LAST) for some in (before, after)
        )
        if 2 * new.noise <= old.noise and 2 * new.minutes <= old.minutes:
            halved.add(name)
    repetitive = [page for page in noise if often[page.name, page.series] >= MANY]
    return sum(page.name in halved for page in repetitive), len(repetitive)


def _covered(coverage: dict[str, tuple[int, int]]) -> None:
    print("\nOf the repetitive pages for nothing (five or more of one alert and series), this share lies in accepted")
    print("suggestions that each cut at least half of their noise:\n")
    for name, (covered, all_) in coverage.items():
        print(f"- {name}: {covered} of {all_} ({_share(covered / all_)})")


def _forecast(name: str, before: Found, ahead: Found, credible: set[str], incidents: list[Incident]) -> None:
    old, new = (score(found.pages, incidents, MORNING, LAST) for found in (before, ahead))
    lost, late = _missed(old, new)
    hours = [(at, at + HOUR - 1) for at in range(MORNING, LAST, HOUR)]
    by_hour = [[score(found.pages, incidents, *hour) for found in (before, ahead)] for hour in hours]
    pairs = {
        "notifications": [(before.between(*hour), ahead.between(*hour)) for hour in hours],
        "pages": [(a.noise, b.noise) for a, b in by_hour],
        "minutes": [(a.minutes, b.minutes) for a, b in by_hour],
    }
    for what, some in pairs.items():
        low, high = _resampled(some)
        total = [sum(side) for side in zip(*some, strict=True)]
        figures = f"{_share(1 - total[1] / total[0])} ({total[0]} → {total[1]})"
        print(f"| {name} | {what} cut | {figures} | {_share(low)} to {_share(high)} |")
    known = [one for one in old.delays if one in credible]
    gone = [one for one in (*lost, *late) if one in credible]
    low, high = _wilson(len(gone), len(known))
    told = f"{len(gone)} of {len(known)} {' '.join(gone)}".strip()
    print(f"| {name} | credible catches lost or late | {told} | {_share(low)} to {_share(high)} |")
    low, high = _wilson(len(lost) + len(late), len(old.delays))
    told = f"{len(lost)} + {len(late)} of {len(old.delays)}"
    print(f"| {name} | all catches lost + late | {told} | {_share(low)} to {_share(high)} |")


def _resampled(pairs: list[tuple[int, int]], draws: int = 2000) -> tuple[float, float]:
    """Percentile interval of the cut, hours drawn with replacement."""
    chance, cuts = random.Random(0), []
    for _ in range(draws):
        drawn = chance.choices(pairs, k=len(pairs))
        if total := sum(old for old, _ in drawn):
            cuts.append(1 - sum(new for _, new in drawn) / total)
    cuts.sort()
    return cuts[int(0.025 * len(cuts))], cuts[int(0.975 * len(cuts))]


def _wilson(hits: int, trials: int, z: float = 1.959964) -> tuple[float, float]:
    share = hits / trials
    middle, half = share + z * z / (2 * trials), z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials**2))
    return max(0.0, (middle - half) / (1 + z * z / trials)), (middle + half) / (1 + z * z / trials)


def _share(value: float) -> str:
    return f"{value:.1%}"


if __name__ == "__main__":
    main()
