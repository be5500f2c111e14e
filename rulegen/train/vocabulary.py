"""The words a world is told in: services, metrics as exporters name them, labels, alert names, comments.

Worlds draw from these lists, so that what learns from many of them reads structure and not memorised names.
Metric and label names are facts about public exporters and mixins; the sentences are our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from rulegen.core.labels import EMPTY, Labels
from rulegen.train.chance import pick

MetricType = Literal["gauge", "counter", "histogram", "summary"]


@dataclass(frozen=True, slots=True)
class Measure:
    """A metric that can play a role in a plot.

    ``thresholds`` are those that people would write for it, ``quantum`` is what its values are rounded to, ``labels``
    are on every series and in every selector, ``by`` names the label that tells the parts of one target apart.
    """

    name: str
    type: MetricType
    help: str
    thresholds: tuple[float, ...] = ()
    quantum: float = 0.01
    labels: Labels = EMPTY
    by: str = ""
    alerts: tuple[str, ...] = ()


MEASURES: dict[str, tuple[Measure, ...]] = {
    "latency": (
        Measure(
            "http_request_duration_seconds",
            "summary",
            "Request latency.",
            (0.5, 0.8, 1.0),
            labels=Labels({"quantile": "0.99"}),
            alerts=("HighLatencyP99", "SlowRequests"),
        ),
        Measure(
            "grpc_server_handling_seconds",
            "summary",
            "Time to answer a call.",
            (0.5, 1.0),
            labels=Labels({"quantile": "0.95"}),
            alerts=("GrpcSlow", "GrpcLatencyHigh"),
        ),
        Measure(
            "upstream_response_time_ms",
            "gauge",
            "Moving mean of the upstream's response time.",
            (250, 400, 800),
            1,
            alerts=("UpstreamSlow", "ResponseTimeHigh"),
        ),
    ),
    "saturation": (
        Measure(
            "worker_busy_ratio",
            "gauge",
            "Share of workers that are busy.",
            (0.7, 0.8, 0.85),
            alerts=("WorkersSaturated", "WorkerPoolBusy"),
        ),
        Measure(
            "jvm_gc_pause_ratio",
            "gauge",
            "Share of the last minute spent in GC pauses.",
            (0.1, 0.2),
            alerts=("GcPausesTooLong", "JvmGcThrashing"),
        ),
        Measure(
            "db_pool_wait_ms",
            "gauge",
            "Time to get a connection from the pool.",
            (50, 100, 200),
            1,
            alerts=("DbPoolExhausted", "ConnectionPoolWait"),
        ),
        Measure(
            "event_loop_lag_ms",
            "gauge",
            "Lag of the event loop.",
            (80, 150),
            1,
            alerts=("EventLoopLag", "NodeLoopBlocked"),
        ),
    ),
    "memory": (
        Measure(
            "container_memory_working_set_bytes",
            "gauge",
            "Working set.",
            (0.75, 0.8),
            2**21,
            alerts=("ContainerMemoryNearLimit", "PodMemoryHigh"),
        ),
        Measure(
            "jvm_memory_used_bytes",
            "gauge",
            "Heap in use.",
            (0.75, 0.8),
            2**21,
            Labels({"area": "heap"}),
            alerts=("JvmHeapHigh", "HeapAlmostFull"),
        ),
        Measure(
            "redis_memory_used_bytes",
            "gauge",
            "Memory in use.",
            (0.7, 0.8),
            2**20,
            alerts=("RedisMemoryHigh", "CacheNearlyFull"),
        ),
    ),
    "queue": (
        Measure(
            "rabbitmq_queue_messages_ready",
            "gauge",
            "Messages ready for delivery.",
            (500, 1000, 2000),
            10,
            by="queue",
            alerts=("QueueBacklog", "RabbitQueueGrowing"),
        ),
        Measure(
            "kafka_consumergroup_lag",
            "gauge",
            "Messages that the group is behind.",
            (1000, 5000),
            10,
            by="topic",
            alerts=("ConsumerLag", "KafkaLagHigh"),
        ),
        Measure(
            "sidekiq_queue_size",
            "gauge",
            "Jobs waiting.",
            (200, 500),
            1,
            by="queue",
            alerts=("JobsPilingUp", "SidekiqBacklog"),
        ),
    ),
    "errors": (
        Measure(
            "upstream_timeouts",
            "counter",
            "Calls that ran into the timeout.",
            (0.2, 0.5, 1),
            1,
            alerts=("UpstreamTimeouts", "TooManyTimeouts"),
        ),
        Measure(
            "db_client_errors",
            "counter",
            "Failed database calls.",
            (0.5, 1, 2),
            1,
            alerts=("DatabaseErrors", "DbCallsFailing"),
        ),
        Measure(
            "redis_command_failures",
            "counter",
            "Commands that failed.",
            (0.2, 1),
            1,
            alerts=("CacheErrors", "RedisCommandsFail"),
        ),
    ),
    "probe": (
        Measure("up", "gauge", "Whether the last scrape worked.", (0,), 1, alerts=("TargetDown", "InstanceDown")),
        Measure(
            "probe_success", "gauge", "Whether the probe worked.", (0,), 1, alerts=("ProbeFailed", "EndpointDown")
        ),
        Measure(
            "kube_pod_status_ready",
            "gauge",
            "Whether the pod is ready.",
            (0,),
            1,
            Labels({"condition": "true"}),
            alerts=("PodNotReady", "KubePodNotReady"),
        ),
    ),
    "restarts": (
        Measure(
            "kube_pod_container_status_restarts",
            "counter",
            "Container restarts.",
            (0,),
            1,
            alerts=("PodRestarted", "ContainerRestarting"),
        ),
        Measure(
            "supervisor_restarts", "counter", "Worker restarts.", (0,), 1, alerts=("WorkerRestarted", "Respawning")
        ),
    ),
    "chronic": (
        Measure(
            "pg_replication_lag_seconds",
            "gauge",
            "Replication lag behind the primary.",
            (300, 600),
            5,
            alerts=("ReplicationLag", "PostgresReplicaBehind"),
        ),
        Measure(
            "elasticsearch_cluster_health_unassigned_shards",
            "gauge",
            "Shards without a node.",
            (5, 10),
            1,
            alerts=("UnassignedShards", "SearchClusterYellow"),
        ),
        Measure(
            "mail_queue_deferred",
            "gauge",
            "Mails that wait for another try.",
            (200, 400),
            5,
            alerts=("MailQueueDeferred", "MailBacklog"),
        ),
    ),
    "seasonal": (
        Measure(
            "mysql_threads_running",
            "gauge",
            "Threads that are not sleeping.",
            (40, 60),
            1,
            alerts=("MysqlBusy", "MysqlThreadsHigh"),
        ),
        Measure(
            "instance_cpu_utilisation_ratio",
            "gauge",
            "Share of CPU time not idle.",
            (0.8, 0.9),
            alerts=("CpuHigh", "InstanceCpuSaturated"),
        ),
    ),
}

HTTP = (
    ("http_requests", "code"),
    ("http_server_requests", "status"),
    ("nginx_http_responses", "status_code"),
    ("istio_requests", "response_code"),
)
MEMORY_LIMITS = {
    "container_memory_working_set_bytes": ("kube_pod_container_resource_limits", Labels({"resource": "memory"})),
    "jvm_memory_used_bytes": ("jvm_memory_max_bytes", Labels({"area": "heap"})),
    "redis_memory_used_bytes": ("redis_memory_max_bytes", EMPTY),
}
QUEUES = (
    "orders",
    "invoices",
    "emails",
    "webhooks",
    "thumbnails",
    "exports",
    "reindex",
    "newsletter",
    "audit",
    "sync",
)
SERVICES = (
    *(
        "frontend",
        "checkout",
        "cart",
        "search",
        "payments",
        "catalog",
        "shipping",
        "accounts",
        "giftcards",
        "reviews",
    ),
    *("pricing", "inventory", "recommendations", "sessions", "fulfilment", "returns", "coupons", "media", "notifier"),
    *("ledger", "gateway", "identity", "geo", "feeds", "billing", "orders", "warehouse", "loyalty", "taxes", "ads"),
)
COMMENTS = (
    "copied from the old setup, nobody remembers why this number",
    "still too noisy at night, somebody should look at it",
    "Threshold from the load test of last spring.",
    "see the incident review; do not remove",
    "was a ticket before the big sale",
    "raised once already, see the retro",
    "keep in step with the dashboard",
    "agreed with the team in the last review",
    "pages the primary on-call",
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one team names things: label names, severities, its request counter, and one measure for each role."""

    namespace: str
    service: str
    pod: str
    page: str
    ticket: str
    style: str
    runbooks: bool
    http: str
    code: str
    measures: dict[str, Measure]

    def group(self, domain: str) -> str:
        return f"{self.namespace}.{domain}" if self.style == "prefixed" else f"{domain}.rules"

    def runbook(self, name: str) -> str:
        return f"https://runbooks.{self.namespace}.example/{name.lower()}" if self.runbooks else ""

    def alert(self, name: str) -> str:
        return f"{self.namespace.capitalize()}{name}" if self.style == "prefixed" else name


def draw_dialect(rng: np.random.Generator, pinned: dict[str, str], measures: dict[str, str]) -> Dialect:
    """A dialect with ``pinned`` names kept; ``measures`` pins the metric of a role by name.

    Raises ValueError for a role or a metric that is not in the vocabulary.
    """
    for role, name in measures.items():
        if name not in {m.name for m in MEASURES.get(role, ())}:
            raise ValueError(f"no metric {name!r} in the role {role!r}")
    severities = pick(rng, (("page", "ticket"), ("critical", "warning"), ("page", "info"), ("critical", "ticket")))
    http = dict(HTTP)
    drawn = {
        "namespace": pick(rng, ("shop", "store", "market", "prod", "retail", "web")),
        "service": pick(rng, ("service", "app", "component", "workload")),
        "pod": pick(rng, ("pod", "instance", "replica")),
        "page": severities[0],
        "ticket": severities[1],
        "style": pick(rng, ("camel", "prefixed")),
        "http": pick(rng, HTTP)[0],
    }
    chosen = {role: pick(rng, options) for role, options in MEASURES.items()}
    chosen |= {role: next(m for m in MEASURES[role] if m.name == name) for role, name in measures.items()}
    words = drawn | pinned
    if words["http"] not in http:
        raise ValueError(f"no request counter {words['http']!r} in the vocabulary")
    return Dialect(**words, runbooks=bool(rng.random() < 0.5), code=http[words["http"]], measures=chosen)
