"""A hundred thousand cancelled, expired and broken requests and streams later everything is back where it was."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import grpc
import httpx
from listening import Listening, alert, listening, post

from rulegen.ingest.store import read_kept
from rulegen.listen.listen_pb2 import AlertBatch
from rulegen.listen.push import PUSH

COUNT = int(os.environ.get("LEAKS", "100000"))
AT_ONCE = 20
MEMORY = 48 << 20  # bytes that allocators may keep: less than a kilobyte for each of them
NOW = int(time.time())


def state(one: Listening) -> dict[str, int]:
    proc = Path(f"/proc/{one.process.pid}")
    memory = re.search(r"VmRSS:\s+(\d+) kB", (proc / "status").read_text())
    text = httpx.get(f"{one.http}/metrics", timeout=30).text
    gauges = {name: int(float(value)) for name, value in re.findall(r"^(rulegen_listen_\S+) ([\d.e+]+)$", text, re.M)}
    assert memory
    return {
        "tasks": gauges["rulegen_listen_tasks"],
        "streams": gauges['rulegen_listen_open{input="grpc"}'],
        "queued": gauges["rulegen_listen_queued_alerts"],
        "files": len(list((proc / "fd").iterdir())),
        "threads": len(list((proc / "task").iterdir())),
        "memory": int(memory[1]) * 1024,
    }


async def spread(count: int, some: Callable[[int], Awaitable[None]]) -> None:
    await asyncio.gather(*(some(count // AT_ONCE) for _ in range(AT_ONCE)))


def request(body: bytes, *headers: str) -> bytes:
    lines = ("POST /api/v2/alerts HTTP/1.1", "host: x", f"content-length: {len(body)}", *headers, "", "")
    return "\r\n".join(lines).encode() + body


def connecting(one: Listening) -> Callable[[], Awaitable[tuple[asyncio.StreamReader, asyncio.StreamWriter]]]:
    host, _, port = one.http.removeprefix("http://").partition(":")
    return lambda: asyncio.open_connection(host, int(port))


def answered(one: Listening, message: bytes, status: bytes) -> Callable[[int], Awaitable[None]]:
    """Requests that are answered, many on one connection."""

    async def run(count: int) -> None:
        reader, writer = await connecting(one)()
        for _ in range(count):
            writer.write(message)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            assert status in head, head
            length = re.search(rb"content-length: (\d+)", head)
            await reader.readexactly(int(length[1]) if length else 0)
        writer.close()

    return run


def left(one: Listening, message: bytes) -> Callable[[int], Awaitable[None]]:
    """Clients that leave without an answer, some in the middle of what they say."""

    async def run(count: int) -> None:
        for number in range(count):
            with contextlib.suppress(ConnectionError):
                _, writer = await connecting(one)()
                writer.write(message[: len(message) - number % 3 * 40])
                await writer.drain()
                writer.transport.abort()

    return run


def streams(one: Listening, how: int) -> Callable[[int], Awaitable[None]]:
    """gRPC streams that are cancelled (0), expire (1) or break off (2)."""
    batch = AlertBatch(sequence=1)
    batch.alerts.add(labels={"alertname": "L"}, starts_at_ms=NOW * 1000 - 9, ends_at_ms=NOW * 1000 - 1)
    message = batch.SerializeToString()

    async def endless() -> AsyncIterator[bytes]:
        yield message
        await asyncio.sleep(60)

    async def run(count: int) -> None:
        async with grpc.aio.insecure_channel(one.grpc) as channel:
            for _ in range(count):
                requests = iter([b"\xff\xff"]) if how == 2 else endless()
                call = channel.stream_stream(PUSH)(requests, timeout=0.01 if how == 1 else None)
                with contextlib.suppress(grpc.aio.AioRpcError, asyncio.CancelledError):
                    if how == 0:
                        await call.read()
                        call.cancel()
                    await call.code()

    return run


async def everything(one: Listening, count: int) -> None:
    good = str([alert("L", NOW - 9, NOW - 1)]).replace("'", '"').encode()
    await spread(count * 45 // 100, answered(one, request(good, "x-request-timeout: 0.0000001"), b" 429 "))
    await spread(count * 25 // 100, answered(one, request(b"[{"), b" 400 "))
    await spread(count * 15 // 100, left(one, request(good + b" " * 100)))
    for how in range(3):
        await spread(count * 5 // 100, streams(one, how))


def test_nothing_is_left(tmp_path: Path) -> None:
    with listening(tmp_path / "s.db") as one:
        asyncio.run(everything(one, 4_000))  # what is made once is made
        time.sleep(1)
        before = state(one)
        asyncio.run(everything(one, COUNT))
        deadline = time.monotonic() + 30
        while True:
            after = state(one)
            small = {name: after[name] - before[name] for name in ("tasks", "files", "threads")}
            if all(more <= 2 for more in small.values()) or time.monotonic() > deadline:
                break
            time.sleep(0.5)
        assert all(more <= 2 for more in small.values()), (before, after)
        assert (after["streams"], after["queued"]) == (0, 0)
        assert after["memory"] - before["memory"] < MEMORY, (before, after)
        assert post(one, [alert("Still there", NOW - 9, NOW - 1)]).status_code == 200
    assert "Still there" in {one.name for one in read_kept(tmp_path / "s.db")[0]}
