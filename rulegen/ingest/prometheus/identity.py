"""Which server is it, who asks, and how does it evaluate: what an answer depends on beside the question."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable

from rulegen.errors import UpstreamError
from rulegen.ingest.prometheus.connection import Connection

LOOKBACK = "query.lookback-delta"
_EXTERNAL = re.compile(r"^( *)external_labels:.*\n(?:\1 +.*\n)*", re.MULTILINE)


def server(conn: Connection) -> str:
    """The URL, who asks it, and the external labels of a Prometheus that shows them; asked once a run."""
    return _once(conn, "server", lambda: [conn.url, _asker(conn), _external_labels(conn)])


def engine(conn: Connection) -> str:
    """The version and the lookback of what evaluates, where it tells: another one may answer otherwise."""
    return _once(conn, "engine", lambda: [_told(conn, "buildinfo", "version"), _told(conn, "flags", LOOKBACK)])


def _asker(conn: Connection) -> list[str]:
    """The user, or a fingerprint of token and headers, since servers show each what is theirs.

    A password is left out: it may be short, and another one shows the same. From the fingerprint nothing can be
    guessed at a price worth paying (scrypt, RFC 7914), and the URL salts it.
    """
    headers = dict(conn.credentials.headers)
    if headers.get("Authorization", "").startswith("Basic "):
        del headers["Authorization"]
    if not headers:
        return [conn.credentials.kind]
    text, salt = json.dumps(sorted(headers.items())), conn.url.encode()
    return [conn.credentials.kind, hashlib.scrypt(text.encode(), salt=salt, n=1 << 14, r=8, p=1, dklen=16).hex()]


def _external_labels(conn: Connection) -> str:
    found = _EXTERNAL.search(_told(conn, "config", "yaml"))
    return found[0] if found else ""


def _once(conn: Connection, what: str, ask: Callable[[], list[object]]) -> str:
    answers = conn.cache.answers if conn.cache is not None else {}
    if what not in answers:
        answers[what] = json.dumps(ask())
    return answers[what]


def _told(conn: Connection, page: str, name: str) -> str:
    try:
        data = conn.ask(f"/api/v1/status/{page}").data
    except UpstreamError:
        return ""  # not a Prometheus; or what is wrong, the questions that follow will say
    return str(data.get(name, "")) if isinstance(data, dict) else ""
