"""The shop history (``nezha-onlineboutique``): how much noise goes, and what it costs, judged by a real Prometheus.

``python -m evals.shop [DATA]`` runs ``rulegen suggest`` three times (by tuning alone, with demotion, and on the first
day alone), lets an independent judge evaluate the rule files that it wrote, and prints two tables. Needs Debian's
``prometheus``. DATA is the directory of the history (default: ../shared/data/nezha-onlineboutique).
"""

from __future__ import annotations

import math
import random
import subprocess
import sys
import tempfile
from pathlib import Path

from evals.independent import Incident, Page, Score, blocks_of, pages, read_incidents, score, serving

LOOKBACK = 300
FIRST, NIGHT, MORNING, LAST = 1661140260, 1661212760 + LOOKBACK, 1661255940, 1661299168  # seconds
JUDGED = ["--judged", f"{FIRST}..{NIGHT}", "--judged", f"{MORNING}..{LAST}"]
HOUR = 3600


def main() -> None:
    default = Path(__file__).parents[2] / "shared/data/nezha-onlineboutique"
    data = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    incidents = read_incidents(data / "incidents.csv")
    with tempfile.TemporaryDirectory() as folder, serving(_blocks(data, folder), Path(folder)) as url:
        home = Path(folder)
        tuned = _suggest(data, home / "tuned", "--no-demote", *JUDGED)
        demoted = _suggest(data, home / "demoted", *JUDGED)
        day_one = _suggest(data, home / "day-one", "--no-demote", "--end", str(NIGHT), *JUDGED[:2])
        before, after, fewer, ahead = (
            pages(url, file, FIRST // 60 * 60, LAST) for file in (data / "rules.yml", tuned, demoted, day_one)
        )
    print("Chosen and judged on both days (an independent judge, expressions evaluated by a real Prometheus):\n")
    old = score(before, incidents, FIRST, LAST)
    print("| rules | pages outside | cut | minutes outside | cut | caught | lost | later than 2m | rules that page |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, found in (("as they were", before), ("tuning alone", after), ("with demotion", fewer)):
        print(_row(name, old, score(found, incidents, FIRST, LAST)))
    print("\nThe forecast: chosen on the first day, scored on the second, nothing fed back:\n")
    _forecast(before, ahead, incidents)


def _blocks(data: Path, home: str) -> Path:
    return blocks_of(data / "metrics.om.gz", Path(home))


def _suggest(data: Path, out: Path, *options: str) -> Path:
    """Runs the command as a user would; the rule file that it wrote."""
    command = [sys.executable, "-m", "rulegen.cli.main", "suggest", "--metrics", str(data / "metrics.om.gz")]
    command += ["--rules", str(data / "rules.yml"), "--incidents", str(data / "incidents.csv"), "--lead", "0s"]
    command += ["--allowed-delay", "2m", "--range-semantics", "closed", "--quiet", "--out", str(out), *options]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return out / "rules" / "rules.yml"


def _row(name: str, old: Score, new: Score) -> str:
    lost = [one for one in old.delays if one not in new.delays]
    late = [one for one in old.delays if one in new.delays and new.delays[one] > old.delays[one] + 120]
    cells = [name, new.noise, _share(1 - new.noise / old.noise), new.minutes, _share(1 - new.minutes / old.minutes)]
    return "| " + " | ".join(map(str, [*cells, len(new.delays), len(lost), len(late), new.paging])) + " |"


def _forecast(before: list[Page], ahead: list[Page], incidents: list[Incident]) -> None:
    old, new = (score(found, incidents, MORNING, LAST) for found in (before, ahead))
    lost = [one for one in old.delays if one not in new.delays]
    late = [one for one in old.delays if one in new.delays and new.delays[one] > old.delays[one] + 120]
    hours = range(MORNING, LAST, HOUR)
    by_hour = [tuple(score(found, incidents, at, at + HOUR - 1) for found in (before, ahead)) for at in hours]
    print("| figure | estimate | 95% interval |")
    print("|---|---|---|")
    for what in ("noise", "minutes"):
        pairs = [(getattr(a, what), getattr(b, what)) for a, b in by_hour]
        low, high = _resampled(pairs)
        cut = 1 - getattr(new, what) / getattr(old, what)
        name = "pages outside cut" if what == "noise" else "minutes outside cut"
        figures = f"{_share(cut)} ({getattr(old, what)} → {getattr(new, what)})"
        print(f"| {name} | {figures} | {_share(low)} to {_share(high)} |")
    low, high = _wilson(len(lost) + len(late), len(old.delays))
    print(
        f"| catches lost or late | {len(lost)} + {len(late)} of {len(old.delays)} | {_share(low)} to {_share(high)} |"
    )


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
