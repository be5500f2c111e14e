"""rulegen listen's own metrics."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics, generate_latest

from rulegen.listen.admission import Admission, Refusal

disable_created_metrics()  # type: ignore[no-untyped-call] # they triple the text and say nothing that is asked here
_LATENCY = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10)


class Meters:
    """A registry of its own, so that nothing of the process stands in it twice."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.received = Counter(
            "rulegen_listen_received_alerts", "Alerts received.", ["input"], registry=self.registry
        )
        self.admitted = Counter(
            "rulegen_listen_admitted_alerts", "Alerts admitted to the queue.", ["input"], registry=self.registry
        )
        self.refused = Counter(
            "rulegen_listen_refused_alerts", "Alerts refused.", ["input", "reason"], registry=self.registry
        )
        self.invalid = Counter(
            "rulegen_listen_invalid", "Alerts, or bodies, that can't be read.", ["input"], registry=self.registry
        )
        self.commits = Histogram(
            "rulegen_listen_commit_seconds",
            "Time of one commit, its fsync included.",
            buckets=_LATENCY,
            registry=self.registry,
        )
        self.committed = Counter("rulegen_listen_committed_alerts", "Alerts durably stored.", registry=self.registry)
        self.queued = Gauge(
            "rulegen_listen_queued_alerts", "Alerts that wait for their commit.", registry=self.registry
        )
        self.wait = Gauge(
            "rulegen_listen_wait_seconds", "Expected time until an alert is durable.", registry=self.registry
        )
        self.open = Gauge("rulegen_listen_open", "Requests and streams under way.", ["input"], registry=self.registry)
        self.tasks = Gauge("rulegen_listen_tasks", "Tasks of the event loop.", registry=self.registry)
        for source in ("http", "webhook", "grpc"):
            self.received.labels(source), self.admitted.labels(source), self.invalid.labels(source)
            for reason in Refusal:
                self.refused.labels(source, reason.value)

    def watch(self, admission: Admission) -> None:
        """Called in the event loop, as :meth:`text` is."""
        self.tasks.set_function(lambda: len(asyncio.all_tasks()))
        self.queued.set_function(lambda: admission.queued)
        self.wait.set_function(lambda: admission.wait(1))

    def commit(self, alerts: int, _batches: int, seconds: float) -> None:
        self.commits.observe(seconds)
        self.committed.inc(alerts)

    def text(self) -> bytes:
        """In Prometheus' text format."""
        found: bytes = generate_latest(self.registry)
        return found
