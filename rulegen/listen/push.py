"""The client of the gRPC stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from pathlib import Path

import grpc

from rulegen.core.alert import Episode
from rulegen.errors import UpstreamError
from rulegen.listen.listen_pb2 import Ack, AlertBatch

PUSH = "/rulegen.listen.Listen/Push"
TRIES = 20  # of what is refused for now
SILENT = 30.0  # seconds without an answer, beyond a batch's own deadline, after which nobody is there
_FOR_NOW = (4, 8, 14)  # deadline exceeded, resource exhausted, unavailable


async def push_stream(
    url: str, episodes: Sequence[Episode], *, batch: int, timeout: float, token: str, authority: Path | None
) -> int:
    """Sends ``episodes`` to ``url`` (grpc://HOST:PORT, or grpcs:// with TLS), ``batch`` in a message, and returns how
    many were acknowledged: all. Batches that are refused for now are sent again.

    Raises UpstreamError for a server that is down or takes something for wrong.
    """
    scheme, _, address = url.partition("://")
    waiting = dict(enumerate(_batches(episodes, batch, timeout), start=1))
    for attempt in range(TRIES):
        if not waiting:
            break
        async with _channel(scheme, address, authority) as channel:
            pause = await _once(channel, url, waiting, token, timeout + SILENT)
        if waiting:
            await asyncio.sleep(max(pause, 0.05 * attempt))
    if waiting:
        raise UpstreamError(f"{url}: {len(waiting)} batches were refused {TRIES} times")
    return len(episodes)


async def _once(
    channel: grpc.aio.Channel, url: str, waiting: dict[int, AlertBatch], token: str, silent: float
) -> float:
    """Sends what waits, in order, and takes out what is acknowledged. Seconds that the server asks to wait. Raises
    UpstreamError for what it takes for wrong, and after ``silent`` seconds without an answer."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    sent = sorted(waiting)

    async def requests() -> AsyncIterator[bytes]:
        for number in sent:
            message = waiting[number]
            message.sequence = number
            yield message.SerializeToString()

    done, pause = 0, 0.0
    try:
        call = channel.stream_stream(PUSH)(requests(), metadata=metadata)
        while (raw := await asyncio.wait_for(call.read(), silent)) is not grpc.aio.EOF:
            ack = Ack.FromString(raw)
            refused = {one.sequence: one for one in ack.refused}
            for one in refused.values():
                if one.code not in _FOR_NOW:
                    raise UpstreamError(f"{url}: batch {one.sequence}: {one.message}")
                pause = max(pause, one.retry_after_ms / 1000)
            while done < len(sent) and sent[done] <= ack.sequence:
                if sent[done] not in refused:
                    waiting.pop(sent[done], None)
                done += 1
    except TimeoutError:
        raise UpstreamError(f"{url}: no answer within {silent:g}s") from None
    except grpc.aio.AioRpcError as error:
        # INTERNAL: how grpc.aio reports that the server ended the stream while it wrote; the next try says why.
        if error.code() not in (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL):
            raise UpstreamError(f"{url}: {error.code().name}: {error.details()}") from None
    return pause


def _channel(scheme: str, address: str, authority: Path | None) -> grpc.aio.Channel:
    if scheme == "grpc":
        return grpc.aio.insecure_channel(address)
    roots = authority.read_bytes() if authority else None
    return grpc.aio.secure_channel(address, grpc.ssl_channel_credentials(roots))


def _batches(episodes: Iterable[Episode], size: int, timeout: float) -> Iterable[AlertBatch]:
    rest = iter(episodes)
    while some := list(islice(rest, size)):
        message = AlertBatch(timeout_ms=min(max(1, round(timeout * 1000)), 2**32 - 1))
        for one in some:
            message.alerts.add(
                labels=dict(one.labels),
                starts_at_ms=one.span.start,
                ends_at_ms=0 if one.open else one.span.end,
                seen_at_ms=one.span.end,
            )
        yield message
