"""Spans: what they tell, whom they follow, and that nothing is there where nobody asked."""

from __future__ import annotations

import time
from pathlib import Path

import httpx
import pytest
from listening import alert, listening
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from rulegen.listen.tracing import NOTHING, Traced, spans

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
NOW = int(time.time())


def test_follows_what_came_in() -> None:
    exported = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exported))
    traced = Traced(provider.get_tracer("test"))
    with traced.span("one", f"00-{TRACE}-{PARENT}-01") as span:
        span.set(deadline_s=1.5)
    with traced.span("two", "nonsense"):
        pass
    one, two = exported.get_finished_spans()
    assert one.context is not None and f"{one.context.trace_id:032x}" == TRACE
    assert one.parent is not None and f"{one.parent.span_id:016x}" == PARENT
    assert dict(one.attributes or {}) == {"rulegen.deadline_s": 1.5}
    assert two.parent is None


def test_nothing_where_nobody_asks() -> None:
    assert spans({}) is NOTHING
    with NOTHING.span("name", "") as span:
        span.set(anything=1)


def test_a_request_from_receipt_to_commit(tmp_path: Path) -> None:
    """Against a collector of our own: the server exports when it stops."""
    import http.server
    import threading

    bodies: list[bytes] = []

    class Collector(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            bodies.append(self.rfile.read(int(self.headers["content-length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Quiet."""

    collector = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Collector)
    threading.Thread(target=collector.serve_forever, daemon=True).start()
    where = f"http://127.0.0.1:{collector.server_address[1]}"
    asked = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": where,
        "OTEL_BSP_SCHEDULE_DELAY": "100",
        "OTEL_EXPORTER_OTLP_COMPRESSION": "none",
    }
    try:
        with listening(tmp_path / "s.db", environment=asked) as one:
            headers = {"traceparent": f"00-{TRACE}-{PARENT}-01", "x-request-timeout": "2"}
            body = [alert("T", NOW - 9, NOW - 1)]
            assert httpx.post(f"{one.http}/api/v2/alerts", json=body, headers=headers).status_code == 200
            deadline = time.monotonic() + 20
            while not bodies and time.monotonic() < deadline:
                time.sleep(0.05)
    finally:
        collector.shutdown()
        collector.server_close()
    request = ExportTraceServiceRequest.FromString(bodies[0])
    (found,) = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    assert (found.name, found.trace_id.hex(), found.parent_span_id.hex()) == ("POST /api/v2/alerts", TRACE, PARENT)
    told = {one.key.removeprefix("rulegen."): one.value for one in found.attributes}
    assert told["deadline_s"].double_value == 2.0 and told["alerts"].int_value == 1
    spent = [told[name].double_value for name in ("read_s", "queued_s", "commit_s")]
    assert all(0 <= seconds < 2 for seconds in spent)
    assert sum(spent) <= (found.end_time_unix_nano - found.start_time_unix_nano) / 1e9 + 0.01


@pytest.mark.parametrize("name", ["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"])
def test_what_turns_it_on(name: str) -> None:
    assert isinstance(spans({name: "http://127.0.0.1:1"}), Traced)
