"""Random PromQL grown from the metrics, labels and values that a history really has. The same seed, the same text."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evals.differential.vocabulary import (
    AGGREGATIONS,
    ARITHMETIC,
    CALENDAR,
    COMPARISON,
    MATHS,
    NUMBERS,
    OTHERS,
    RANGED,
    SET,
)
from rulegen.core.durations import SECOND, format_duration
from rulegen.core.labels import METRIC_NAME, quote
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Span

WINDOWS = (30, 45, 60, 90, 120, 300, 301, 600, 900, 1800, 3600, 7200)  # s; the short ones more often, see _window
MANY = 40  # series; a selector of more is narrowed, and long windows are for fewer


@dataclass(frozen=True, slots=True)
class Grown:
    """A text, the label names that its series probably have, and about how many series these are."""

    text: str
    labels: tuple[str, ...] = ()
    series: int = 1


class Grower:
    """Grows expressions over ``samples``, in whose ``span`` the evaluation times lie."""

    def __init__(self, samples: Samples, span: Span, seed: int | str) -> None:
        self._random = random.Random(seed)
        self._span = span
        self._metrics = [(name, series) for name, series in samples.by_name.items() if name and series]
        self._buckets = [one for one in self._metrics if one[0].endswith("_bucket") and "le" in one[1][0].labels]

    def grid(self) -> Grid:
        """One to some dozens of steps at an odd offset in the span."""
        step = self._random.choice((7_000, 15_000, 31_000, 61_700, 120_000, 299_999))
        steps = self._random.choice((1, 2, 17, 29, 41))
        room = max(0, self._span.length - step * steps)
        start = self._span.start + self._random.randint(0, room)
        if self._random.random() < 0.2:
            start -= start % 15_000
        return Grid(start, start + step * (steps - 1), step)

    def expression(self) -> str:
        deep = self._random.choice((1, 2, 2, 3, 3, 4, 5))
        return self._scalar(deep) if self._chance(0.04) else self._vector(deep).text

    # Chance

    def _chance(self, share: float) -> bool:
        return self._random.random() < share

    def _one(self, *choices: str) -> str:
        return self._random.choice(choices)

    def _some(self, names: Sequence[str], most: int = 3) -> tuple[str, ...]:
        return tuple(self._random.sample(list(names), min(len(names), self._random.randint(0, most))))

    def _duration(self, *seconds: int) -> str:
        return format_duration(self._random.choice(seconds) * SECOND)

    # Instant vectors

    def _vector(self, deep: int) -> Grown:
        if deep <= 0:
            return self._selector()
        grow: Callable[[int], Grown]
        grow, *_ = self._random.choices(
            (
                self._selector,
                self._ranged,
                self._aggregated,
                self._with_number,
                self._joined,
                self._set,
                self._function,
                self._relabelled,
                self._histogram,
                self._absent,
                self._from_scalar,
            ),
            (1, 6, 5, 3, 6, 3, 4, 1.5, 1.5, 0.7, 0.5),
        )
        grown = grow(deep)
        if self._chance(0.04):
            return Grown(f"-{grown.text}", grown.labels, grown.series)
        return Grown(f"({grown.text})", grown.labels, grown.series) if self._chance(0.1) else grown

    def _selector(self, _: int = 0, *, most: int = MANY) -> Grown:
        name, series = self._random.choice(self._metrics)
        return self._select(name, series, most)

    def _select(self, name: str, series: tuple[Series, ...], most: int) -> Grown:
        model = self._random.choice(series).labels
        names = [label for label in model if label != METRIC_NAME]
        matchers = [self._matcher(label, model[label], series) for label in self._some(names, 2)] if names else []
        if self._chance(0.05):
            matchers.append(
                self._one('missing=""', 'missing!=""', 'missing=~".*"', 'missing!~".+"', 'job!=""', 'job=""')
            )
        wanted = list(names)
        self._random.shuffle(wanted)
        kept = list(series)
        while len(kept) > most and wanted:  # enough of them by value
            label = wanted.pop()
            fewer = [one for one in kept if one.labels.get(label) == model[label]]
            if len(fewer) < len(kept):
                matchers.append(f"{label}={quote(model[label])}")
                kept = fewer
        self._random.shuffle(matchers)
        text = name
        if self._chance(0.06):
            text, matchers = "", [f"__name__{self._one('=', '=~')}{quote(name)}", *matchers]
        if matchers or not text:
            text += "{" + ",".join(matchers) + "}"
        return Grown(text + self._shifted(), tuple(names), len(kept))

    def _matcher(self, label: str, value: str, series: Sequence[Series]) -> str:
        other = self._random.choice(series).labels.get(label, "")
        safe = re.escape(value).replace("\\ ", " ").replace("/", "/")
        patterns = (
            f"{safe}|{re.escape(other)}",
            f"{re.escape(value[:3])}.*",
            f".*{re.escape(value[-2:])}",
            f"(?i:{re.escape(value).upper()})" if value.isascii() and value.isalnum() else ".+",
            ".+",
            ".*",
            "[a-m].*",
            "",
        )
        op = self._random.choices(("=", "!=", "=~", "!~"), (5, 2, 4, 2))[0]
        if op in ("=", "!="):
            return f"{label}{op}{quote(self._one(value, value, value, other, ''))}"
        return f"{label}{op}{quote(self._one(*patterns).replace(chr(92) + '-', '-'))}"

    def _shifted(self) -> str:
        """``offset`` and ``@``, seldom."""
        text = ""
        if self._chance(0.06):
            at = self._random.randint(self._span.start, self._span.end)
            text += self._one(" @ start()", " @ end()", f" @ {at // 1000}", f" @ {at / 1000:.3f}")
        if self._chance(0.1):
            text += f" offset {self._one('', '', '-')}{self._duration(1, 15, 60, 77, 300, 1800)}"
        return text

    def _window(self, series: int) -> str:
        most = 7200 if series <= 4 else 1800 if series <= 15 else 600
        fitting = [one for one in WINDOWS if one <= most]
        return self._duration(*fitting, *fitting[:8], *fitting[:8])

    def _range(self, deep: int) -> Grown:
        if deep > 1 and self._chance(0.25):
            inner = self._vector(min(deep - 1, 2))
            step = self._one("", "", self._duration(13, 15, 30, 60, 61, 300))
            window = self._duration(60, 90, 300, 600, 900, 1800)
            return Grown(f"({inner.text})[{window}:{step}]{self._shifted()}", inner.labels, inner.series)
        selector = self._selector(most=20)
        text, *modifiers = re.split(r"(?= @ | offset )", selector.text)
        return Grown(f"{text}[{self._window(selector.series)}]{''.join(modifiers)}", selector.labels, selector.series)

    def _ranged(self, deep: int) -> Grown:
        over = self._range(deep)
        call = self._one(*RANGED, "quantile_over_time", "predict_linear", "holt_winters", "rate", "rate", "increase")
        while call in ("quantile_over_time", "predict_linear") and " @ " in over.text:
            # Up to 2.42 the window of these slides on although it is pinned, unless all of the call is pinned.
            over = self._range(deep)
        if call == "quantile_over_time":
            text = f"{call}({self._share(deep)}, {over.text})"
        elif call == "predict_linear":
            text = f"{call}({over.text}, {self._one('0', '60', '3600', '-300', '4*3600', self._scalar(deep - 2))})"
        elif call == "holt_winters":
            factors = [self._one("0.1", "0.5", "0.9", "0.3", "0.7") if self._chance(0.9) else "1" for _ in "st"]
            text = f"{call}({over.text}, {', '.join(factors)})"
        else:
            text = f"{call}({over.text})"
        return Grown(text, over.labels, over.series)

    def _grouping(self, labels: Sequence[str]) -> tuple[str, tuple[str, ...]]:
        """`` by (…)``, `` without (…)`` or nothing, and the labels that are left."""
        names = self._some(labels)
        if self._chance(0.06):
            names = (*names, "missing")
        kind = self._one("", "by", "by", "without")
        if not kind:
            return "", ()
        return f" {kind} ({', '.join(names)})", names if kind == "by" else tuple(set(labels) - set(names))

    def _aggregated(self, deep: int) -> Grown:
        inner = self._vector(deep - 1)
        grouping, left = self._grouping(inner.labels)
        op = self._one(*AGGREGATIONS, "sum", "sum", "quantile", "topk", "bottomk", "count_values")
        param = ""
        if op == "quantile":
            param = f"{self._share(deep)}, "
        elif op in ("topk", "bottomk"):
            left = inner.labels
            param = f"{self._one('1', '2', '3', '5', '0', '-1', '2.9', '1000')}, "
        elif op == "count_values":
            value = self._one("value", "value", "job", *inner.labels)
            if " by " in grouping and max(left, default="") >= value:
                value = "zz"  # 2.42 does not sort the label in among the others, and then groups wrongly
            # The last bits of a number are not to become a label.
            inner = Grown(f"round({inner.text}, 0.001)", inner.labels, inner.series)
            param = f"{quote(value)}, "
        if grouping and self._chance(0.3):
            return Grown(f"{op}({param}{inner.text}){grouping}", left, max(1, inner.series // 2))
        return Grown(f"{op}{grouping} ({param}{inner.text})", tuple(sorted(left)), max(1, inner.series // 2))

    def _with_number(self, deep: int) -> Grown:
        inner = self._vector(deep - 1)
        op = self._one(*ARITHMETIC, *COMPARISON)
        bool_ = " bool" if op in COMPARISON and self._chance(0.3) else ""
        number = self._number() if self._chance(0.8) else self._scalar(deep - 1)
        sides = (inner.text, number) if self._chance(0.7) else (number, inner.text)
        return Grown(self._between(f"{op}{bool_}", *sides), inner.labels, inner.series)

    def _between(self, op: str, left: str, right: str) -> str:
        """With and without brackets, so that precedence and associativity are asked too."""
        left = f"({left})" if self._chance(0.7) else left
        right = f"({right})" if self._chance(0.7) else right
        return f"{left} {op} {right}"

    def _joined(self, deep: int) -> Grown:
        """Vector matching: of the same selector, of aggregations over the same labels, many to one, or at random."""
        op = self._one(*ARITHMETIC, "/", "-", *COMPARISON)
        bool_ = " bool" if op in COMPARISON and self._chance(0.3) else ""
        how = self._random.choices(("same", "grouped", "many", "random"), (4, 3, 3, 1))[0]
        name, series = self._random.choice(self._metrics)
        one, other = self._select(name, series, MANY), self._select(name, series, MANY)
        if how == "same":
            names = [label for label in one.labels if self._chance(0.8)]
            modifier = self._one(
                "", "", f" on ({', '.join(one.labels)})", " ignoring (missing)", f" on ({', '.join(names)})"
            )
            left, right = (self._dressed(side, deep - 1) for side in (one, self._random.choice((one, other))))
            return Grown(self._between(f"{op}{bool_}{modifier}", left, right), one.labels, one.series)
        if how == "random":
            this, that = self._vector(deep - 1), self._vector(deep - 1)
            modifier = self._matching(this.labels, that.labels, cards=True)
            return Grown(self._between(f"{op}{bool_}{modifier}", this.text, that.text), this.labels, this.series)
        names = [label for label in one.labels if label != "le" and self._chance(0.6)]
        few = f"{self._one('sum', 'max', 'avg', 'count')} by ({', '.join(names)}) ({self._dressed(other, deep - 1)})"
        if how == "grouped":
            left = f"{self._one('sum', 'min', 'avg')} by ({', '.join(names)}) ({self._dressed(one, deep - 1)})"
            modifier = self._one("", f" on ({', '.join(names)})", " ignoring (missing)")
            return Grown(self._between(f"{op}{bool_}{modifier}", left, few), tuple(names), one.series)
        extra = self._one("", "", *one.labels, "missing")
        matching = (
            f" on ({', '.join(names)})"
            if self._chance(0.7)
            else (f" ignoring ({', '.join(label for label in one.labels if label not in names)})")
        )
        many = self._dressed(one, deep - 1)
        sides, card = ((many, few), "group_left") if self._chance(0.7) else ((few, many), "group_right")
        return Grown(self._between(f"{op}{bool_}{matching} {card} ({extra})", *sides), one.labels, one.series)

    def _dressed(self, selector: Grown, deep: int) -> str:
        """A selector in a function of its range, in arithmetic with a number, or as it is."""
        text, *modifiers = re.split(r"(?= @ | offset )", selector.text)
        if deep > 0 and self._chance(0.6):
            window = self._window(selector.series)
            return f"{self._one(*RANGED)}({text}[{window}]{''.join(modifiers)})"
        return selector.text

    def _matching(self, left: Sequence[str], right: Sequence[str], *, cards: bool) -> str:
        common = [label for label in left if label in right]
        modifier = self._one(
            "", " on ()", f" on ({', '.join(self._some(common))})", f" ignoring ({', '.join(self._some(left))})"
        )
        if cards and modifier and self._chance(0.4):
            modifier += f" {self._one('group_left', 'group_right')} ({self._one('', *right)})"
        return modifier

    def _set(self, deep: int) -> Grown:
        op = self._one(*SET)
        left = self._vector(deep - 1)
        right = self._vector(deep - 1)
        if self._chance(0.4):
            right = Grown(f"{left.text} {self._one('>', '<', '==', '!=')} {self._number()}", left.labels, left.series)
        modifier = self._matching(left.labels, right.labels, cards=self._chance(0.03))
        return Grown(self._between(f"{op}{modifier}", left.text, right.text), left.labels, left.series + right.series)

    def _function(self, deep: int) -> Grown:
        inner = self._vector(deep - 1)
        call = self._one(*MATHS, *CALENDAR, *OTHERS, *OTHERS)
        if call in CALENDAR and self._chance(0.3):
            return Grown(f"{call}()")
        if call == "clamp":
            text = f"clamp({inner.text}, {self._number()}, {self._number()})"
        elif call in ("clamp_min", "clamp_max"):
            text = f"{call}({inner.text}, {self._number()})"
        elif call == "round":
            text = f"round({inner.text}{self._one('', ', 5', ', 0.1', ', 100', ', -3', ', 0')})"
        elif call == "timestamp":
            text = f"timestamp({self._selector().text if self._chance(0.6) else inner.text})"
            # Pinned, it forgets its offset, but sees no sample that the offset has not let the storage load.
            text = re.sub(r"( @ \S+) offset \S+\)$", r"\1)", text)
        elif call == "scalar":
            return Grown(f"vector(scalar({inner.text}))")
        elif call in CALENDAR:
            # What date NaN or the year 10^9 is, Go leaves to the processor.
            text = f"{call}(clamp({inner.text}, -1e9, 1e11) >= -1e9)"
        else:
            text = f"{call}({inner.text})"
        return Grown(text, inner.labels, inner.series)

    def _relabelled(self, deep: int) -> Grown:
        inner = self._vector(deep - 1)
        label = self._one("job", "missing", *inner.labels)
        target = self._one("new", "new", "job", *inner.labels, "0bad" if self._chance(0.1) else "new")
        if self._chance(0.4):
            sources = "".join(f", {quote(name)}" for name in self._some(inner.labels))
            text = f"label_join({inner.text}, {quote(target)}, {quote(self._one('-', '', ', '))}{sources})"
        else:
            pattern = self._one("(.*)", "(.+)", "([a-z]+).*", "(.)(.*)", "", "x", "(?P<head>[^:]*):?(?P<tail>.*)")
            value = self._one("$1", "a-$1", "${1}b", "$2$1", "$head", "${tail}", "", "$$", "fixed", "$9")
            text = f"label_replace({inner.text}, {quote(target)}, {quote(value)}, {quote(label)}, {quote(pattern)})"
        return Grown(text, (*inner.labels, target), inner.series)

    def _histogram(self, deep: int) -> Grown:
        if not self._buckets:
            return self._ranged(deep)
        name, series = self._random.choice(self._buckets)
        labels = [label for label in series[0].labels if label not in (METRIC_NAME, "le")]
        model = self._random.choice(series).labels
        # Whole histograms: narrowed by anything but le.
        kept, matchers = list(series), list[str]()
        for label in self._random.sample(labels, len(labels)):
            if len(kept) > 2 * MANY:
                kept = [one for one in kept if one.labels.get(label, "") == model.get(label, "")]
                matchers.append(f"{label}={quote(model.get(label, ''))}")
        if self._chance(0.1):
            matchers.append(f"le!={quote(self._one('+Inf', model['le']))}")
        buckets = f"{name}{{{','.join(matchers)}}}" if matchers else name
        if self._chance(0.85):
            buckets = (
                f"{self._one('rate', 'increase', 'rate', 'delta')}({buckets}[{self._duration(60, 120, 300, 600)}])"
            )
        left = tuple(labels)
        if self._chance(0.6):
            left = self._some(labels)
            buckets = f"{self._one('sum', 'sum', 'avg', 'max')} by ({', '.join(('le', *left))}) ({buckets})"
        return Grown(f"histogram_quantile({self._share(deep)}, {buckets})", left, max(1, len(kept) // 8))

    def _absent(self, deep: int) -> Grown:
        if self._chance(0.4):
            return Grown(f"absent_over_time({self._range(deep).text})")
        inner = self._vector(deep - 1)
        return Grown(f"absent({inner.text}{self._one('', '', ' > 1e9')})")

    def _from_scalar(self, deep: int) -> Grown:
        return Grown(f"vector({self._scalar(deep - 1)})")

    # Scalars

    def _share(self, deep: int) -> str:
        if self._chance(0.05):
            return self._scalar(deep - 2)
        return self._one("0.5", "0.9", "0.99", "0.95", "0", "1", "0.25", "-0.1", "1.1", "NaN")

    def _number(self) -> str:
        if self._chance(0.5):  # a value that is really there, so that comparisons hit it
            _, series = self._random.choice(self._metrics)
            values = self._random.choice(series).values
            return repr(float(self._random.choice(values.tolist()))).replace("inf", "Inf").replace("nan", "NaN")
        return self._one(*NUMBERS)

    def _scalar(self, deep: int) -> str:
        if deep <= 0 or self._chance(0.3):
            return self._one(self._number(), "time()", "pi()", "time() % 3600", "-1", "+2", "2 ^ 3 ^ 0.5", "-2 ^ 2")
        if self._chance(0.4):
            return f"scalar({self._vector(deep - 1).text})"
        op = self._one(*ARITHMETIC, *(f"{one} bool" for one in COMPARISON))
        return self._between(op, self._scalar(deep - 1), self._scalar(deep - 2))
