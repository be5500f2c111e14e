"""Whatever comes in: an answer below 500, never a hang, and the server is still there."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Iterator

import grpc
import httpx
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from listening import Listening, listening

from rulegen.listen.listen_pb2 import Ack, Alert, AlertBatch
from rulegen.listen.push import PUSH

LATE = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
NOW = int(time.time() * 1000)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("fuzz") / "s.db") as one:
        yield one
        assert httpx.get(f"{one.http}/-/ready").status_code == 200  # after all of it
        assert "Traceback" not in one.log.read_text() and "panicked" not in one.log.read_text()


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
times = st.sampled_from(("2026-11-25T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999999Z", "", "x"))
times |= st.datetimes().map(lambda one: one.isoformat() + "Z") | st.text()
labels = st.dictionaries(st.just("alertname") | st.text(), st.text() | values, max_size=4)
alerts = st.fixed_dictionaries(
    {},
    optional={
        "labels": labels | values,
        "startsAt": times | values,
        "endsAt": times | values,
        "annotations": values,
        "status": st.sampled_from(("firing", "resolved")) | values,
    },
)
posted = st.lists(alerts | values, max_size=4)
hooked = st.fixed_dictionaries({"version": st.sampled_from(("4", "3")) | values, "alerts": posted | values})


@LATE
@given(st.sampled_from(("/api/v2/alerts", "/webhook")), posted | hooked | values)
@example("/api/v2/alerts", [{"labels": {"alertname": "\ud800"}}])
def test_json(server: Listening, path: str, document: object) -> None:
    body = json.dumps(document).encode("utf-8", "surrogatepass")
    assert httpx.post(server.http + path, content=body, timeout=20).status_code < 500


@LATE
@given(st.sampled_from(("/api/v2/alerts", "/webhook")), st.binary(max_size=300))
def test_bytes(server: Listening, path: str, body: bytes) -> None:
    assert 400 <= httpx.post(server.http + path, content=body, timeout=20).status_code < 500 or body.strip() == b"[]"


words = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=30).map(
    lambda one: one.encode("latin-1")
)
names = st.sampled_from((b"content-length", b"x-request-timeout", b"authorization", b"transfer-encoding", b"expect"))


@LATE
@given(st.lists(st.tuples(names | words, words), max_size=6), st.binary(max_size=60), words)
def test_headers(server: Listening, headers: list[tuple[bytes, bytes]], body: bytes, path: bytes) -> None:
    host, _, port = server.http.removeprefix("http://").partition(":")
    lines = [b"POST /api/v2/alerts" + path.replace(b" ", b"") + b" HTTP/1.1", b"host: x"]
    lines += [name + b": " + value for name, value in headers] + [b"connection: close", b"", body]
    with socket.create_connection((host, int(port)), timeout=15) as one:
        one.sendall(b"\r\n".join(lines))
        one.shutdown(socket.SHUT_WR)
        found = b""
        while part := one.recv(65_536):
            found += part
    assert not found or found.startswith((b"HTTP/1.1 2", b"HTTP/1.1 4", b"HTTP/1.1 1")), found[:100]


async def streamed(server: Listening, messages: list[bytes]) -> None:
    async with grpc.aio.insecure_channel(server.grpc) as channel:
        done = 0
        try:
            async for raw in channel.stream_stream(PUSH)(iter(messages), timeout=15):
                done = Ack.FromString(raw).sequence
        except grpc.aio.AioRpcError as error:
            # The second: grpc's own client where the stream ended while it was sending.
            ours = error.code() is grpc.StatusCode.INVALID_ARGUMENT
            assert ours or "execute_batch" in (error.debug_error_string() or ""), error
            return
        assert done == (AlertBatch.FromString(messages[-1]).sequence if messages else 0)


@st.composite
def batches(draw: st.DrawFn) -> bytes:
    one = AlertBatch(
        sequence=draw(st.integers(0, 5) | st.integers(0, 2**64 - 1)), timeout_ms=draw(st.integers(0, 2**32 - 1))
    )
    whole = st.integers(-(2**63), 2**63 - 1) | st.integers(NOW - 10**6, NOW + 10**6)
    for _ in range(draw(st.integers(0, 3))):
        found = draw(st.dictionaries(st.just("alertname") | st.text(), st.text(), max_size=3))
        try:
            one.alerts.append(
                Alert(labels=found, starts_at_ms=draw(whole), ends_at_ms=draw(whole), seen_at_ms=draw(whole))
            )
        except (UnicodeError, ValueError):  # half of a surrogate pair is no protobuf text
            continue
    return one.SerializeToString()


@LATE
@given(st.lists(batches() | st.binary(max_size=60), max_size=4))
def test_streams(server: Listening, messages: list[bytes]) -> None:
    asyncio.run(streamed(server, messages))
