"""Series that are hard on an engine, made from a seed; and a Prometheus data directory that holds them."""

from __future__ import annotations

import math
import random
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Span

SPAN = Span(1_786_000_000_000, 1_786_000_000_000 + 5 * 3_600_000)
ODD = ("a", "b", "ü", 'quo"te', "back\\slash", "new\nline", "$1", "😀", "{x}", " ", "a|b", "01", "A", "a.b", "\u200b")
BOUNDS = ("0.1", "0.5", "1", "1.0", "2.5", "1e1", "+Inf")
SPECIAL = (math.nan, math.inf, -math.inf, 0.0, -0.0)

Times = list[int]
Make = Callable[[random.Random, Times], list[float]]


def awkward_samples(seed: int) -> Samples:
    """Some dozens of series within ``SPAN``, the same for the same seed."""
    chance = random.Random(seed)
    return Samples.of(_series(chance))


def write_tsdb(samples: Samples, home: Path) -> Path:
    """``samples`` as a data directory below ``home``. Needs promtool; staleness markers can't be written so."""
    text = home / "awkward.om"
    with text.open("w", newline="\n") as out:
        for one in samples:
            inner = ",".join(
                f'{name}="{_escaped(value)}"' for name, value in one.labels.items() if name != METRIC_NAME
            )
            for time, value in zip(one.times.tolist(), one.values.tolist(), strict=True):
                written = "NaN" if math.isnan(value) else repr(value).replace("inf", "Inf")
                out.write(f"{one.labels[METRIC_NAME]}{{{inner}}} {written} {time / 1000:.3f}\n")
        out.write("# EOF\n")
    command = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(home / "tsdb")]
    subprocess.run(command, check=True, capture_output=True, timeout=300)
    return home / "tsdb"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _series(chance: random.Random) -> Iterator[Series]:
    for name, make in MAKERS.items():
        for labels in _label_sets(chance):
            times = _times(chance)
            yield _one({METRIC_NAME: name, **labels}, times, make(chance, times))
    for job in ("a", "b"):
        times = _times(chance)
        bounds = [bound for bound in BOUNDS if chance.random() < 0.9]
        columns = [_counter(chance, times) for _ in bounds]
        for at, bound in enumerate(bounds):
            # Mostly cumulative; where the counters are reset each by its own, they are not.
            values = [sum(column[k] for column in columns[: at + 1]) for k in range(len(times))]
            kept = [k for k in range(len(times)) if chance.random() < 0.95]
            labels = {METRIC_NAME: "awkward_seconds_bucket", "job": job, "le": bound}
            yield _one(labels, [times[k] for k in kept], [values[k] for k in kept])


def _one(labels: dict[str, str], times: Times, values: list[float]) -> Series:
    return Series(Labels(labels), np.array(times, dtype=np.int64), np.array(values, dtype=np.float64))


def _label_sets(chance: random.Random) -> list[dict[str, str]]:
    count = chance.choice((1, 2, 3, 5, 8))
    sets = {
        tuple((name, chance.choice(ODD[:few])) for name, few in (("job", 3), ("instance", 4), ("odd", len(ODD))))
        for _ in range(count)
    }
    return [{name: value for name, value in pairs if chance.random() < 0.99} for pairs in sorted(sets)]


def _times(chance: random.Random) -> Times:
    """Regular, jittered, irregular, with gaps, or a single one."""
    step = chance.choice((1_000, 15_000, 15_000, 30_000, 60_000, 299_000))
    jitter = chance.choice((0, 0, 5, 700))
    gaps = chance.choice((0.0, 0.0, 0.01, 0.2))
    start = SPAN.start + chance.choice((0, 0, chance.randrange(3 * 3_600_000)))
    if chance.random() < 0.05:
        return [_writable(start + 3_600_000)]
    found, at = list[int](), start
    while at < SPAN.end and len(found) < 1_500:
        if chance.random() >= gaps:
            found.append(_writable(at + chance.randint(0, jitter)))
        at += step if chance.random() >= gaps / 20 else step + chance.choice((310_000, 1_200_000))
    return sorted(set(found))


def _writable(time: int) -> int:
    """The next ms that survives OpenMetrics: promtool cuts seconds × 1000 down to whole numbers."""
    while int(float(f"{time / 1000:.3f}") * 1000) != time:
        time += 1
    return time


def _counter(chance: random.Random, times: Times) -> list[float]:
    at, found, whole = chance.choice((0.0, 1e6, 0.1)), list[float](), chance.random() < 0.5
    for _ in times:
        if chance.random() < 0.02:
            at = chance.choice((0.0, at / 2, 3.0))
        at += chance.choice((0, 0, 1, 7, 120)) if whole else chance.random() * 10
        found.append(at)
    return found


def _walk(chance: random.Random, times: Times) -> list[float]:
    at, found = chance.uniform(-10, 10), list[float]()
    for _ in times:
        at += chance.gauss(0, 1)
        found.append(at)
    return found


def _constant(chance: random.Random, times: Times) -> list[float]:
    value = chance.choice((0.0, 1.0, -3.5, math.inf, math.nan, 1e300))
    return [value for _ in times]


def _steps(chance: random.Random, times: Times) -> list[float]:
    """A few whole numbers, each for a while."""
    at, found = 0.0, list[float]()
    for _ in times:
        at = float(chance.randint(-2, 3)) if chance.random() < 0.1 else at
        found.append(at)
    return found


def _special(chance: random.Random, times: Times) -> list[float]:
    share = chance.choice((0.02, 0.3, 1.0))
    return [chance.choice(SPECIAL) if chance.random() < share else chance.gauss(0, 5) for _ in times]


def _holes(chance: random.Random, times: Times) -> list[float]:
    return [math.nan if chance.random() < 0.3 else float(chance.randint(0, 5)) for _ in times]


def _extreme(chance: random.Random, times: Times) -> list[float]:
    return [chance.choice((-1, 1)) * 10 ** chance.uniform(-300, 300) for _ in times]


def _huge(chance: random.Random, times: Times) -> list[float]:
    return [chance.uniform(0.5, 1.7) * 1e308 for _ in times]


def _tiny(chance: random.Random, times: Times) -> list[float]:
    return [chance.choice((1e-290, 3e-295, 0.0, -2e-289)) for _ in times]


MAKERS: dict[str, Make] = {
    "resets_total": _counter,
    "more_resets_total": _counter,
    "walk": _walk,
    "another:walk": _walk,
    "constant": _constant,
    "steps": _steps,
    "more_steps": _steps,
    "special": _special,
    "holes": _holes,
    "extreme": _extreme,
    "huge": _huge,
    "tiny": _tiny,
}
