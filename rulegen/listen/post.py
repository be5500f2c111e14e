"""Alerts over HTTP, as Alertmanager's API or its webhook has them."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from rulegen.core.alert import Episode
from rulegen.errors import InputError, UpstreamError

TRIES = 20  # of one batch that is refused for now
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def post(
    url: str, episodes: Sequence[Episode], *, batch: int, timeout: float, token: str, authority: Path | None
) -> int:
    """Sends ``episodes`` to ``url`` (…/api/v2/alerts or …/webhook), ``batch`` at a time, and returns how many were
    acknowledged: all. What is refused for now is sent again when its Retry-After says so.

    Raises InputError for a URL that is neither, UpstreamError for a server that is down or takes it for wrong.
    """
    hook = url.rstrip("/").endswith("/webhook")
    if not hook and not url.rstrip("/").endswith("/api/v2/alerts"):
        raise InputError(f"--to: {url}: …/api/v2/alerts or …/webhook is wanted")
    headers = {"x-request-timeout": f"{timeout:g}"} | ({"authorization": f"Bearer {token}"} if token else {})
    verify = ssl.create_default_context(cafile=authority) if authority else True
    sent = 0
    with httpx.Client(headers=headers, timeout=timeout + 5, verify=verify) as client:
        rest = iter(episodes)
        while some := list(islice(rest, batch)):
            _send(client, url, hooked(some) if hook else posted(some))
            sent += len(some)
    return sent


def posted(episodes: Sequence[Episode]) -> list[dict[str, Any]]:
    """As Prometheus sends them. One whose end is not known is told without an end, and so as firing now."""
    return [
        {"labels": dict(one.labels), "startsAt": _time(one.span.start)}
        | ({} if one.open else {"endsAt": _time(one.span.end)})
        for one in episodes
    ]


def hooked(episodes: Sequence[Episode]) -> dict[str, Any]:
    alerts = [
        {
            "status": "firing" if one.open else "resolved",
            "labels": dict(one.labels),
            "startsAt": _time(one.span.start),
            "endsAt": "0001-01-01T00:00:00Z" if one.open else _time(one.span.end),
        }
        for one in episodes
    ]
    return {"version": "4", "alerts": alerts}


def _send(client: httpx.Client, url: str, body: Any) -> None:
    for _ in range(TRIES):
        try:
            answer = client.post(url, json=body)
        except httpx.HTTPError as error:
            raise UpstreamError(f"{url}: {error}") from None
        if answer.is_success:
            return
        after = answer.headers.get("retry-after", "")
        if answer.status_code not in (429, 503, 504) or not after.isdigit():
            raise UpstreamError(f"{url}: {answer.status_code}: {answer.text[:200].strip()}")
        time.sleep(min(60, int(after)))
    raise UpstreamError(f"{url}: refused {TRIES} times, the last time with {answer.status_code}")


def _time(ms: int) -> str:
    return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
