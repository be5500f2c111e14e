"""Any Prometheus-compatible HTTP API as a source: alerts over time, raw samples, rules, evaluated expressions.

Depends on ``query``, ``query_range`` and ``rules`` alone, so that Prometheus, Thanos, Mimir and VictoriaMetrics serve
alike; remote read and the build information are used where they are there.
"""

from rulegen.ingest.prometheus.about import about
from rulegen.ingest.prometheus.build import read_semantics
from rulegen.ingest.prometheus.cache import Cache
from rulegen.ingest.prometheus.connection import Connection, connect
from rulegen.ingest.prometheus.episodes import fetch_alerts, recorded_alerts
from rulegen.ingest.prometheus.pages import Progress
from rulegen.ingest.prometheus.pushdown import ServerEngine
from rulegen.ingest.prometheus.rules import fetch_rules
from rulegen.ingest.prometheus.samples import fetch_samples, query_range

__all__ = [
    "Cache",
    "Connection",
    "Progress",
    "ServerEngine",
    "about",
    "connect",
    "fetch_alerts",
    "fetch_rules",
    "fetch_samples",
    "query_range",
    "read_semantics",
    "recorded_alerts",
]
