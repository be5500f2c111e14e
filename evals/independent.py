"""A judge that shares no code with rulegen: a real Prometheus evaluates, and what is left is spelled out here.

From the words of the design: an alert fires once its expression held for ``for``, and is kept for ``keep_firing_for``
after it no longer does; a page outside every incident (± grace) is noise; an incident is caught by a page with its
service that starts within it, or that began at most an hour before and still holds.
"""

from __future__ import annotations

import csv
import gzip
import re
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
from ruamel.yaml import YAML

STEP, GRACE, CARRY = 60, 60, 3600  # seconds
PAGING = frozenset({"page"})
UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}


@dataclass(frozen=True)
class Page:
    """A page in whole seconds: from its first evaluation firing to its last."""

    rule: int
    service: str
    start: int
    end: int
    name: str = ""  # group/alert
    series: str = ""  # what tells it from the rule's other alerts


@dataclass(frozen=True)
class Incident:
    id: str
    service: str
    start: int
    end: int


@dataclass(frozen=True)
class Score:
    pages: int
    noise: int
    minutes: int
    delays: dict[str, int]  # caught incident → seconds after its start
    paging: int  # rules that page at least once


def blocks_of(metrics: Path, home: Path) -> Path:
    """The OpenMetrics file ``metrics`` (gzip) as a Prometheus data directory below ``home``."""
    text = home / "metrics.om"
    text.write_bytes(gzip.decompress(metrics.read_bytes()))
    build = ["promtool", "tsdb", "create-blocks-from", "openmetrics", str(text), str(home / "tsdb")]
    subprocess.run(build, check=True, capture_output=True, timeout=300)
    return home / "tsdb"


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def serving(tsdb: Path, home: Path) -> Iterator[str]:
    """A Prometheus on loopback over the data directory ``tsdb``; yields its URL."""
    (home / "prometheus.yml").write_text("{}\n")
    port = free_port()
    flags = [f"--config.file={home}/prometheus.yml", f"--storage.tsdb.path={tsdb}"]
    flags += ["--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    server = subprocess.Popen(["prometheus", *flags])
    try:
        url = f"http://127.0.0.1:{port}"
        for _ in range(300):
            try:
                if httpx.get(f"{url}/-/ready", timeout=2).status_code == 200:
                    break
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        yield url
    finally:
        server.terminate()
        server.wait(timeout=30)


def read_incidents(path: Path) -> list[Incident]:
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return [Incident(row["id"], row["service"], int(row["start"]), int(row["end"])) for row in rows]


def pages(url: str, rule_file: Path, start: int, end: int, paging: frozenset[str] = PAGING) -> list[Page]:
    """All pages (alerts with a ``paging`` severity) of ``rule_file``'s rules at every full minute of the range."""
    found, number = [], 0
    for group in YAML(typ="safe").load(rule_file.read_text())["groups"]:
        for rule in group["rules"] or ():
            number += 1
            if rule.get("labels", {}).get("severity", "") not in paging:
                continue
            hold, keep = _seconds(rule.get("for", "0s")), _seconds(rule.get("keep_firing_for", "0s"))
            for labels, times in _held(url, rule["expr"], start, end):
                service = rule.get("labels", {}).get("service", labels.get("service", ""))
                name, series = f"{group['name']}/{rule['alert']}", str(sorted(labels.items()))
                found += [
                    Page(number, service, a, b, name, series) for a, b in _firings(times, start, end, hold, keep)
                ]
    return found


def firings_of(url: str, expr: str, start: int, end: int) -> Iterator[tuple[dict[str, str], int, int]]:
    """Each alert of a rule without waits: its series' labels, the first and the last evaluation at which it fires."""
    for labels, times in _held(url, expr, start, end):
        for first, last in _firings(times, start, end, 0, 0):
            yield labels, first, last


def score(pages: list[Page], incidents: list[Incident], start: int, end: int) -> Score:
    """What pages in [start, end], against the incidents that start there."""
    mine = [page for page in pages if start <= page.start <= end]
    delays = {}
    for incident in incidents:
        if start <= incident.start <= end:
            hits = [max(0, page.start - incident.start) for page in mine if catches(page, incident)]
            if hits:
                delays[incident.id] = min(hits)
    return Score(
        pages=len(mine),
        noise=sum(outside(page.start, incidents) for page in mine),
        minutes=sum(
            outside(at, incidents)
            for page in pages
            for at in range(page.start, page.end + 1, STEP)
            if start <= at <= end
        ),
        delays=delays,
        paging=len({page.rule for page in mine}),
    )


def catches(page: Page, incident: Incident) -> bool:
    if page.service != incident.service or page.start > incident.end:
        return False
    lasting = page.start >= incident.start - CARRY and page.end >= incident.start
    return page.start >= incident.start or lasting


def outside(at: int, incidents: list[Incident]) -> bool:
    return not any(one.start - GRACE <= at <= one.end + GRACE for one in incidents)


def _held(url: str, expr: str, start: int, end: int) -> Iterator[tuple[dict[str, str], set[int]]]:
    """Each series of ``expr`` with the times at which it exists, from ``query_range``."""
    params = {"query": expr, "start": str(start), "end": str(end), "step": str(STEP)}
    answer = httpx.post(f"{url}/api/v1/query_range", data=params, timeout=60)
    answer.raise_for_status()
    if answer.json()["data"]["resultType"] != "matrix":
        return
    for series in answer.json()["data"]["result"]:
        yield series["metric"], {int(at) for at, _ in series["values"]}


def _firings(times: set[int], start: int, end: int, hold: int, keep: int) -> Iterator[tuple[int, int]]:
    """Walks every evaluation, as Prometheus does, and yields the first and last at which the alert fired."""
    active = fired = lapsed = last = None
    for at in range(start, end + 1, STEP):
        if at in times:
            lapsed = None
            if active is None:
                active = at
            if fired is None and at - active >= hold:
                fired = at
        elif fired is None:
            active = None
        else:
            lapsed = at if lapsed is None else lapsed
            if at - lapsed >= keep:
                assert last is not None
                yield fired, last
                active = fired = lapsed = None
        if fired is not None:
            last = at
    if fired is not None and last is not None:
        yield fired, last


def _seconds(duration: str) -> int:
    return sum(int(count) * UNITS[unit] for count, unit in re.findall(r"(\d+)([dhms])", str(duration)))
