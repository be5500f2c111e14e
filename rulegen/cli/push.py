"""``rulegen push``: send a file of alerts to a listening rulegen, or to an Alertmanager."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def push(
    file: Annotated[Path, typer.Argument(help="Webhook payloads or snapshots, as for --alerts.", metavar="FILE")],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="grpc://HOST:PORT, http://…/api/v2/alerts (also of an Alertmanager) or http://…/webhook; "
            "with TLS grpcs:// and https://.",
            metavar="URL",
        ),
    ] = "grpc://127.0.0.1:9096",
    batch: Annotated[int, typer.Option("--batch", help="Alerts in one message.", metavar="N")] = 64,
    request_timeout: Annotated[
        str, typer.Option("--request-timeout", help="Deadline of each message.", metavar="DURATION")
    ] = "5s",
    token_file: Annotated[
        Path | None,
        typer.Option("--token-file", help="File with a bearer token (or RULEGEN_LISTEN_TOKEN).", metavar="FILE"),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option("--ca", help="PEM file of the authorities to trust.", metavar="FILE")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Send nothing if not all of FILE can be read.")] = False,
) -> None:
    """Send the alerts of a file, and return when all of them are acknowledged."""
    from rulegen.cli.listening import push_file

    push_file(file, to, batch=batch, request_timeout=request_timeout, token_file=token_file, ca=ca, strict=strict)
