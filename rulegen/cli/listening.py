"""What ``rulegen listen`` and ``rulegen push`` do, apart from their options."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from pathlib import Path

from rulegen.cli.history import token_in
from rulegen.cli.log import say
from rulegen.cli.values import milliseconds, number
from rulegen.core.durations import SECOND
from rulegen.emit.words import counted
from rulegen.errors import InputError

TOKEN = "RULEGEN_LISTEN_TOKEN"
SHOWN_PROBLEMS = 20

os.environ.setdefault("GRPC_VERBOSITY", "NONE")  # its library writes to standard error by itself, and before we know


def listen_until_stopped(
    *,
    store: Path,
    http: str,
    grpc: str,
    token_file: Path | None,
    tls_cert: Path | None,
    tls_key: Path | None,
    client_ca: Path | None,
    insecure: bool,
    request_timeout: str,
    retention: str,
) -> None:
    """Raises InputError for options that can't be, and for a store or an address that can't be used."""
    _installed("granian", "grpc", "google.protobuf", "uvloop")
    import uvloop

    from rulegen.listen.serve import Address, Wanted, serve

    allowed = milliseconds("--request-timeout", request_timeout, least=1)
    for path in (tls_cert, tls_key, client_ca):
        if path is not None and not path.is_file():
            raise InputError(f"{path}: no such file")
    wanted = Wanted(
        store=store,
        http=Address.parse(http, "--http") if http else None,
        grpc=Address.parse(grpc, "--grpc") if grpc else None,
        token=token(token_file),
        certificate=tls_cert,
        key=tls_key,
        authority=client_ca,
        insecure=insecure,
        timeout=allowed / SECOND,
        retention=milliseconds("--retention", retention, least=1),
    )
    uvloop.run(serve(wanted, say))


def token(path: Path | None) -> str:
    """From the file, or else from the environment; "" where neither is given. Raises InputError for what is none."""
    if path is not None:
        return token_in(path)
    given = os.environ.get(TOKEN, "")
    token = given.strip()
    if given and not (token and token.isascii() and token.isprintable()):
        raise InputError(f"{TOKEN}: no bearer token: ASCII characters are expected")
    return token


def _installed(*modules: str) -> None:
    for name in modules:
        try:
            found = importlib.util.find_spec(name)
        except ModuleNotFoundError:
            found = None
        if found is None:
            raise InputError("this needs more than a plain installation: pip install 'rulegen[listen]'")


def push_file(
    file: Path,
    to: str,
    *,
    batch: int,
    request_timeout: str,
    token_file: Path | None,
    ca: Path | None,
    strict: bool = False,
) -> None:
    """Reads ``file`` and sends its alerts to ``to``; with ``strict`` only if all of it can be read. Raises
    InputError, and UpstreamError for what is not taken."""
    from rulegen.ingest.alerts import read_alerts

    allowed = milliseconds("--request-timeout", request_timeout, least=1) / SECOND
    size = number("--batch", batch, least=1)
    given = token(token_file)
    episodes, _, problems = read_alerts(file)
    if strict and problems:
        raise InputError(*map(str, problems))
    for problem in problems[:SHOWN_PROBLEMS]:
        say(str(problem), "warning")
    if to.startswith(("grpc://", "grpcs://")):
        _installed("grpc", "google.protobuf")
        from rulegen.listen.push import push_stream

        sent = asyncio.run(push_stream(to, episodes, batch=size, timeout=allowed, token=given, authority=ca))
    elif to.startswith(("http://", "https://")):
        from rulegen.listen.post import post

        sent = post(to, episodes, batch=size, timeout=allowed, token=given, authority=ca)
    else:
        raise InputError(f"--to: {to!r}: grpc://HOST:PORT, http://HOST:PORT/api/v2/alerts or …/webhook is wanted")
    print(f"{counted(sent, 'alert')} acknowledged by {to}")
    if problems:
        say(f"{counted(len(problems), 'item')} of {file} could not be read; the rest was sent", "warning")
