"""HTTP: Alertmanager's ``POST /api/v2/alerts`` and webhook, metrics and health, as an RSGI application.

An answer of success is given when the alerts are on the disk. Refusals come at once: 429 with Retry-After, or 503 on
the webhook, since Alertmanager tries again after a 5xx only.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

from rulegen.listen.admission import Admission, Batch, Refusal
from rulegen.listen.meters import Meters
from rulegen.listen.reading import NotAlerts, Reading, hooked, posted, reasons
from rulegen.listen.tracing import NOTHING, Span, Spans
from rulegen.store.journal import Sighting

MOST_BODY = 8 << 20  # bytes
BODY_TIMEOUT = 10.0  # seconds for a whole body
MOST_HELD = 128 << 20  # bytes of big bodies that are being read and parsed, of all requests together
SMALL = 64 << 10  # bytes that are read at once, and parsed in the loop
LOOK = 0.02  # seconds after which somebody looks whether the client is still there
ALERTS, WEBHOOK, METRICS, HEALTHY, READY = "/api/v2/alerts", "/webhook", "/metrics", "/-/healthy", "/-/ready"

_OK = [("content-type", "application/json")]
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_METRICS = [("content-type", "text/plain; version=0.0.4; charset=utf-8")]

NO_TOKEN = "a bearer token is wanted (Authorization: Bearer …)"

Parse = Callable[[bytes, int], Reading]


class Answer(Exception):
    """An answer that ends a request early."""

    def __init__(self, status: int, text: str, headers: list[tuple[str, str]] | None = None) -> None:
        super().__init__(text)
        self.status, self.text, self.headers = status, text, headers or []


class Http:
    """The application. ``token`` "" asks for none; ``timeout`` is a request's default deadline in seconds."""

    def __init__(
        self, admission: Admission, meters: Meters, *, token: str, timeout: float, spans: Spans = NOTHING
    ) -> None:
        self._admission, self._meters, self._timeout = admission, meters, timeout
        self._token = f"Bearer {token}".encode() if token else b""
        self._spans = spans
        self._loop = asyncio.get_running_loop()
        self._held = 0  # bytes of big bodies
        self._open = meters.open.labels("http")
        self._ways = {ALERTS: _Way("http", posted, meters), WEBHOOK: _Way("webhook", hooked, meters)}

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        if scope.proto != "http":
            protocol.close(403)
            return
        self._open.inc()
        try:
            await self._answer(scope, protocol)
        except Answer as answer:
            protocol.response_str(answer.status, [*_TEXT, *answer.headers], answer.text + "\n")
        except _Left:
            protocol.response_empty(499, [])  # nobody reads it
        finally:
            self._open.dec()

    async def _answer(self, scope: Any, protocol: Any) -> None:
        began = time.monotonic()
        path, method = scope.path, scope.method
        if path in (HEALTHY, READY) and method in ("GET", "HEAD"):
            if path == READY and self._admission.broken:
                raise Answer(503, self._admission.broken)
            protocol.response_str(200, _TEXT, "OK\n")
            return
        headers = scope.headers
        if self._token and not hmac.compare_digest(_bytes(headers.get("authorization", "")), self._token):
            wrong = "another bearer token is wanted" if headers.get("authorization") else NO_TOKEN
            raise Answer(401, wrong, [("www-authenticate", "Bearer")])
        if path == METRICS and method in ("GET", "HEAD"):
            protocol.response_bytes(200, _METRICS, self._meters.text())
            return
        if path not in self._ways:
            raise Answer(405 if path in (HEALTHY, READY, METRICS) else 404, "there is nothing here")
        if method != "POST":
            raise Answer(405, "POST alerts here", [("allow", "POST")])
        way = self._ways[path]
        with self._spans.span(f"POST {path}", headers.get("traceparent", "")) as span:
            try:
                await self._keep(scope, protocol, began, way, span)
            except Answer as answer:
                span.set(status=answer.status, why=answer.text)
                raise

    async def _keep(self, scope: Any, protocol: Any, began: float, way: _Way, span: Span) -> None:
        headers, expected = scope.headers, self._admission.wait(1)
        allowed = self._allowed(headers.get("x-request-timeout"))
        deadline = began + allowed
        span.set(deadline_s=allowed, expected_wait_s=expected)
        # Before a body is read and parsed: it holds at least one alert, or it is not worth its place.
        if time.monotonic() + expected > deadline:
            raise self._refused(way, Refusal.QUEUE, 1)
        body, held = await self._body(protocol, headers.get("content-length"), deadline, way)
        try:
            now = time.time_ns() // 1_000_000
            if len(body) > SMALL:  # others get their turns meanwhile
                sightings, wrong = await asyncio.to_thread(way.parse, body, now)
            else:
                sightings, wrong = way.parse(body, now)
        except NotAlerts as error:
            way.invalid.inc()
            raise Answer(400, f"not alerts: {error}") from None
        finally:
            self._held -= held
        way.received.inc(len(sightings) + len(wrong))
        if sightings:
            span.set(alerts=len(sightings), read_s=time.monotonic() - began)
            refusal = await self._settled(protocol, sightings, deadline, way, span)
            if refusal is not None:
                raise self._refused(way, refusal, len(sightings))
        if wrong:
            way.invalid.inc(len(wrong))
            kept = f"; the other {len(sightings)} are kept" if sightings else ""
            raise Answer(400, reasons(wrong) + kept)
        protocol.response_str(200, _OK, "{}")

    async def _settled(
        self, protocol: Any, sightings: Sequence[Sighting], deadline: float, way: _Way, span: Span
    ) -> Refusal | None:
        """Waits for the commit. A client that leaves takes its batch along."""
        done: asyncio.Future[Refusal | None] = self._loop.create_future()

        def settled(refusal: Refusal | None) -> None:
            if not done.done():
                done.set_result(refusal)

        batch = Batch(sightings, deadline, settled)
        refusal = self._admission.submit(batch)
        if refusal is not None:
            return refusal
        way.admitted.inc(len(sightings))
        watch: asyncio.Task[None] | None = None

        def look() -> None:  # most are settled before
            nonlocal watch
            watch = self._loop.create_task(self._watched(protocol, done))

        timer = self._loop.call_later(LOOK, look)
        try:
            refusal = await done
        finally:
            timer.cancel()
            if watch is not None:
                watch.cancel()
        if refusal is Refusal.GONE:
            freed = self._admission.leave([batch])  # none where its commit is under way: it is kept then
            self._meters.refused.labels(way.source, Refusal.GONE.value).inc(freed)
            raise _Left
        if batch.taken:
            span.set(queued_s=batch.taken - batch.received, commit_s=time.monotonic() - batch.taken)
        return refusal

    @staticmethod
    async def _watched(protocol: Any, done: asyncio.Future[Refusal | None]) -> None:
        """Ends the wait for ``done`` when the client leaves."""
        await protocol.client_disconnect()
        if not done.done():
            done.set_result(Refusal.GONE)

    async def _body(self, protocol: Any, length: str | None, deadline: float, way: _Way) -> tuple[bytes, int]:
        """The whole body, within its limits, and how much of it is counted as held. Raises Answer."""
        size = int(length) if length and length.isascii() and length.isdigit() else -1
        if size > MOST_BODY:
            raise Answer(413, f"a body of at most {MOST_BODY} bytes is taken")
        parts: list[bytes] = []
        held = 0
        try:
            with _Within(self._loop, min(BODY_TIMEOUT, max(0.001, deadline - time.monotonic()))):
                if 0 <= size <= SMALL:
                    whole: bytes = await protocol()
                    return whole, 0
                async for part in protocol:
                    held += len(part)
                    self._held += len(part)
                    if held > MOST_BODY:
                        raise Answer(413, f"a body of at most {MOST_BODY} bytes is taken")
                    if self._held > MOST_HELD:
                        raise self._refused(way, Refusal.MEMORY, 1)
                    parts.append(part)
                return b"".join(parts), held
        except BaseException as error:
            self._held -= held
            if isinstance(error, TimeoutError):
                raise Answer(408, "the body came too slowly") from None
            raise

    def _allowed(self, told: str | None) -> float:
        """Seconds that the request may take: what its sender says, but never more than ours."""
        if told is None:
            return self._timeout
        try:
            seconds = float(told.removesuffix("s"))
        except ValueError:
            raise Answer(400, "X-Request-Timeout: seconds are wanted, as 2.5") from None
        if not math.isfinite(seconds) or seconds <= 0:
            raise Answer(400, "X-Request-Timeout: more than no time is wanted")
        return min(seconds, self._timeout)

    def _refused(self, way: _Way, refusal: Refusal, alerts: int) -> Answer:
        self._meters.refused.labels(way.source, refusal.value).inc(alerts)
        wait = max(1, math.ceil(self._admission.wait(1)))
        headers = [("retry-after", str(wait))]
        match refusal:
            case Refusal.DISK:
                return Answer(503, f"not kept: {self._admission.broken}", headers)
            case Refusal.STOPPING:
                return Answer(503, "stopping", headers)
            case Refusal.EXPIRED:
                return Answer(504, "the deadline passed before the alerts could be stored", headers)
            case _:
                text = "the alerts could not be stored before the deadline; send them again later"
                return Answer(503 if way.source == "webhook" else 429, text, headers)


class _Way:
    """One of the inputs, with its counters at hand."""

    __slots__ = ("admitted", "invalid", "parse", "received", "source")

    def __init__(self, source: str, parse: Parse, meters: Meters) -> None:
        self.source, self.parse = source, parse
        counters = (meters.received, meters.admitted, meters.invalid)
        self.received, self.admitted, self.invalid = (one.labels(source) for one in counters)


class _Within:
    """As ``asyncio.timeout``, which costs a small request more than all its reading."""

    __slots__ = ("_expired", "_task", "_timer")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._expired = False
        self._task = asyncio.current_task(loop)
        self._timer = loop.call_later(seconds, self._expire)

    def _expire(self) -> None:
        self._expired = True
        if self._task is not None:
            self._task.cancel()

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._timer.cancel()
        if self._expired and self._task is not None and self._task.uncancel() <= 0 and kind is asyncio.CancelledError:
            raise TimeoutError from None


class _Left(Exception):
    """The client is gone."""


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
