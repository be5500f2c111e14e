"""Certificates and keys, looked at before a server or a client would only say that something failed."""

from __future__ import annotations

import ssl
from pathlib import Path

from rulegen.errors import InputError


def check_certificates(option: str, path: Path) -> ssl.SSLContext:
    """A context that trusts the certificates in the PEM file. Raises InputError, which names ``option``, for a file
    without any."""
    try:
        return ssl.create_default_context(cafile=path)
    except ssl.SSLError:
        raise InputError(f"{option}: {path}: no certificate in PEM form in this file") from None
    except OSError as error:
        raise InputError(f"{option}: {path}: cannot be read: {error.strerror}") from None


def check_pair(certificate: Path, key: Path) -> None:
    """Raises InputError where ``certificate`` holds none, or ``key`` is not its key."""
    check_certificates("--tls-cert", certificate)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            raise InputError(f"--tls-key: {key}: not the key of {certificate}") from None
        raise InputError(f"--tls-key: {key}: no private key in PEM form, or one that asks for a password") from None
    except OSError as error:
        raise InputError(f"--tls-key: {key}: cannot be read: {error.strerror}") from None
