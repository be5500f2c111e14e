"""gRPC: a stream of batches in, cumulative acknowledgements out.

One Ack a commit and stream covers all its batches so far, so that single alerts cost no more than they must. A stream
that sends faster than it may is not read further until its batches are settled: HTTP/2 then holds its sender back.
"""

from __future__ import annotations

import asyncio
import hmac
import time
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import grpc
from google.protobuf.message import DecodeError

from rulegen.listen.admission import Admission, Batch, Refusal
from rulegen.listen.listen_pb2 import Ack, AlertBatch
from rulegen.listen.meters import Meters
from rulegen.listen.reading import sighted
from rulegen.listen.tracing import NOTHING, Spans
from rulegen.store.journal import Sighting

SERVICE, METHOD = "rulegen.listen.Listen", "Push"
UNDER_WAY = 4_096  # batches of one stream that may wait
_CODES = {Refusal.EXPIRED: 4, Refusal.QUEUE: 8, Refusal.MEMORY: 8, Refusal.DISK: 14, Refusal.STOPPING: 14}
_INVALID = 3


class Push:
    """The service. ``token`` "" asks for none; ``timeout`` is a batch's default deadline in seconds."""

    def __init__(
        self, admission: Admission, meters: Meters, *, token: str, timeout: float, spans: Spans = NOTHING
    ) -> None:
        self._admission, self._meters, self._timeout = admission, meters, timeout
        self._token = f"Bearer {token}".encode() if token else b""
        self._spans = spans
        self._open = meters.open.labels("grpc")

    def handler(self) -> grpc.GenericRpcHandler:
        """Messages stay bytes until it is their turn: a stream's bytes are cheaper to hold than its objects."""
        method = grpc.stream_stream_rpc_method_handler(self._push)
        return grpc.method_handlers_generic_handler(SERVICE, {METHOD: method})

    async def _push(self, _: Any, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        metadata = dict(context.invocation_metadata() or ())
        given = metadata.get("authorization", "")
        given = given.encode() if isinstance(given, str) else given
        if self._token and not hmac.compare_digest(given, self._token):
            wrong = "another bearer token is wanted" if given else "a bearer token is wanted"
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, wrong)
        left = context.time_remaining()
        stream = _Stream(
            self._admission, self._meters, self._timeout, None if left is None else time.monotonic() + left
        )
        parent = metadata.get("traceparent", "")
        with self._spans.span(f"{SERVICE}/{METHOD}", parent if isinstance(parent, str) else "") as span:
            if left is not None:
                span.set(deadline_s=left)
            try:
                await self._taken(stream, context)
            finally:
                span.set(batches=stream.batches, refused=stream.refusals)
        if stream.wrong:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, stream.wrong)

    async def _taken(self, stream: _Stream, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """All of the stream, until it ends and everything in it is settled."""
        self._open.inc()
        acks = asyncio.create_task(stream.acknowledge(context))
        try:
            while (message := await context.read()) is not grpc.aio.EOF:
                if not stream.take(message):
                    break
                if stream.full:
                    await stream.room()
            stream.finish()
            await acks
        finally:
            self._open.dec()
            stream.leave()
            acks.cancel()


class _Stream:
    """One stream: its batches in order, and what is settled of them."""

    def __init__(self, admission: Admission, meters: Meters, timeout: float, deadline: float | None) -> None:
        self._admission, self._meters, self._timeout, self._deadline = admission, meters, timeout, deadline
        self._received, self._admitted = (one.labels("grpc") for one in (meters.received, meters.admitted))
        self._waiting: deque[_Waiting] = deque()
        self._early: list[Refused] = []  # refused and not told yet, whatever still waits before them
        self._news, self._room = asyncio.Event(), asyncio.Event()
        self._last = self._settled = 0
        self._finished = False
        self.batches = self.refusals = 0
        self.wrong = ""

    @property
    def full(self) -> bool:
        return len(self._waiting) >= UNDER_WAY

    async def room(self) -> None:
        """Returns when the stream is no longer full."""
        while self.full:
            self._room.clear()
            await self._room.wait()

    def take(self, message: bytes) -> bool:
        """False for a message that ends the stream."""
        try:
            found = AlertBatch.FromString(message)
        except DecodeError:
            self.wrong = "not an AlertBatch"
            return False
        if found.sequence <= self._last:
            self.wrong = f"sequence {found.sequence} after {self._last}: it has to rise"
            return False
        self._last = found.sequence
        entry = _Waiting(found.sequence)
        self._waiting.append(entry)
        self.batches += 1
        self._received.inc(len(found.alerts))
        try:
            sightings = list(_sightings(found))
        except ValueError as error:
            self._meters.invalid.labels("grpc").inc(len(found.alerts))
            self._refuse(entry, _INVALID, str(error), 0)
            return True
        if not sightings:  # nothing is to be kept, and so it is
            self._settle(entry, None)
            return True
        deadline = time.monotonic() + min(self._timeout, found.timeout_ms / 1000 or self._timeout)
        if self._deadline is not None:
            deadline = min(deadline, self._deadline)
        batch = entry.batch = Batch(sightings, deadline, lambda refusal: self._settle(entry, refusal))
        refusal = self._admission.submit(batch)
        if refusal is None:
            self._admitted.inc(len(sightings))
        else:
            self._settle(entry, refusal)
        return True

    def finish(self) -> None:
        """Nothing more comes in; acknowledging ends when all is settled."""
        self._finished = True
        self._news.set()

    def leave(self) -> None:
        """Whatever still waits frees its place."""
        freed = self._admission.leave(one.batch for one in self._waiting if one.batch is not None)
        self._meters.refused.labels("grpc", Refusal.GONE.value).inc(freed)

    async def acknowledge(self, context: grpc.aio.ServicerContext[bytes, bytes]) -> None:
        """Writes what is settled, as far as there is no gap, until the stream is over and nothing waits."""
        while not (self._finished and not self._waiting):
            await self._news.wait()
            self._news.clear()
            if (ack := self._ack()) is not None:
                await context.write(ack.SerializeToString())

    def _ack(self) -> Ack | None:
        before = self._settled
        refused: list[Refused] = []
        while self._waiting and self._waiting[0].done:
            entry = self._waiting.popleft()
            self._settled = entry.sequence
            if entry.refused is not None:
                refused.append(entry.refused)
        refused += (one for one in self._early if one.sequence > self._settled)
        self._early.clear()
        if not self.full:
            self._room.set()
        if self._settled == before and not refused:
            return None
        ack = Ack(sequence=self._settled)
        for sequence, code, message, after in refused:
            ack.refused.add(sequence=sequence, code=code, message=message, retry_after_ms=after)
        return ack

    def _settle(self, entry: _Waiting, refusal: Refusal | None) -> None:
        # Who reads no Acks leaves 4,096 entries here, and not their alerts as well; which would be in cycles, too.
        batch, entry.batch = entry.batch, None
        if refusal is None:
            entry.done = True
            self._news.set()
            return
        self._meters.refused.labels("grpc", refusal.value).inc(len(batch.sightings) if batch else 0)
        after = int(1000 * self._admission.wait(1)) + 1
        why = self._admission.broken if refusal is Refusal.DISK else refusal.value
        self._refuse(entry, _CODES.get(refusal, 14), why, after)

    def _refuse(self, entry: _Waiting, code: int, message: str, after: int) -> None:
        entry.done = True
        self.refusals += 1
        entry.refused = Refused(entry.sequence, code, message, after)
        self._early.append(entry.refused)
        self._news.set()


class Refused(NamedTuple):
    """Why a batch was not kept, as the wire has it. It is told at once, and again in the Ack that covers its
    sequence, so that who reads an Ack alone takes nothing for kept that is not."""

    sequence: int
    code: int
    message: str
    after: int  # ms


class _Waiting:
    __slots__ = ("batch", "done", "refused", "sequence")

    def __init__(self, sequence: int) -> None:
        self.sequence, self.done = sequence, False
        self.batch: Batch | None = None
        self.refused: Refused | None = None


def _sightings(batch: AlertBatch) -> Iterator[Sighting]:
    now = time.time_ns() // 1_000_000
    for one in batch.alerts:
        over = one.ends_at_ms != 0
        last = one.ends_at_ms if over else one.seen_at_ms or max(now, one.starts_at_ms)
        yield sighted(dict(one.labels), one.starts_at_ms, last, over, now)
