"""Samples as OpenMetrics text, with times: what ``promtool tsdb create-blocks-from openmetrics`` reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from rulegen.core.labels import METRIC_NAME, Labels
from rulegen.core.series import Samples, Series
from rulegen.train.vocabulary import Measure

_SUFFIXES = ("_total", "_bucket")


def write_openmetrics(samples: Samples, measures: Iterable[Measure]) -> Iterator[str]:
    """The text in pieces, families in order of name, series after series; ends with ``# EOF``.

    The buckets of one histogram are one metric, so theirs stand together at each time (OpenMetrics 1.0).

    The families' types come from ``measures``. Whole values print as integers, others as the shortest decimal.
    Raises KeyError for a series whose metric is none of ``measures``.
    """
    known = {measure.name: measure for measure in measures}
    for family, group in groupby(sorted(samples, key=_family), key=_family):
        measure = known[family]
        yield f"# HELP {family} {measure.help}\n# TYPE {family} {measure.type}\n"
        for _, metric in groupby(sorted(group, key=_metric), key=_metric):
            yield "".join(line for _, _, line in sorted(_points(metric)))
    yield "# EOF\n"


def _family(series: Series) -> str:
    name = series.labels[METRIC_NAME]
    return next((name.removesuffix(suffix) for suffix in _SUFFIXES if name.endswith(suffix)), name)


def _metric(series: Series) -> Labels:
    return series.labels.drop(("le",))


def _points(metric: Iterable[Series]) -> Iterator[tuple[int, float, str]]:
    """Time, upper bound of the bucket (0 for what is none) and line of every sample."""
    for series in metric:
        head, bound = str(series.labels), float(series.labels.get("le", 0))
        values = (int(v) if v.is_integer() else v for v in series.values.tolist())
        for value, time in zip(values, (series.times // 1000).tolist(), strict=True):
            yield time, bound, f"{head} {value} {time}\n"
