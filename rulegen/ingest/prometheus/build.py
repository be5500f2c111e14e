"""Which Prometheus is it? Its build information → the semantics of its range windows."""

from __future__ import annotations

import re

from rulegen.core.semantics import Semantics
from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus.connection import Connection
from rulegen.ingest.prometheus.failures import Unreachable

_VERSION = re.compile(r"v?([23])\.\d+\.\d+")


def read_semantics(conn: Connection) -> Semantics | None:
    """Left-open windows since Prometheus 3, closed before; None where the server does not say or is no Prometheus.

    The kin answer the same request with versions of their own: VictoriaMetrics with a made-up ``2.24.0`` and nothing
    beside it, Mimir and Cortex with their ``application``, Thanos with ``0.x``. So only an answer that has the
    build's revision and Go version, no ``application`` and no ``features`` is believed.

    Raises UpstreamError when the server cannot be reached at all.
    """
    try:
        build = conn.ask("/api/v1/status/buildinfo").data
    except Unreachable:
        raise
    except UpstreamError:
        return None
    if not isinstance(build, dict) or not build.get("revision") or not build.get("goVersion"):
        return None
    version = _VERSION.match(str(build.get("version", "")))
    if version is None or "application" in build or "features" in build:
        return None
    return "open" if version[1] == "3" else "closed"
