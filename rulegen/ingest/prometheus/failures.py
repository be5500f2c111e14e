"""What can go wrong with a server → one clear line that says what to do."""

from __future__ import annotations

import json
import re
import socket
import ssl
from collections.abc import Iterator

import httpx

from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus.credentials import CA, PASSWORD, TOKEN, USER, Credentials

_SHOWN = 300  # characters of a server's own text
_EXPENSIVE = re.compile(r"^(?!.*parse error).*(too many|too large|exceed|limit|maximum)", re.IGNORECASE | re.DOTALL)


class TooMuch(UpstreamError):
    """The server (or we) gave up on the size or the time of an answer: a shorter range may succeed.

    ``slow``: it was the time. ``transient``: the same question may succeed later.
    """

    def __init__(self, message: str, *, slow: bool = False, transient: bool = False) -> None:
        super().__init__(message)
        self.slow = slow
        self.transient = transient


class Unreachable(UpstreamError):
    """No conversation came about: name, network, TLS."""


def shown(text: str, credentials: Credentials) -> str:
    """Text that a server wrote, fit for a terminal: one line, bounded, without control characters or our secrets."""
    for secret in credentials.secrets:
        if secret:
            text = text.replace(secret, "***")
    text = " ".join("".join(char if char.isprintable() else " " for char in text[: 10 * _SHOWN]).split())
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"


def unreachable(url: str, error: Exception) -> UpstreamError:
    """A failure below HTTP, by its innermost cause; Unreachable unless an answer began."""
    causes = list(_causes(error))
    for cause in causes:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return Unreachable(
                f"{url}: its TLS certificate is not trusted ({cause.verify_message}): "
                f"name the authority that signed it (--ca FILE or {CA}, in PEM form)"
            )
        if isinstance(cause, ssl.SSLError):
            reason = (cause.reason or "failed").replace("_", " ").lower()
            return Unreachable(f"{url}: the TLS handshake failed ({reason}): does the port speak https?")
        if isinstance(cause, socket.gaierror):
            return Unreachable(f"{url}: the host name is not known ({cause.strerror})")
        if isinstance(cause, ConnectionRefusedError):
            return Unreachable(f"{url}: connection refused: is the server running, and is this its port?")
    if isinstance(error, httpx.RemoteProtocolError | httpx.ReadError | httpx.WriteError):
        return Unreachable(f"{url}: the connection broke before the answer was whole ({_word(error)})")
    if isinstance(error, httpx.DecodingError):
        return UpstreamError(f"{url}: the answer's compression is broken ({_word(error)})")
    return Unreachable(f"{url}: no connection ({_word(error)})")


def refusal(
    url: str, path: str, status: int, headers: httpx.Headers, body: bytes, credentials: Credentials
) -> UpstreamError:
    """Any answer but a success → what it means, with Prometheus' own text where it sent one."""
    kind, text = _own_words(headers, body)
    said = f": {shown(text, credentials)}" if text else ""
    where = url + path
    if 300 <= status < 400:
        target = shown(_without_query(headers.get("location", "nowhere")), credentials)
        return UpstreamError(
            f"{where}: redirects to {target}: give the URL of the API itself, and credentials if that is a login page"
        )
    if status in (401, 403):
        sent = f"{credentials.kind} is refused" if credentials.kind else "wants to know who asks"
        return UpstreamError(
            f"{where}: {sent} ({status}{said}): give a bearer token (--token-file or {TOKEN}), "
            f"or a user (--user or {USER}) and {PASSWORD}"
        )
    if status == 404:
        return UpstreamError(f"{where}: not found (404{said}): is {url} the API's root, what comes before /api/v1?")
    message = f"{where}: refused{said}" if status == 200 else f"{where}: answered {status}{said}"
    # "timeout" (with 503) is how Prometheus gives a query up, 413 a proxy's word; limits differ in status (422, 400)
    # and wording among its kin. 504 may be a busy gateway or an expensive query, so it is asked again first.
    if status == 413 or kind == "timeout" or (status in (400, 422, 500) and _EXPENSIVE.search(text)):
        return TooMuch(message, slow=kind == "timeout")
    if status == 504:
        return TooMuch(message, slow=True, transient=True)
    return UpstreamError(message)


def _own_words(headers: httpx.Headers, body: bytes) -> tuple[str, str]:
    """(``errorType``, ``error``) of the API's error envelope, or ("", the text); a web page says nothing."""
    try:
        envelope = json.loads(body)
    except (ValueError, RecursionError):
        text = body[: 10 * _SHOWN].decode("utf-8", "replace").strip()
        return "", "" if text.startswith("<") or "html" in headers.get("content-type", "") else text
    if not isinstance(envelope, dict):
        return "", ""
    return str(envelope.get("errorType", "")), str(envelope.get("error") or envelope.get("message") or "")


def _without_query(location: str) -> str:
    return location.rpartition("@")[2].partition("?")[0].partition("#")[0]


def _word(error: Exception) -> str:
    return " ".join(str(error).split())[:_SHOWN] or type(error).__name__


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__
