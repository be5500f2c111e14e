"""Who we are for the server: URL, options and environment → a clean URL, headers and a TLS context."""

from __future__ import annotations

import base64
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

import httpx

from rulegen.errors import InputError

TOKEN = "RULEGEN_PROMETHEUS_TOKEN"
USER = "RULEGEN_PROMETHEUS_USER"
PASSWORD = "RULEGEN_PROMETHEUS_PASSWORD"
CA = "RULEGEN_PROMETHEUS_CA"


@dataclass(frozen=True, slots=True)
class Credentials:
    """``headers`` to send with every request; ``secrets`` are the texts that must not be shown.

    ``kind`` names what is sent, for messages.
    """

    kind: str
    headers: Mapping[str, str] = field(repr=False)
    secrets: tuple[str, ...] = field(repr=False)


def clean_url(url: str) -> tuple[str, tuple[str, str] | None]:
    """``https://u:p@host/prefix/`` → (``https://host/prefix``, (``u``, ``p``)).

    Raises InputError for what is no http(s) URL with a host and nothing after its path.
    """
    safe = url.strip().rpartition("@")[2]  # nothing before an @ may be shown
    try:
        parsed = httpx.URL(url.strip())
    except (httpx.InvalidURL, ValueError):
        raise InputError(f"{safe!r} is not a URL: write it as http://localhost:9090") from None
    if parsed.scheme not in ("http", "https") or not parsed.host:
        raise InputError(f"{safe!r} is not an http or https URL: write it as http://localhost:9090")
    if parsed.query or parsed.fragment:
        raise InputError(f"{safe.partition('?')[0].partition('#')[0]}: give the API's root without '?' or '#'")
    in_url = (parsed.username, parsed.password) if parsed.userinfo else None
    return str(parsed.copy_with(username=None, password=None)).rstrip("/"), in_url


def read_credentials(
    token: str | None,
    user: str | None,
    password: str | None,
    in_url: tuple[str, str] | None,
    headers: Mapping[str, str] | None,
) -> Credentials:
    """Options come before the URL's own user and password, and those before the environment; they are not mixed.

    Raises InputError when both a token and a user are given in one place, or text that a header cannot hold.
    """
    env = os.environ.get
    if token is None and user is None:
        if in_url is not None:
            user, password = in_url[0], password or in_url[1] or None
        else:
            token, user = env(TOKEN) or None, env(USER) or None
    if token is not None and user is not None:
        raise InputError(
            f"give either a bearer token (--token-file or {TOKEN}) or a user (--user or {USER}), not both"
        )
    more = dict(headers or {})
    for name, value in more.items():
        _sendable(f"the header {name!r}", name + value)
    if token is not None:
        token = token.strip()  # a token read from a file ends in a newline
        _sendable("the bearer token", token)
        return Credentials("the bearer token", {**more, "Authorization": f"Bearer {token}"}, (token, *more.values()))
    if user is not None:
        if password is None:
            password = env(PASSWORD) or ""
        basic = base64.b64encode(f"{user}:{password}".encode()).decode()  # RFC 7617, in UTF-8
        return Credentials(
            f"user {user!r}", {**more, "Authorization": f"Basic {basic}"}, (password, basic, *more.values())
        )
    return Credentials("", more, tuple(more.values()))


def tls_context(ca: str | None) -> ssl.SSLContext:
    """Trusts ``ca`` (PEM file, or RULEGEN_PROMETHEUS_CA) alone, or else the system. Raises InputError."""
    ca = ca or os.environ.get(CA) or None
    try:
        return ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise InputError(f"{ca}: no certificate in PEM form found in this CA file") from None
    except OSError as error:
        raise InputError(f"{ca}: the CA file cannot be read: {error.strerror}") from None


def _sendable(what: str, text: str) -> None:
    if not text.isascii() or not text.isprintable():
        raise InputError(f"{what} holds characters that an HTTP header cannot carry")
