"""Alerts over HTTP, as Alertmanager's API or its webhook has them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from rulegen.core.alert import Episode
from rulegen.errors import InputError, UpstreamError
from rulegen.listen.sending import Patience, so_far
from rulegen.listen.tls import check_certificates

LONGEST = 60.0  # seconds that a server may ask to wait
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def post(
    url: str, episodes: Sequence[Episode], *, batch: int, timeout: float, token: str, authority: Path | None
) -> int:
    """Sends ``episodes`` to ``url`` (…/api/v2/alerts or …/webhook), ``batch`` at a time, and returns how many were
    acknowledged: all. What is refused for now is sent again when its Retry-After says so, and once something was
    acknowledged a server that goes away is waited for.

    Raises InputError for a URL that is neither, UpstreamError for a server that is down or takes it for wrong.
    """
    hook = url.rstrip("/").endswith("/webhook")
    if not hook and not url.rstrip("/").endswith("/api/v2/alerts"):
        raise InputError(f"--to: {url}: …/api/v2/alerts or …/webhook is wanted")
    headers = {"x-request-timeout": f"{timeout:g}"} | ({"authorization": f"Bearer {token}"} if token else {})
    verify = check_certificates("--ca", authority) if authority else True
    sent = 0
    with httpx.Client(headers=headers, timeout=timeout + 5, verify=verify) as client:
        rest = iter(episodes)
        while some := list(islice(rest, batch)):
            try:
                _send(client, url, hooked(some) if hook else posted(some), first=not sent)
            except UpstreamError as error:
                raise UpstreamError(f"{url}: {error}; {so_far(sent, len(episodes))}") from None
            sent += len(some)
    return sent


def posted(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """As Prometheus sends them. One whose end is not known is told to be over when it was last seen: without an end
    it would fire until now, and no other can be told."""
    return [
        {"labels": dict(one.labels), "startsAt": _time(one.span.start), "endsAt": _time(one.span.end)}
        for one in episodes
    ]


def hooked(episodes: Sequence[Episode]) -> dict[str, Any]:
    """As Alertmanager's webhook has them; of ends as :func:`posted`."""
    return {"version": "4", "alerts": [{"status": "resolved"} | one for one in posted(episodes)]}


def _send(client: httpx.Client, url: str, body: Any, *, first: bool) -> None:
    """Returns once ``body`` is acknowledged. Raises UpstreamError; ``first``: nothing was acknowledged before."""
    patience = Patience()
    while True:
        after = 0.0
        try:
            answer = client.post(url, json=body)
        except httpx.HTTPError as error:
            why = _told(error)
            if first or not isinstance(error, httpx.TransportError):
                raise UpstreamError(why) from None
        else:
            if answer.is_success:
                return
            why = f"{answer.status_code}: {answer.text[:200].strip()}"
            told = answer.headers.get("retry-after", "")
            if answer.status_code not in (429, 503, 504) or not told.isdigit():
                raise UpstreamError(why)
            after = min(LONGEST, float(told))
        time.sleep(patience.pause(False, after, why))


def _told(error: httpx.HTTPError) -> str:
    text = str(error) or type(error).__name__
    if isinstance(error, httpx.RemoteProtocolError):
        return f"no HTTP is spoken there; is it the port for gRPC, or for https? ({text})"
    if "WRONG_VERSION_NUMBER" in text or "record layer" in text.lower():
        return f"no TLS is spoken there; http:// is without ({text})"
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return f"{text}; --ca names whom to trust"
    return text


def _time(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
