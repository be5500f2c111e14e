"""How long changes of the routing take to judge: ``python -m evals.bench_routing [--rules 50 200] [--bursts 10]``.

Each of the rules pages for four pods at once, again and again, an incident for every fifth time; groupings and two
longer waits are on offer for each. Printed are CPU seconds of choosing among the rules' changes after Alertmanager
(``settled``) and of the routing's turn (``reroute``), by the number of rules.
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from rulegen.core.durations import MINUTE
from rulegen.core.history import History, recordings
from rulegen.core.incident import Incident, IncidentRecord
from rulegen.core.labels import Labels
from rulegen.core.routing import Receiver, Route, Routing
from rulegen.core.rule import Rule, RuleGroup, RuleSet
from rulegen.core.series import Samples, Series
from rulegen.core.settings import Settings
from rulegen.core.spans import Span
from rulegen.desk import Desk
from rulegen.pager import Pager
from rulegen.propose.search import enumerate_proposals
from rulegen.reroute import reroute
from rulegen.score.parts import split
from rulegen.templates import TEMPLATES

EVERY, LASTING, PODS, OFFERED = 180, 20, 4, 12  # minutes, minutes; groupings on offer for each rule


def world(rules: int, bursts: int) -> History:
    """``rules`` rules, each of which pages ``bursts`` times for each of its pods."""
    chance = np.random.default_rng(0)
    minutes = bursts * EVERY
    times = np.arange(minutes, dtype=np.int64) * MINUTE
    series, incidents, alerting = [], [], []
    for number in range(rules):
        level = np.ones(minutes)
        for burst in range(bursts):
            at = burst * EVERY + int(chance.integers(0, EVERY - 2 * LASTING))
            level[at : at + LASTING] = 9.0
            if burst % 5 == 0:
                span = Span(at * MINUTE, (at + LASTING) * MINUTE)
                incidents.append(Incident(f"i{number}-{burst}", span, Labels({"service": f"s{number}"})))
        for pod in range(PODS):
            labels = {"__name__": "queue", "service": f"s{number}", "pod": f"p{pod}"}
            series.append(Series(Labels(labels), times, level))
        page = Labels({"severity": "page"})
        alerting.append(Rule(f"Deep{number}", f'queue{{service="s{number}"}} > 2', labels=page))
    samples, span = Samples.of(series), Span(0, int(times[-1]))
    record = IncidentRecord(tuple(sorted(incidents, key=lambda one: (one.span, one.id))), (span,))
    groups = RuleSet((RuleGroup("g", tuple(alerting), "rules.yml", MINUTE),))
    return History(span, recordings(samples), groups, samples, (), record)


def measured(rules: int, bursts: int) -> tuple[float, float, int]:
    """CPU seconds of ``settled`` and of ``reroute``, and how many groupings were accepted."""
    some = {name: [one for one in TEMPLATES if one.name == name] for name in ("hold", "group")}
    desk = Desk.of(
        world(rules, bursts),
        Settings(lead=0),
        lambda cluster: [
            *list(enumerate_proposals(cluster, some["hold"], 2)),
            *list(enumerate_proposals(cluster, some["group"], OFFERED)),
        ],
        MINUTE,
        lambda *_: None,
    )
    route = Route("pager", group_by=("alertname", "service", "pod"))
    pager, parts = Pager.of(desk, Routing(route, {"pager": Receiver("pager")})), split(desk.judge)
    selection = desk.select(parts)
    start = time.process_time()
    selection = pager.settled(parts, selection)
    between = time.process_time()
    found = reroute(pager, parts, selection)
    return between - start, time.process_time() - between, sum(not one.reasons for one in found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=int, nargs="+", default=[50, 200])
    parser.add_argument("--bursts", type=int, default=10)
    asked = parser.parse_args()
    table = Table("rules", "pages", "settled s", "reroute s", "groupings accepted")
    for count in asked.rules:
        settled, routed, accepted = measured(count, asked.bursts)
        pages = f"{count * asked.bursts * PODS:,}"
        table.add_row(str(count), pages, f"{settled:.2f}", f"{routed:.2f}", str(accepted))
    Console(width=120).print(table)


if __name__ == "__main__":
    main()
