"""What every rule file has besides: a watchdog, an absent(), tickets that page nobody."""

from __future__ import annotations

import numpy as np

from rulegen.core.labels import Labels
from rulegen.train.plot import Kind, Plot, Signal, Stage, selector
from rulegen.train.signals import arrivals, daily, steady, wander
from rulegen.train.vocabulary import Measure


def plant_watchdog(stage: Stage) -> Plot:
    """Fires always, by design."""
    rule = stage.page("Watchdog", "vector(1)", summary="Alerting works from end to end. This alert must always fire.")
    rule = type(rule)(rule.name, rule.expr, labels=Labels({"severity": "none"}), annotations=rule.annotations)
    return Plot((), (rule,), (stage.healthy(rule),))


def plant_absent(stage: Stage) -> Plot:
    """Whether the exporter is there at all."""
    heartbeat = Measure(
        "exporter_last_scrape_success", "gauge", "Whether the exporter reached its source.", quantum=1
    )
    signal = Signal(heartbeat, stage.service.whole, np.ones(stage.axis.n), stage.every)
    metric = selector(heartbeat.name, {stage.dialect.service: stage.service.name})
    rule = stage.page(
        "ExporterGone", f"absent({metric})", 15, "No data from the exporter: half of these rules are blind."
    )
    return Plot((signal,), (rule,), (stage.healthy(rule),))


def plant_disk(stage: Stage) -> Plot:
    """Disks that fill slowly and are emptied in time: a ticket with a forecast."""
    rng, axis = stage.rng, stage.axis
    size = Measure("node_filesystem_size_bytes", "gauge", "Size of the file system.", quantum=2**30)
    avail = Measure("node_filesystem_avail_bytes", "gauge", "Space left.", quantum=2**26)
    total = 100.0 * 2**30
    period = int(rng.integers(3 * 1440, 5 * 1440))
    used = 0.4 + 0.48 * ((np.arange(axis.n) + int(rng.integers(period))) % period) / period
    left = total * (1 - used + wander(rng, axis.n, 0.002, 60))
    mount = Labels({"mountpoint": "/var/lib/data"})
    signals = (
        Signal(avail, stage.service.whole, left, 4, mount),
        Signal(size, stage.service.whole, np.full(axis.n, total), 4, mount),
    )
    low = stage.ticket(
        "DiskAlmostFull", f"{avail.name} / {size.name} < 0.15", 15, "{{ $labels.mountpoint }} is nearly full"
    )
    soon = stage.ticket(
        "DiskFullSoon",
        f"predict_linear({avail.name}[2h], 4 * 3600) < 0",
        30,
        "{{ $labels.mountpoint }} fills up today",
    )
    return Plot(signals, (low, soon), (stage.healthy(low), stage.healthy(soon)))


def plant_throttling(stage: Stage) -> Plot:
    """CPU throttling as a ticket, as the Kubernetes mixin has it."""
    rng, axis = stage.rng, stage.axis
    periods = Measure("container_cpu_cfs_periods", "counter", "Elapsed enforcement periods.", quantum=1)
    throttled = Measure("container_cpu_cfs_throttled_periods", "counter", "Throttled periods.", quantum=1)
    target = stage.service.whole
    busy = daily(axis, 0.3) * 9
    share = np.clip(steady(rng, axis, 0.02, 0.22) + wander(rng, axis.n, 0.03), 0, 1)
    signals = (
        Signal(periods, target, arrivals(rng, busy), 4),
        Signal(throttled, target, arrivals(rng, busy * share), 4),
    )
    by = stage.dialect.service
    part, whole = (f"sum by ({by}) (increase({m.name}_total[20m]))" for m in (throttled, periods))
    rule = stage.ticket(
        "CPUThrottlingHigh",
        f"{part} / {whole} > 0.25",
        15,
        "{{ $value | humanizePercentage }} of the periods are throttled",
    )
    return Plot(signals, (rule,), (stage.healthy(rule),))


def plant_no_traffic(stage: Stage) -> Plot:
    """Nobody asks any more: a page that never had to go out. Reads what the other plots count."""
    http, by = stage.dialect.http, stage.dialect.service
    target = stage.service.whole
    counter = Measure(http, "counter", "Requests by status code.", quantum=1)
    traffic = arrivals(stage.rng, 4 * daily(stage.axis, 0.3))
    signal = Signal(counter, target, traffic, max(2, stage.every), Labels({stage.dialect.code: "200"}))
    metric = selector(f"{http}_total", {by: stage.service.name})
    rule = stage.page(
        "NoTraffic", f"sum by ({by}) (rate({metric}[10m])) < 0.1", 10, f"Nobody calls {{{{ $labels.{by} }}}}"
    )
    return Plot((signal,), (rule,), (stage.healthy(rule),))


_NEVER = (0, 0)
KINDS = (
    Kind("watchdog", "meta", plant_watchdog, (1, 1), _NEVER),
    Kind("absent", "meta", plant_absent, (1, 1), _NEVER),
    Kind("disk", "resources", plant_disk, (1, 1), _NEVER),
    Kind("throttling", "resources", plant_throttling, (1, 1), _NEVER),
    Kind("no_traffic", "http", plant_no_traffic, (1, 1), _NEVER),
)
