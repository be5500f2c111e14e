"""The client of the gRPC stream."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from itertools import islice
from pathlib import Path

import grpc

from rulegen.core.alert import Episode
from rulegen.errors import InputError, UpstreamError
from rulegen.listen.listen_pb2 import Ack, AlertBatch
from rulegen.listen.sending import Patience, so_far
from rulegen.listen.tls import check_certificates

PUSH = "/rulegen.listen.Listen/Push"
SILENT = 30.0  # seconds without an answer, beyond a batch's own deadline, after which nobody is there
_FOR_NOW = (4, 8, 14)  # deadline exceeded, resource exhausted, unavailable
_TOO_LARGE = "larger than max"
_OTHER_PORT = ("http1", "http/1", "http2 settings", "socket closed")  # what gRPC says where no HTTP/2 is spoken


async def push_stream(
    url: str, episodes: Sequence[Episode], *, batch: int, timeout: float, token: str, authority: Path | None
) -> int:
    """Sends ``episodes`` to ``url`` (grpc://HOST:PORT, or grpcs:// with TLS), ``batch`` in a message, and returns how
    many were acknowledged: all. What is refused for now is sent again, and once something was acknowledged a server
    that goes away is waited for.

    Raises InputError for another URL, UpstreamError for a server that is down or takes something for wrong.
    """
    scheme, address = _address(url)
    waiting = dict(enumerate(_batches(episodes, batch, timeout), start=1))
    patience = Patience()
    while waiting:
        before = len(waiting)
        async with _channel(scheme, address, authority) as channel:
            try:
                pause, why = await _once(channel, waiting, token, timeout + SILENT)
                if not waiting:
                    break
                await asyncio.sleep(patience.pause(len(waiting) < before, pause, why))
            except UpstreamError as error:
                left = sum(len(message.alerts) for message in waiting.values())
                raise UpstreamError(f"{url}: {error}; {so_far(len(episodes) - left, len(episodes))}") from None
    return len(episodes)


async def _once(
    channel: grpc.aio.Channel, waiting: dict[int, AlertBatch], token: str, silent: float
) -> tuple[float, str]:
    """Sends what waits, in order, and takes out what is acknowledged. Returns the seconds that the server asks to
    wait, and why it refused what is left. Raises UpstreamError for what it takes for wrong, and after ``silent``
    seconds without an answer."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    sent = sorted(waiting)

    async def requests() -> AsyncIterator[bytes]:
        for number in sent:
            message = waiting[number]
            message.sequence = number
            yield message.SerializeToString()

    done, pause, why = 0, 0.0, "the stream ended early"
    try:
        call = channel.stream_stream(PUSH)(requests(), metadata=metadata)
        while (raw := await asyncio.wait_for(call.read(), silent)) is not grpc.aio.EOF:
            ack = Ack.FromString(raw)
            refused = {one.sequence: one for one in ack.refused}
            for one in refused.values():
                if one.code not in _FOR_NOW:
                    raise UpstreamError(f"batch {one.sequence}: {one.message}")
                pause, why = max(pause, one.retry_after_ms / 1000), one.message
            while done < len(sent) and sent[done] <= ack.sequence:
                if sent[done] not in refused:
                    waiting.pop(sent[done], None)
                done += 1
    except TimeoutError:
        raise UpstreamError(f"no answer within {silent:g}s") from None
    except grpc.aio.AioRpcError as error:
        why = _told(error)
        if error.code() is grpc.StatusCode.UNAVAILABLE and not done and sent[0] == 1:
            raise UpstreamError(why) from None  # nobody was ever there
        # INTERNAL: how grpc.aio reports that the server ended the stream while it wrote; the next try says why.
        if error.code() not in _AGAIN or _TOO_LARGE in (error.details() or ""):
            raise UpstreamError(why) from None
    return pause, why


_AGAIN = (grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE)


def _told(error: grpc.aio.AioRpcError) -> str:
    details = error.details() or ""
    if _TOO_LARGE in details:
        return f"a message is too large for the server; give a smaller --batch ({details})"
    if any(sign in details.lower() for sign in _OTHER_PORT):
        return f"no gRPC is spoken there; is it the port for HTTP, or one with TLS (grpcs://)? ({details})"
    if "SSL" in details or "certificate" in details.lower():
        return f"no TLS that can be trusted: {details}; --ca names whom to trust, grpc:// is without TLS"
    return f"{error.code().name}: {details}"


def _address(url: str) -> tuple[str, str]:
    """Scheme, and HOST:PORT. Raises InputError."""
    scheme, _, address = url.partition("://")
    host, _, port = address.rstrip("/").rpartition(":")
    if not host or not port.isascii() or not port.isdigit():
        raise InputError(f"--to: {url}: {scheme}://HOST:PORT is wanted (rulegen listens for gRPC on port 9096)")
    return scheme, address.rstrip("/")


def _channel(scheme: str, address: str, authority: Path | None) -> grpc.aio.Channel:
    if scheme == "grpc":
        return grpc.aio.insecure_channel(address)
    if authority:
        check_certificates("--ca", authority)  # gRPC would only say that nobody answers
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
