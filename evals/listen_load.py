"""Load for :mod:`evals.bench_listen`, open loop: a process of its own that prints one line of JSON.

Messages are due at a fixed rate, whatever becomes of them; latency counts from when one was due. A sender that falls
behind sends at once what is overdue, and the wait counts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import re
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import grpc
import uvloop

from rulegen.listen.listen_pb2 import Ack, AlertBatch
from rulegen.listen.push import PUSH

DISTINCT = 4_000  # requests over HTTP, sent over and over
START_S = 0.5  # from now to the first message, so that everything is connected by then


@dataclass
class Result:
    """``latency`` of what was acknowledged, in seconds from when it was due; ``taken`` from when it was sent, which
    is what a deadline counts from."""

    latency: list[float] = field(default_factory=list)
    taken: list[float] = field(default_factory=list)
    refused: int = 0
    failed: int = 0
    seconds: float = 0.0

    def line(self, alerts: int, deadline: float) -> str:
        done = sorted(self.latency)
        at = [done[min(len(done) - 1, int(len(done) * q))] if done else float("nan") for q in (0.5, 0.99, 1.0)]
        return json.dumps(
            {
                "alerts_per_s": len(done) * alerts / max(self.seconds, 1e-9),
                "p50_ms": at[0] * 1e3,
                "p99_ms": at[1] * 1e3,
                "max_ms": at[2] * 1e3,
                "refused": self.refused,
                "failed": self.failed,
                "late": sum(one > deadline for one in self.taken),
                "acknowledged": len(done),
            }
        )


def labels(number: int) -> dict[str, str]:
    """50 alerts on a thousand pods."""
    return {"alertname": f"Alert{number % 50}", "pod": f"web-{number % 997}", "severity": "page", "namespace": "shop"}


async def by_grpc(address: str, rate: float, seconds: float, streams: int, deadline: float) -> Result:
    """One alert a message, over ``streams`` streams."""
    total, now = int(rate * seconds), int(time.time() * 1000)
    messages = []
    for number in range(total):
        batch = AlertBatch(sequence=number // streams + 1, timeout_ms=int(deadline * 1000))
        start = now - 86_400_000 + 7 * number
        batch.alerts.add(labels=labels(number), starts_at_ms=start, ends_at_ms=start + 60_000)
        messages.append(batch.SerializeToString())
    result, begin = Result(), time.monotonic() + START_S

    async def stream(which: int, channel: grpc.aio.Channel) -> None:
        call, sent = channel.stream_stream(PUSH)(), list[float]()

        async def acknowledged() -> None:
            done = 0
            async for raw in call:
                ack, now = Ack.FromString(raw), time.monotonic()
                refused = {one.sequence for one in ack.refused if one.sequence <= ack.sequence}
                result.refused += len(refused)
                for sequence in range(done, ack.sequence):
                    if sequence + 1 not in refused:
                        result.latency.append(now - begin - (sequence * streams + which) / rate)
                        result.taken.append(now - sent[sequence])
                done = ack.sequence

        reading = asyncio.create_task(acknowledged())
        for number in range(which, total, streams):
            if (early := begin + number / rate - time.monotonic()) > 0.0005:
                await asyncio.sleep(early)
            sent.append(time.monotonic())
            await call.write(messages[number])
        await call.done_writing()
        await reading

    async with grpc.aio.insecure_channel(address) as channel:
        await asyncio.gather(*(stream(which, channel) for which in range(streams)))
    result.seconds = time.monotonic() - begin
    return result


async def by_http(address: str, rate: float, seconds: float, connections: int, deadline: float, batch: int) -> Result:
    """``batch`` alerts a request, as Prometheus posts them, over ``connections`` connections; ``rate`` is of
    requests."""
    host, _, port = address.partition(":")
    total, now = int(rate * seconds), int(time.time())
    requests = [_request(number, batch, now, deadline) for number in range(min(total, DISTINCT))]
    result, begin, following = Result(), time.monotonic() + START_S, iter(range(total))

    async def connection() -> None:
        reader, writer = await asyncio.open_connection(host, int(port))
        for number in following:
            due = begin + number / rate
            if (early := due - time.monotonic()) > 0.0005:
                await asyncio.sleep(early)
            sent = time.monotonic()
            writer.write(requests[number % len(requests)])
            try:
                head = await reader.readuntil(b"\r\n\r\n")
                if length := re.search(rb"(?i)content-length: (\d+)", head):
                    await reader.readexactly(int(length[1]))
            except (asyncio.IncompleteReadError, ConnectionError):
                result.failed += 1
                reader, writer = await asyncio.open_connection(host, int(port))
                continue
            if b" 200 " in head[:20]:
                result.latency.append(time.monotonic() - due)
                result.taken.append(time.monotonic() - sent)
            elif b" 429 " in head[:20] or b" 503 " in head[:20] or b" 504 " in head[:20]:
                result.refused += 1
            else:
                result.failed += 1
        writer.close()

    await asyncio.gather(*(connection() for _ in range(connections)))
    result.seconds = time.monotonic() - begin
    return result


def _request(number: int, batch: int, now: int, deadline: float) -> bytes:
    alerts = [
        {
            "labels": labels(number * batch + one),
            "annotations": {"summary": "too much of something", "runbook_url": "https://runbooks.example/much"},
            "startsAt": _stamp(now - 7200 + number % 3600),
            "endsAt": _stamp(now + 240),
            "generatorURL": "http://prometheus.example/graph?g0.expr=up",
        }
        for one in range(batch)
    ]
    body = json.dumps(alerts).encode()
    head = f"POST /api/v2/alerts HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {len(body)}"
    return f"{head}\r\nx-request-timeout: {deadline:g}\r\n\r\n".encode() + body


def _stamp(seconds: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(seconds))


def main(arguments: Sequence[str]) -> None:
    how, address, rate, seconds, width, deadline, batch = arguments
    gc.disable()  # nothing here lives in cycles, and a pause would count as the server's
    if how == "grpc":
        play = by_grpc(address, float(rate), float(seconds), int(width), float(deadline))
    else:
        play = by_http(address, float(rate), float(seconds), int(width), float(deadline), int(batch))
    print(uvloop.run(play).line(int(batch), float(deadline)))


if __name__ == "__main__":
    main(sys.argv[1:])
