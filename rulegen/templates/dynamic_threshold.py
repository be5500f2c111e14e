"""dynamic_threshold: fire only where the value is also far from what it was at this hour of earlier days or weeks.

The old threshold stays, and ``unless`` takes back what is usual: where the earlier days are missing nothing is taken
back, so the rule then fires as before.
"""

from __future__ import annotations

from dataclasses import replace

from rulegen.core.candidate import Choice, Slot, Slots
from rulegen.core.cluster import Cluster, Grade
from rulegen.core.durations import DAY, HOUR, MINUTE, WEEK
from rulegen.core.rule import Rule
from rulegen.promql import selectors
from rulegen.promql.rewrite import comparison, fill, number
from rulegen.promql.windows import over_time
from rulegen.templates.template import Template, duration, durations, real, word

WIDTH = HOUR  # half of it before this time of the day, half of it after
COARSE = 5 * MINUTE
ENOUGH = 3  # the history must be this many times as long as what the rule looks back
RATIOS = (1.5, 2.0, 1.2, 3.0)
DEVIATIONS = (3.0, 2.0, 4.0)


def slots(cluster: Cluster) -> tuple[Slot, ...] | None:
    found = comparison(cluster.rule.expr)
    if found is None or found.index or not found.ordered:
        return None
    if any(one.fixed for one in selectors(found.left)):
        return None  # pinned to one time: it has no earlier days
    reach = cluster.inventory.reach
    seasons = [season for season in (WEEK, DAY) if ENOUGH * season <= reach]
    if not seasons:
        return None
    back = [times for times in (1, 2, 3) if ENOUGH * times * min(seasons) <= reach]
    beyond = [Choice(f"{number(one)}x", f"ratio {number(one)}") for one in RATIOS if found.threshold > 0]
    beyond += [Choice(f"{number(one)}sd", f"deviations {number(one)}") for one in DEVIATIONS]
    earlier = tuple(Choice(str(times), float(times)) for times in back)
    return Slot("season", durations(*seasons)), Slot("seasons", earlier), Slot("beyond", tuple(beyond))


def render(cluster: Cluster, filled: Slots) -> tuple[Rule, ...]:
    rule = cluster.rule
    found = comparison(rule.expr)
    if found is None or found.index:
        raise ValueError("the expression as a whole has no threshold")
    season, times = duration(filled, "season"), int(real(filled, "seasons"))
    if ENOUGH * season * times > cluster.inventory.reach:
        raise ValueError("the history is too short for so many earlier seasons")
    back = [season * turn - WIDTH // 2 for turn in range(1, times + 1)]
    step = max(COARSE, cluster.interval)

    def mean(function: str) -> str:
        means = (over_time(function, found.left, WIDTH, step, one) for one in back)
        parts = dict(zip("BCD", means, strict=False))
        total = " + ".join(parts)
        return fill(total if times == 1 else f"({total}) / {times}", **parts)

    kind, factor = word(filled, "beyond").split()
    usual = "<=" if found.rising else ">="
    sign = "+" if found.rising else "-"
    if kind == "ratio":
        # For what must not fall, twice as far is half of it.
        limit = fill(f"{factor if found.rising else number(1 / float(factor))} * A", A=mean("avg_over_time"))
    else:
        limit = fill(f"A {sign} {factor} * B", A=mean("avg_over_time"), B=mean("stddev_over_time"))
    taken_back = fill(f"A {usual} B", A=found.left, B=limit)
    return (replace(rule, expr=fill("A unless B", A=rule.expr, B=taken_back)),)


def remarks(_: Cluster, filled: Slots) -> tuple[str, ...]:
    """What a reviewer has to know."""
    return ("trouble at the hour of earlier trouble looks usual to it",)


TEMPLATE = Template(
    name="dynamic_threshold",
    summary="fire only where the value is also unusual for this hour, by earlier days or weeks",
    change="tuning",
    grades=frozenset({Grade.METRICS}),
    slots=slots,
    render=render,
    remarks=remarks,
)
