"""The server: one process, one event loop, one thread that commits."""

from __future__ import annotations

import asyncio
import gc
import ipaddress
import signal
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.server.embed import Server

from rulegen.errors import InputError, RulegenError
from rulegen.listen.admission import Admission
from rulegen.listen.grpc import Push
from rulegen.listen.http import Http
from rulegen.listen.meters import Meters
from rulegen.listen.tls import check_certificates, check_pair
from rulegen.listen.tracing import spans
from rulegen.store.journal import Journal

DAY = 86_400_000  # ms
CHECKPOINT = 20.0  # seconds between two: each holds commits up for a tenth of a second or so
LONGEST_LOG = 16_384  # pages (of 4 KiB): beyond, commits wait for a checkpoint, after which the log begins anew
PACK = 60.0  # seconds between two looks for what can be packed
STEPS = 5  # of packing, at each look
FORGET = 3_600.0  # seconds between two looks for what is older than the retention
PROBE = 2.0  # seconds between two looks whether the store can be written
SETTLED = 2 * DAY  # ms after which an episode that was not seen again is packed
STREAMS = 1_024  # under way at once; more are refused with RESOURCE_EXHAUSTED
MOST_MESSAGE = 1 << 20  # bytes of one message of a stream: it is parsed in the loop, and each stream may hold one
GRACE = 2.0  # seconds that streams, and then requests, get for their last answers
HEADER = 5_000  # ms for a request's header, and for the next one's: so long a silent connection keeps its place
ALIVE = 60_000  # ms after which a silent sender of streams is asked whether it is still there
AHEAD = 64 << 10  # bytes of a stream that are taken before they are read: what waits there, admission cannot see


@dataclass(frozen=True, slots=True)
class Address:
    host: str
    port: int

    @classmethod
    def parse(cls, text: str, option: str) -> Address:
        """``127.0.0.1:9099`` or ``[::1]:9099``. Raises InputError, which names ``option``."""
        host, _, port = text.rpartition(":")
        if not host or not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise InputError(f"{option}: {text!r} is no HOST:PORT, as 127.0.0.1:9095 (0.0.0.0:9095 is every address)")
        return cls(host.removeprefix("[").removesuffix("]"), int(port))

    @property
    def ip(self) -> str:
        """The host as a number, that of IPv4 first. Raises OSError for a name that nobody knows."""
        found = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        return str(min(found, key=lambda one: one[0] is not socket.AF_INET)[4][0])

    @property
    def loopback(self) -> bool:
        with suppress(ValueError):
            return ipaddress.ip_address(self.host).is_loopback
        return self.host == "localhost"  # another name may lead anywhere, also one that begins with 127

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to listen on and how. ``timeout`` is in seconds, ``retention`` in ms; ``token`` "" asks for none;
    ``authority`` is the PEM file of those whose client certificates are taken (mTLS)."""

    store: Path
    http: Address | None
    grpc: Address | None
    token: str = ""
    certificate: Path | None = None
    key: Path | None = None
    authority: Path | None = None
    insecure: bool = False
    timeout: float = 5.0
    retention: int = 3 * 365 * DAY

    def check(self) -> None:
        """Raises InputError for what is contradictory, or open to everybody."""
        if self.http is None and self.grpc is None:
            raise InputError("nothing to listen on: give --http or --grpc")
        if (self.certificate is None) != (self.key is None):
            raise InputError("--tls-cert and --tls-key belong together")
        if self.authority and not self.certificate:
            raise InputError("--client-ca needs --tls-cert and --tls-key")
        if self.certificate and self.key:
            check_pair(self.certificate, self.key)
        if self.authority:
            check_certificates("--client-ca", self.authority)
        for one in (self.http, self.grpc):
            if one is None or one.loopback or self.insecure:
                continue
            if not self.certificate or not (self.token or self.authority):
                raise InputError(
                    f"{one}: is reachable from elsewhere: give --tls-cert and --tls-key, and --token-file or "
                    "--client-ca; or --insecure, if all of your network may write your alert history"
                )


async def serve(wanted: Wanted, ready: Callable[[str], None] = lambda _: None) -> None:
    """Listens until the process is told to stop (SIGTERM, SIGINT), then takes nothing more, commits what waits, and
    returns. ``ready`` is told in a line what it listens on. Raises InputError."""
    wanted.check()
    journal = Journal(wanted.store)
    try:
        stored = await _serve(wanted, journal, ready)
        ready(f"stopped: {stored:,} alerts were taken and are on the disk")
    finally:
        if left := journal.left():
            ready(f"{wanted.store}: {left}")
        with suppress(RulegenError):
            journal.close()


async def _serve(wanted: Wanted, journal: Journal, ready: Callable[[str], None]) -> int:
    """Returns how many alerts were stored."""
    loop = asyncio.get_running_loop()
    gc.collect()
    gc.freeze()  # what the libraries made is there to stay: a collection that walks it takes a tenth of a second
    meters, traced, stored = Meters(), spans(), 0

    def committed(alerts: int, batches: int, seconds: float) -> None:
        nonlocal stored
        stored += alerts
        meters.commit(alerts, batches, seconds)

    admission = Admission(journal, committed=committed)
    meters.watch(admission)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with suppress(NotImplementedError, RuntimeError):
            loop.add_signal_handler(number, stop.set)
    named: list[str] = []
    streams = _grpc_server(
        wanted, Push(admission, meters, token=wanted.token, timeout=wanted.timeout, spans=traced), named
    )
    if streams is not None:
        await streams.start()
    web = _http_server(
        wanted, Http(admission, meters, token=wanted.token, timeout=wanted.timeout, spans=traced), named
    )
    served = asyncio.create_task(web.serve()) if web is not None else None
    beside = [
        asyncio.create_task(_upkeep(journal, admission, wanted.retention)),
        asyncio.create_task(_probing(journal, admission)),
    ]
    try:
        if wanted.http is not None:
            await _reachable(wanted.http, served)
        ready(f"listening on {' and '.join(named)}, storing in {wanted.store}")
        ends = [asyncio.create_task(stop.wait())] + ([served] if served else [])
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if not stop.is_set():
            raise RulegenError("the HTTP server ended by itself")
    finally:
        for task in beside:
            task.cancel()
        await admission.drain()  # first: what streams and requests send from now on is refused
        if streams is not None:
            await streams.stop(GRACE)
        if web is not None and served is not None:
            web.stop()
            with suppress(asyncio.CancelledError, Exception):
                await asyncio.wait_for(served, GRACE)
    return stored


def _grpc_server(wanted: Wanted, push: Push, named: list[str]) -> grpc.aio.Server | None:
    if wanted.grpc is None:
        return None
    options = [
        ("grpc.max_receive_message_length", MOST_MESSAGE),
        ("grpc.so_reuseport", 0),
        ("grpc.http2.bdp_probe", 0),
        ("grpc.http2.lookahead_bytes", AHEAD),
        ("grpc.keepalive_time_ms", ALIVE),
        ("grpc.keepalive_timeout_ms", ALIVE // 3),
    ]
    server = grpc.aio.server(options=options, maximum_concurrent_rpcs=STREAMS)
    server.add_generic_rpc_handlers((push.handler(),))
    address = str(wanted.grpc)
    try:
        if wanted.certificate and wanted.key:
            authority = wanted.authority.read_bytes() if wanted.authority else None
            pairs = [(wanted.key.read_bytes(), wanted.certificate.read_bytes())]
            secure = grpc.ssl_server_credentials(pairs, authority, require_client_auth=authority is not None)
            port = server.add_secure_port(address, secure)
        else:
            port = server.add_insecure_port(address)
    except (RuntimeError, OSError) as error:
        raise InputError(f"--grpc {address}: cannot listen there: {error}") from None
    named.append(f"grpc://{Address(wanted.grpc.host, port)}")
    return server


def _http_server(wanted: Wanted, app: Http, named: list[str]) -> Any:
    if wanted.http is None:
        return None
    _free(wanted.http)
    named.append(f"{'https' if wanted.certificate else 'http'}://{wanted.http}")
    return Server(
        app,
        address=wanted.http.ip,
        port=wanted.http.port,
        interface=Interfaces.RSGI,
        http=HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        backlog=1024,
        backpressure=1024,
        http1_settings=HTTP1Settings(header_read_timeout=HEADER),
        ssl_cert=wanted.certificate,
        ssl_key=wanted.key,
        ssl_ca=wanted.authority,
        ssl_client_verify=wanted.authority is not None,
    )


def _free(address: Address) -> None:
    """Granian would share a port with another server that does; two of them would each get some of the alerts.
    Raises InputError where the address can't be had alone."""
    try:
        ip = address.ip
        with socket.socket(socket.AF_INET6 if ":" in ip else socket.AF_INET) as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind((ip, address.port))
    except OSError as error:
        raise InputError(f"--http {address}: cannot listen there: {error.strerror or error}") from None


async def _reachable(address: Address, served: asyncio.Task[None] | None) -> None:
    """Returns when somebody can connect. Raises InputError where the server ended instead."""
    while True:
        if served is not None and served.done():
            error = served.exception()
            raise InputError(f"--http {address}: cannot listen there: {error or 'the server ended'}")
        try:
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()
            return
        except OSError:
            await asyncio.sleep(0.02)


async def _upkeep(journal: Journal, admission: Admission, retention: int) -> None:
    """Checkpoints, packing and forgetting. Checkpoints run beside commits, the rest between two of them: also, where
    commits come so thick that the log never begins anew, a checkpoint of what little the one beside left."""
    loop = asyncio.get_running_loop()
    packed = forgot = loop.time()
    while True:
        with suppress(RulegenError):  # at once, too: one that is killed again and again would let the log grow
            if await asyncio.to_thread(journal.checkpoint) > LONGEST_LOG:
                await admission.aside(partial(_all, journal))
        now = time.time_ns() // 1_000_000
        with suppress(RulegenError):
            if loop.time() - packed > PACK:
                packed = loop.time()
                for _ in range(STEPS):  # commits have their turns between them
                    await admission.aside(partial(_packed, journal, now - SETTLED))
            if loop.time() - forgot > FORGET:
                forgot = loop.time()
                await admission.aside(partial(journal.forget, now - retention))
        await asyncio.sleep(CHECKPOINT)


async def _probing(journal: Journal, admission: Admission) -> None:
    """Finds out when the store can't be written though nobody sends, and when it can be again."""
    while True:
        await asyncio.sleep(PROBE)
        try:
            if admission.broken:
                await admission.aside(journal.probe)
                admission.broken = ""
            else:
                journal.stay()
        except RulegenError as error:
            admission.broken = str(error)


def _packed(journal: Journal, before: int) -> None:
    journal.pack(before)


def _all(journal: Journal) -> None:
    journal.checkpoint()
