"""A model behind an OpenAI-compatible HTTP API: llama.cpp's server, vLLM, Ollama.

It is asked for a JSON schema's answers first (``response_format``, which all three know), where that is refused under
the grammar (``grammar``, which llama.cpp knows), else without either; answers are read as if nobody had kept to
anything. Every failure is one line that begins with the URL; no message holds the token.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Thread

import httpx

from rulegen.core.deadline import Clock
from rulegen.errors import InputError, ModelError
from rulegen.propose.llama import TooLong

TOKEN = "RULEGEN_MODEL_TOKEN"
BODY_LIMIT = 1 << 20  # bytes of one answer, unpacked; a proposal has some hundred
_SHOWN = 200  # characters of what a server says
_SLACK = 0.5  # seconds after which an answer that the client should have given up is left behind

_FORMS = ("schema", "grammar", "free")
_REFUSED = (400, 404, 415, 422, 500, 501)  # what servers answer to a form that they do not know
_UNFIT = (400, 413, 422)  # and to a question that is not for them: longer than the context, most of all


@dataclass(eq=False)
class Endpoint:
    """A :class:`rulegen.propose.llama.LanguageModel` at ``url``. Made by :func:`connect`."""

    url: str
    name: str
    client: httpx.Client = field(repr=False)
    timeout_s: float
    now: Clock = field(repr=False)
    sha256: str = ""  # which weights answer is the server's affair
    trained: bool = False
    _form: int = 0  # in _FORMS: the first that was not refused
    _settled: bool = False

    def complete(
        self,
        prompt: str,
        grammar: str,
        *,
        schema: Mapping[str, object] | None = None,
        max_tokens: int,
        temperature: float,
        seed: int,
        deadline: float | None,
    ) -> str:
        body: dict[str, object] = {
            "model": self.name,
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": max_tokens,
            "temperature": temperature,
            "seed": seed,
            "stream": False,
        }
        while True:
            status, answer = self._post({**body, **self._bound(grammar, schema)}, deadline)
            if status == 200:
                self._settled = True
                return self._text(answer)
            if not self._settled and status in _REFUSED and self._form + 1 < len(_FORMS):
                self._form += 1
                continue
            said = f"{self.url}: the server answered {status}{self._said(answer)}"
            if status not in _UNFIT:
                raise ModelError(said)
            if not self._settled:
                self._form = 0  # it was this question that was refused, and not the form
            raise TooLong(said)

    def _bound(self, grammar: str, schema: Mapping[str, object] | None) -> dict[str, object]:
        """The fields of a request that bind its answer."""
        form = _FORMS[self._form]
        if form == "schema" and schema is not None:
            named = {"name": "proposal", "strict": True, "schema": schema}
            return {"response_format": {"type": "json_schema", "json_schema": named}}
        return {} if form == "free" else {"grammar": grammar}

    def _post(self, body: Mapping[str, object], deadline: float | None) -> tuple[int, bytes]:
        until = self.now() + self.timeout_s
        if deadline is not None:
            until = min(until, deadline)
        return self._exchange("POST", "/chat/completions", body, until)

    def _exchange(self, method: str, path: str, body: Mapping[str, object] | None, until: float) -> tuple[int, bytes]:
        """Status and whole body of one answer. Raises ModelError, at ``until`` at the latest.

        The client's own timeouts are for each read: a name that takes long to look up, or headers that come byte by
        byte, would pass them all. So it works in a thread, and what is not there in time is left behind with it.
        """
        left = until - self.now()
        if left <= 0:
            raise self._too_slow()
        outcome: SimpleQueue[tuple[int, bytes] | Exception] = SimpleQueue()

        def work() -> None:
            try:
                outcome.put(self._sent(method, path, body, until, left))
            except Exception as error:
                outcome.put(error)  # raised by who waits

        Thread(target=work, name="model", daemon=True).start()
        try:
            found = outcome.get(timeout=left + _SLACK)
        except Empty:
            raise self._too_slow() from None
        if isinstance(found, Exception):
            raise found
        return found

    def _sent(
        self, method: str, path: str, body: Mapping[str, object] | None, until: float, left: float
    ) -> tuple[int, bytes]:
        content = None if body is None else json.dumps(body, ensure_ascii=True).encode()
        headers = {"Content-Type": "application/json"}
        try:
            with self.client.stream(
                method, self.url + path, content=content, headers=headers, timeout=left
            ) as response:
                return response.status_code, b"".join(self._blocks(response, until))
        except httpx.ConnectError:
            raise ModelError(f"{self.url}: cannot be reached: is the server up?") from None
        except httpx.TimeoutException:
            raise self._too_slow() from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ModelError(f"{self.url}: the connection broke off ({type(error).__name__})") from None

    def _blocks(self, response: httpx.Response, until: float) -> Iterator[bytes]:
        length = 0
        for block in response.iter_bytes():
            length += len(block)
            if length > BODY_LIMIT:
                raise ModelError(f"{self.url}: the answer is larger than {BODY_LIMIT >> 10} KiB")
            if self.now() > until:
                raise self._too_slow()
            yield block

    def _text(self, body: bytes) -> str:
        """The text in a completion. One that is no text is given back as nothing, and so cannot be used."""
        try:
            found = json.loads(body)["choices"][0]["message"]["content"]
        except (ValueError, RecursionError, LookupError, TypeError):
            raise ModelError(f"{self.url}: answers what no OpenAI-compatible API does{self._said(body)}") from None
        return found if isinstance(found, str) else ""

    def _said(self, body: bytes) -> str:
        """What a server said, fit to print and without the token."""
        text = body[: 4 * _SHOWN].decode("utf-8", "replace")
        token = os.environ.get(TOKEN, "").strip()
        if token:
            text = text.replace(token, "***")
        return f": {text[:_SHOWN]!a}" if text.strip() else ""

    def _too_slow(self) -> ModelError:
        return ModelError(f"{self.url}: the model is too slow: no whole answer in time, see --model-timeout")


def root(url: str) -> str:
    """``url`` as the root of an API, ``/v1`` appended where no path is given. Raises InputError for one that is none,
    and for one with credentials."""
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError):
        parsed = httpx.URL("")
    if parsed.userinfo:
        raise InputError(f"--model-url: give no credentials in the URL; a bearer token is read from {TOKEN}")
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise InputError(f"--model-url: {url!r} is not the root of an API: write it as http://localhost:8080/v1")
    text = str(parsed).rstrip("/")
    return text if parsed.path.strip("/") else f"{text}/v1"


def connect(
    url: str,
    name: str = "",
    *,
    timeout_s: float = 120.0,
    until: float = math.inf,
    transport: httpx.BaseTransport | None = None,
    now: Clock = time.monotonic,
) -> Endpoint:
    """The model ``name`` (the first that the server lists) behind the API at ``url``; a bearer token is read from
    RULEGEN_MODEL_TOKEN. ``timeout_s`` bounds each whole answer, and ``until``, a time of ``now``, the list of models.

    Raises InputError for a URL or a token that is none, ModelError when the server does not answer.
    """
    token = os.environ.get(TOKEN, "").strip()
    if not token.isascii() or not token.isprintable():
        raise InputError(f"{TOKEN} holds characters that an HTTP header cannot carry")
    headers = {"Accept": "application/json", **({"Authorization": f"Bearer {token}"} if token else {})}
    client = httpx.Client(
        headers=headers,
        timeout=timeout_s,
        transport=transport,
        follow_redirects=False,  # the token goes to the server that was named and to no other
    )
    endpoint = Endpoint(root(url), name, client, timeout_s, now)
    if not name:
        endpoint.name = _first(endpoint, min(until, endpoint.now() + timeout_s))
    return endpoint


def _first(endpoint: Endpoint, until: float) -> str:
    status, body = endpoint._exchange("GET", "/models", None, until)
    try:
        found = json.loads(body)["data"][0]["id"] if status == 200 else None
    except (ValueError, RecursionError, LookupError, TypeError):
        found = None
    if not isinstance(found, str) or not found.isprintable() or not 0 < len(found) <= _SHOWN:
        said = f"answered {status}" if status != 200 else "lists no models"
        raise ModelError(f"{endpoint.url}: the server {said}{endpoint._said(body)}; name the model with --model-name")
    return found
