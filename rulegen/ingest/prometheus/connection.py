"""A connection to a Prometheus-compatible HTTP API: asks, retries, and turns every failure into one clear line.

Every message begins with the URL asked, without credentials, and no message or ``repr`` holds a secret: text that
the server wrote is bounded, freed of control characters and searched for the secrets before it is shown.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import TracebackType

import httpx

from rulegen.errors import InputError, Problem, UpstreamError
from rulegen.ingest.prometheus.cache import Cache
from rulegen.ingest.prometheus.credentials import Credentials, clean_url, read_credentials, tls_context
from rulegen.ingest.prometheus.failures import TooMuch, refusal, shown, unreachable

BODY_LIMIT = 256 << 20  # bytes of one answer, unpacked
ATTEMPTS = 4
BACKOFF_S = 0.5  # before the second attempt; doubles
LONGEST_WAIT_S = 30.0  # however long the server's Retry-After says
_TRANSIENT = (429, 502, 503, 504)
BROKEN = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)  # the conversation began, then broke off
_LONG_QUERY = 2_000  # characters; above it POST is used, since proxies bound the length of a URL


@dataclass(frozen=True, slots=True)
class Answer:
    """``data`` of a successful answer, its shape not yet checked, and the server's ``warnings`` as problems."""

    data: object
    problems: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class Incoming:
    """An answer whose ``blocks`` (unpacked bytes) are still to be read, once and while the exchange lasts."""

    status: int
    headers: httpx.Headers
    blocks: Iterator[bytes]


@dataclass(frozen=True, slots=True)
class Connection:
    """A server: ``url`` is the API's root without credentials and trailing slash. May be used by several threads.

    ``timeout_s`` bounds one whole answer. ``cache`` keeps what was fetched, for other runs. ``sleep`` and ``clock``
    (monotonic seconds) are seams for tests.
    """

    url: str
    timeout_s: float
    credentials: Credentials = field(repr=False)
    client: httpx.Client = field(repr=False)
    cache: Cache | None = field(default=None, repr=False)
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False)
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        self.client.close()

    def ask(self, path: str, params: Mapping[str, str] | None = None) -> Answer:
        """``data`` of ``GET {url}{path}`` (POST where the query is long).

        Raises TooMuch where a shorter time range may succeed, else UpstreamError.
        """
        wait = BACKOFF_S
        for attempt in range(1, ATTEMPTS + 1):
            last = attempt == ATTEMPTS
            try:
                status, headers, body = self._once(path, dict(params or {}))
            except BROKEN as error:
                # The connection broke on the way (a restart, an idle connection closed): a question changes nothing,
                # so it can be asked again.
                if last:
                    raise unreachable(self.url, error) from None
                pause = wait
            else:
                if status == 200:
                    return self._decode(path, headers, body)
                failure = refusal(self.url, path, status, headers, body, self.credentials)
                if last or status not in _TRANSIENT or (isinstance(failure, TooMuch) and not failure.transient):
                    raise failure
                pause = _retry_after(headers, wait)
            self.sleep(pause)
            wait *= 2
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def exchange(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        form: Mapping[str, str] | None = None,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Iterator[Incoming]:
        """One request, and its answer as it comes in; no redirect is followed and nothing is asked again.

        Raises, also while the answer is read, the broken-connection errors of httpx (``BROKEN``), TooMuch for an
        answer that is too large or too slow, else UpstreamError.
        """
        deadline = self.clock() + self.timeout_s
        try:
            with self.client.stream(
                method, self.url + path, params=params, data=form, content=body, headers=headers
            ) as response:
                yield Incoming(response.status_code, response.headers, self._blocks(response, deadline))
        except httpx.ConnectTimeout:
            raise UpstreamError(f"{self.url}: no connection within {self.timeout_s:g} s: is the server up?") from None
        except httpx.TimeoutException:
            raise self._too_slow() from None
        except BROKEN:
            raise
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise unreachable(self.url, error) from None

    def _blocks(self, response: httpx.Response, deadline: float) -> Iterator[bytes]:
        length = 0
        for block in response.iter_bytes():
            length += len(block)
            if length > BODY_LIMIT:
                raise TooMuch(f"{self.url}: the answer is larger than {BODY_LIMIT >> 20} MiB")
            yield block
            if self.clock() > deadline:
                raise self._too_slow()

    def _once(self, path: str, params: dict[str, str]) -> tuple[int, httpx.Headers, bytes]:
        """One exchange → status, headers, body. Raises what :meth:`exchange` raises."""
        post = sum(map(len, params.values())) > _LONG_QUERY
        with self.exchange(
            "POST" if post else "GET", path, params=None if post else params, form=params if post else None
        ) as answer:
            return answer.status, answer.headers, b"".join(answer.blocks)

    def _too_slow(self) -> TooMuch:
        return TooMuch(f"{self.url}: no whole answer within {self.timeout_s:g} s, see --timeout", slow=True)

    def _decode(self, path: str, headers: httpx.Headers, body: bytes) -> Answer:
        """The API's envelope, ``{"status": "success", "data": …, "warnings": […]}`` → its data."""
        where = self.url + path
        if "html" in headers.get("content-type", "") or body.lstrip()[:1] == b"<":
            raise UpstreamError(
                f"{where}: answered a web page instead of JSON: is there a login or a proxy before it, "
                f"and is {self.url} the API's root (what comes before /api/v1)?"
            )
        try:
            envelope = json.loads(body)
            if b"\\ud" in body.lower():  # an escaped half of a surrogate pair parses, but is no text
                json.dumps(envelope, ensure_ascii=False).encode()
        except (ValueError, RecursionError):
            what = "half a JSON document or none" if body else "nothing"
            raise UpstreamError(f"{where}: answered {what} ({len(body)} bytes)") from None
        if not isinstance(envelope, dict) or envelope.get("status") not in ("success", "error"):
            raise UpstreamError(f"{where}: answered JSON that is not the Prometheus API's")
        if envelope["status"] == "error":
            raise refusal(self.url, path, 200, headers, body, self.credentials)
        warnings = envelope.get("warnings") or ()
        texts = [shown(str(one), self.credentials) for one in warnings] if isinstance(warnings, list) else []
        return Answer(
            envelope.get("data"), tuple(Problem(self.url, 0, f"the server warns: {text}") for text in texts)
        )


def connect(
    url: str,
    *,
    token: str | None = None,
    user: str | None = None,
    password: str | None = None,
    ca: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 30,
    cache: Cache | None = None,
    transport: httpx.BaseTransport | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Connection:
    """A connection to the API whose root is ``url``; nothing is asked yet. Close it, or use it in a ``with``.

    ``token`` is a bearer token; ``user`` and ``password`` are for basic authentication and may also stand in the URL.
    ``ca`` is a PEM file of the authorities to trust instead of the system's. What is not given is read from
    RULEGEN_PROMETHEUS_TOKEN, _USER, _PASSWORD and _CA. ``headers`` go with every request (a tenant's name, say).
    ``cache`` is for this connection alone; the directory may be shared.

    Raises InputError for a URL that is none, contradicting credentials and an unusable CA file.
    """
    if timeout_s <= 0:
        raise InputError(f"the timeout must be positive, not {timeout_s:g} s")
    root, in_url = clean_url(url)
    credentials = read_credentials(token, user, password, in_url, headers)
    client = httpx.Client(
        headers={**credentials.headers, "Accept": "application/json"},
        timeout=timeout_s,
        verify=tls_context(ca),
        transport=transport,
        follow_redirects=False,  # credentials go to the server that was named and to no other
    )
    return Connection(root, timeout_s, credentials, client, cache, sleep, clock)


def _retry_after(headers: httpx.Headers, wait: float) -> float:
    """RFC 9110, Retry-After in seconds, bounded; its date form would need a wall clock and counts as absent."""
    said = headers.get("retry-after", "").strip()
    return min(float(said), LONGEST_WAIT_S) if said.isascii() and said.isdigit() else wait
