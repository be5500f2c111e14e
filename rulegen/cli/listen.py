"""``rulegen listen``: keep alerts as they happen."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rulegen.cli.options import opt

WHERE, WHO, HOW = "Where to listen", "Who may", "What is kept"


def listen(
    store: Annotated[Path, opt("--store", "SQLite file that keeps the alerts.", HOW, "FILE")],
    http: Annotated[str, opt("--http", "Address for HTTP; empty: none.", WHERE, "HOST:PORT")] = "127.0.0.1:9095",
    grpc: Annotated[str, opt("--grpc", "Address for gRPC; empty: none.", WHERE, "HOST:PORT")] = "127.0.0.1:9096",
    token_file: Annotated[
        Path | None,
        opt("--token-file", "File with the bearer token to ask for (or RULEGEN_LISTEN_TOKEN).", WHO, "FILE"),
    ] = None,
    tls_cert: Annotated[
        Path | None, opt("--tls-cert", "PEM file with the server's certificate.", WHO, "FILE")
    ] = None,
    tls_key: Annotated[Path | None, opt("--tls-key", "PEM file with its key.", WHO, "FILE")] = None,
    client_ca: Annotated[
        Path | None, opt("--client-ca", "PEM file of whose client certificates are taken.", WHO, "FILE")
    ] = None,
    insecure: Annotated[bool, opt("--insecure", "Listen beyond loopback without TLS or token.", WHO)] = False,
    request_timeout: Annotated[
        str, opt("--request-timeout", "Deadline of what names none, and the most allowed.", HOW, "DURATION")
    ] = "5s",
    retention: Annotated[str, opt("--retention", "How long alerts are kept.", HOW, "DURATION")] = "3y",
) -> None:
    """Receive alerts over HTTP and gRPC and keep them for years; what is acknowledged is on the disk."""
    from rulegen.cli.listening import listen_until_stopped

    listen_until_stopped(
        store=store,
        http=http,
        grpc=grpc,
        token_file=token_file,
        tls_cert=tls_cert,
        tls_key=tls_key,
        client_ca=client_ca,
        insecure=insecure,
        request_timeout=request_timeout,
        retention=retention,
    )
