"""`rulegen listen` as a process: what comes in, what is refused, who may, and how it ends."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sqlite3
import ssl
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from itertools import count
from pathlib import Path

import grpc
import httpx
import pytest
from listening import LISTEN, Listening, alert, listening, post
from servers import free_port

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.errors import UpstreamError
from rulegen.ingest.store import read_kept
from rulegen.listen.http import MOST_BODY, MOST_HELD
from rulegen.listen.listen_pb2 import Ack, AlertBatch
from rulegen.listen.push import PUSH, push_stream
from rulegen.listen.serve import STREAMS

NOW = int(time.time())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listening]:
    with listening(tmp_path_factory.mktemp("listen") / "s.db") as one:
        yield one


def kept(one: Listening, name: str) -> list[tuple[int, int, bool]]:
    """Episodes of that alert, in Unix seconds."""
    found = read_kept(one.store)[0]
    return [(each.span.start // 1000, each.span.end // 1000, each.open) for each in found if each.name == name]


def test_prometheus_way(server: Listening) -> None:
    answer = post(server, [alert("P", NOW - 600, NOW - 300, pod="a"), alert("P", NOW - 200, NOW + 240)])
    assert (answer.status_code, answer.text) == (200, "{}")
    assert kept(server, "P")[0] == (NOW - 600, NOW - 300, False)
    start, seen, open_ = kept(server, "P")[1]
    assert start == NOW - 200 and open_ and abs(seen - time.time()) < 60  # its end lies ahead: it still fires
    post(server, [alert("P", NOW - 200, NOW - 100)])  # told later, but over by then: it was seen firing after that
    assert kept(server, "P")[1][:2] == (start, seen)


def test_the_same_again_is_not_counted_twice(server: Listening) -> None:
    for _ in range(3):
        post(server, [alert("Twice", NOW - 600, NOW - 300)])
    assert kept(server, "Twice") == [(NOW - 600, NOW - 300, False)]


def test_alertmanagers_webhook(server: Listening) -> None:
    payload = {
        "version": "4",
        "groupKey": "g",
        "status": "firing",
        "alerts": [{"status": "resolved"} | alert("H", NOW - 90, NOW - 30)],
    }
    assert httpx.post(f"{server.http}/webhook", json=payload).status_code == 200
    assert kept(server, "H") == [(NOW - 90, NOW - 30, False)]


@pytest.mark.parametrize("way", ["/api/v2/alerts", "/webhook"])
def test_one_alert_of_the_wrong_type_takes_no_other_along(server: Listening, way: str) -> None:
    name = f"Typed{way[1:4]}"
    good = [{"status": "resolved"} | alert(name, NOW - 90, NOW - 30, n=n) for n in "ab"]
    bad = [{**good[0], "labels": {"alertname": name, "n": 1}}, {**good[0], "startsAt": "yesterday"}, "no alert", None]
    alerts = [good[0], *bad, good[1]]
    answer = httpx.post(
        f"{server.http}{way}", json=alerts if way.startswith("/api") else {"version": "4", "alerts": alerts}
    )
    assert answer.status_code == 400
    assert [f"alert {n}: " in answer.text for n in range(6)] == [False, True, True, True, True, False]
    assert "the other 2 are kept" in answer.text
    assert len(kept(server, name)) == 2


def test_grpc_and_its_client(server: Listening) -> None:
    episodes = [
        Episode(Labels({"alertname": "G", "n": str(n)}), Span((NOW - 500 + n) * 1000, (NOW - 100) * 1000), n % 2 == 0)
        for n in range(100)
    ]
    sent = asyncio.run(push_stream(f"grpc://{server.grpc}", episodes, batch=7, timeout=5.0, token="", authority=None))
    assert sent == 100
    assert [one for one in read_kept(server.store)[0] if one.name == "G"] == episodes


def test_a_server_that_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rulegen.listen.push.SILENT", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"grpc://127.0.0.1:{silent.getsockname()[1]}"
        one = Episode(Labels({"alertname": "G"}), Span(NOW * 1000 - 9000, NOW * 1000))
        with pytest.raises(UpstreamError, match="no answer within"):
            asyncio.run(push_stream(url, [one], batch=1, timeout=0.5, token="", authority=None))


async def stream(address: str, *messages: bytes) -> list[Ack]:
    async with grpc.aio.insecure_channel(address) as channel:
        call = channel.stream_stream(PUSH)(iter(messages))
        return [Ack.FromString(raw) async for raw in call]


def batch(sequence: int, name: str, **others: int) -> bytes:
    one = AlertBatch(sequence=sequence, **others)
    one.alerts.add(labels={"alertname": name}, starts_at_ms=(NOW - 50) * 1000, ends_at_ms=(NOW - 10) * 1000)
    return one.SerializeToString()


def test_a_bad_batch_is_refused_and_the_others_are_kept(server: Listening) -> None:
    acks = asyncio.run(stream(server.grpc, batch(1, "Good"), batch(2, ""), batch(3, "Better")))
    assert acks[-1].sequence == 3
    refused = [one for ack in acks for one in ack.refused]
    assert {(one.sequence, one.code) for one in refused} == {(2, 3)} and "alertname" in refused[0].message
    assert kept(server, "Good") and kept(server, "Better")


def test_an_ack_alone_says_what_it_covers(server: Listening) -> None:
    """A batch refused before an earlier one is settled is told twice: who forgot the first time loses nothing."""
    sent = [batch(number, "" if number % 2 else f"A{number}") for number in range(1, 601)]
    acks = asyncio.run(stream(server.grpc, *sent))
    assert any(one.sequence > ack.sequence for ack in acks for one in ack.refused), "none was refused early"
    done, covered = 0, []
    for ack in acks:
        refused = {one.sequence for one in ack.refused}
        covered += [number for number in range(done + 1, ack.sequence + 1) if number not in refused]
        done = ack.sequence
    assert done == 600
    assert covered == list(range(2, 601, 2))
    assert all(kept(server, f"A{number}") for number in (2, 300, 600))


@pytest.mark.parametrize("messages", [[b"\xff\xff"], [batch(2, "X1"), batch(2, "X2")], [batch(0, "X3")]])
def test_a_broken_stream_ends_with_invalid_argument(server: Listening, messages: list[bytes]) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as ended:
        asyncio.run(stream(server.grpc, *messages))
    assert ended.value.code() is grpc.StatusCode.INVALID_ARGUMENT


def test_a_deadline_that_can_not_be_met_is_refused_at_once(server: Listening) -> None:
    answer = post(server, [alert("Late", NOW - 600, NOW - 300)], **{"x-request-timeout": "0.0000001"})
    assert answer.status_code == 429 and int(answer.headers["retry-after"]) >= 1
    hook = httpx.post(f"{server.http}/webhook", json={}, headers={"x-request-timeout": "0.0000001"})
    assert hook.status_code == 503  # which is what Alertmanager tries again after
    acks = asyncio.run(stream(server.grpc, batch(1, "Late", timeout_ms=1), batch(2, "InTime")))
    refused = [one for ack in acks for one in ack.refused]
    assert {(one.sequence, one.code) for one in refused} == {(1, 8)} and refused[0].retry_after_ms > 0
    assert kept(server, "InTime")
    assert not kept(server, "Late")


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b"", 400, "not alerts"),
        (b"[", 400, "not alerts"),
        (b'{"a": 1}', 400, "not alerts"),
        (b"[" * 100_000, 400, "not alerts"),
        (b'[{"labels": {"alertname": 5}}]', 400, "alert 0: "),
        (b'[{"labels": {"alertname": "\xff"}}]', 400, "not alerts"),
        (b'[{"labels": {"alertname": "A"}, "startsAt": "yesterday"}]', 400, "alert 0: "),
        (b'[{"labels": {}}]', 400, "no alertname"),
        (b'[{"labels": {"alertname": "A", "": "x"}}]', 400, "label name of 0"),
        (json.dumps([{"labels": {"alertname": "A" * 10_000}}]).encode(), 400, "label value of 10000"),
        (json.dumps([alert("A", NOW, **{f"l{n}": "x" for n in range(200)})]).encode(), 400, "201 labels"),
        (b'[{"labels": {"alertname": "A"}, "startsAt": "2999-01-01T00:00:00Z"}]', 400, "future"),
        (
            b'[{"labels": {"alertname": "A"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "2026-01-01T00:00:00Z"}]',
            400,
            "ends before it starts",
        ),
        (
            b'[{"labels": {"alertname": "A"}, "startsAt": "2026-01-02T00:00:00Z", "endsAt": "1960-01-01T00:00:00Z"}]',
            400,
            "ends before it starts",
        ),
        (b'[{"labels": {"alertname": "A"}, "startsAt": "1960-01-02T00:00:00Z"}]', 400, "starts before 1970"),
        (b'[{"labels": {"alertname": "A"}, "startsAt": "2026-01-02T00:00:00"}]', 400, "alert 0: "),
        (b" " * (MOST_BODY + 1), 413, "at most"),
    ],
)
def test_bad_bodies(server: Listening, body: bytes, status: int, words: str) -> None:
    answer = httpx.post(f"{server.http}/api/v2/alerts", content=body, timeout=30)
    assert answer.status_code == status and words in answer.text


def test_the_good_among_bad_ones_are_kept(server: Listening) -> None:
    answer = post(server, [{"labels": {"x": "y"}}, alert("Among", NOW - 600, NOW - 300)])
    assert answer.status_code == 400 and "alert 0: no alertname" in answer.text and "other 1 are kept" in answer.text
    assert kept(server, "Among")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/-/healthy", 200),
        ("GET", "/-/ready", 200),
        ("GET", "/metrics", 200),
        ("GET", "/api/v2/alerts", 405),
        ("POST", "/metrics", 405),
        ("POST", "/api/v1/alerts", 404),
        ("GET", "/../../etc/passwd", 404),
    ],
)
def test_paths(server: Listening, method: str, path: str, status: int) -> None:
    assert httpx.request(method, server.http + path).status_code == status


def test_metrics_say_what_happened(server: Listening) -> None:
    text = httpx.get(f"{server.http}/metrics").text
    assert 'rulegen_listen_received_alerts_total{input="http"}' in text
    assert "rulegen_listen_commit_seconds_count" in text and "rulegen_listen_queued_alerts 0.0" in text
    assert 'rulegen_listen_refused_alerts_total{input="http",reason="queue"}' in text


def test_a_body_that_comes_too_slowly(server: Listening) -> None:
    host, _, port = server.http.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=20) as one:
        head = "POST /api/v2/alerts HTTP/1.1\r\nhost: x\r\nx-request-timeout: 0.5\r\ncontent-length: 100\r\n\r\n["
        one.sendall(head.encode())
        began = time.monotonic()
        assert b" 408 " in one.recv(1000)
        assert time.monotonic() - began < 10
    assert httpx.get(f"{server.http}/-/healthy").status_code == 200


def test_who_waits_for_a_disk_that_hangs_is_told_at_the_deadline(server: Listening) -> None:
    held = sqlite3.connect(server.store, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")  # the server's next commit waits for this
    try:
        began = time.monotonic()
        answer = post(server, [alert("Hangs", NOW - 600, NOW - 300)], **{"x-request-timeout": "1"})
        assert answer.status_code == 504 and "retry-after" in answer.headers
        assert 0.9 < time.monotonic() - began < 3
    finally:
        held.close()
    assert post(server, [alert("HangsNoMore", NOW - 600, NOW - 300)]).status_code == 200


def test_a_stream_is_told_at_the_deadline_too(server: Listening) -> None:
    held = sqlite3.connect(server.store, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")

    async def play() -> None:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            call = channel.stream_stream(PUSH)()
            began = time.monotonic()
            for number in (1, 2):  # the second waits behind the commit that hangs
                await call.write(batch(number, "HangsInAStream", timeout_ms=1_000))
                await asyncio.sleep(0.1)
            told: list[tuple[int, int]] = []
            async with asyncio.timeout(3):
                while len(told) < 2:
                    ack = Ack.FromString(await call.read())
                    told += [(one.sequence, one.code) for one in ack.refused]
            assert sorted(set(told)) == [(1, 4), (2, 4)] and time.monotonic() - began > 0.9
            held.close()
            await call.write(batch(3, "HangsNoMoreInAStream"))
            await call.done_writing()
            async with asyncio.timeout(10):
                assert Ack.FromString(await call.read()).sequence == 3

    try:
        asyncio.run(play())
    finally:
        held.close()
    assert kept(server, "HangsNoMoreInAStream")


def test_a_big_body_costs_the_others_little(server: Listening) -> None:
    body = json.dumps([{"labels": {"alertname": f"Big{n}", "": "x"}} for n in range(150_000)]).encode()
    with ThreadPoolExecutor(1) as pool, httpx.Client(timeout=60) as client:
        begun, longest = time.monotonic(), 0.0
        big = pool.submit(httpx.post, f"{server.http}/api/v2/alerts", content=body, timeout=60)
        while not big.done():
            began = time.monotonic()
            assert client.get(f"{server.http}/-/healthy").status_code == 200
            longest = max(longest, time.monotonic() - began)
    assert big.result().status_code == 400
    assert longest < (time.monotonic() - begun) / 2, "one body held up the others for most of its time"


def test_streams_beyond_the_limit_are_refused(server: Listening) -> None:
    async def play() -> None:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            held = [channel.stream_stream(PUSH)() for _ in range(STREAMS)]
            await asyncio.gather(*(one.wait_for_connection() for one in held))
            await held[-1].write(batch(1, "LastOfMany"))
            assert Ack.FromString(await held[-1].read()).sequence == 1
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await channel.stream_stream(PUSH)(iter([batch(1, "TooMany")])).read()
            assert ended.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            for one in held:
                one.cancel()

    asyncio.run(asyncio.wait_for(play(), 60))
    assert kept(server, "LastOfMany") and not kept(server, "TooMany")


def test_a_stream_that_leaves_is_counted(server: Listening) -> None:
    def gone() -> float:
        text = httpx.get(f"{server.http}/metrics").text
        return float(text.split('refused_alerts_total{input="grpc",reason="gone"} ')[1].split("\n")[0])

    async def play() -> None:
        async with grpc.aio.insecure_channel(server.grpc) as channel:
            call = channel.stream_stream(PUSH)()
            for number in range(1, 41):
                await call.write(batch(number, "Leaves"))
            await asyncio.sleep(0.5)
            call.cancel()

    before = gone()
    held = sqlite3.connect(server.store, isolation_level=None)
    held.execute("BEGIN IMMEDIATE")
    try:
        asyncio.run(play())
        time.sleep(0.3)
    finally:
        held.close()
    assert 0 < gone() - before <= 40


def test_a_chunked_body_without_end_is_cut_off(server: Listening) -> None:
    def endless() -> Iterator[bytes]:
        for _ in range(2 * MOST_BODY // 65_536):
            yield b" " * 65_536

    with suppress(httpx.TransportError):  # where it hung up before all was sent
        assert httpx.post(f"{server.http}/api/v2/alerts", content=endless(), timeout=30).status_code == 413
    assert httpx.get(f"{server.http}/-/healthy").status_code == 200


def test_a_token_is_asked_for(tmp_path: Path) -> None:
    secret = "s3cret-token"
    with listening(tmp_path / "s.db", environment={"RULEGEN_LISTEN_TOKEN": secret}) as one:
        assert post(one, [alert("T", NOW - 9, NOW)]).status_code == 401
        assert post(one, [alert("T", NOW - 9, NOW)], authorization="Bearer wrong").status_code == 401
        assert httpx.get(f"{one.http}/metrics").status_code == 401
        assert httpx.get(f"{one.http}/-/healthy").status_code == 200
        assert post(one, [alert("T", NOW - 9, NOW - 1)], authorization=f"Bearer {secret}").status_code == 200
        for token, works in (("wrong", False), (secret, True)):
            push = push_stream(f"grpc://{one.grpc}", [EPISODE], batch=1, timeout=5.0, token=token, authority=None)
            if works:
                assert asyncio.run(push) == 1
            else:
                with pytest.raises(UpstreamError, match="UNAUTHENTICATED"):
                    asyncio.run(push)
        assert one.stop() == 0
    assert secret not in one.log.read_text()


EPISODE = Episode(Labels({"alertname": "E"}), Span((NOW - 50) * 1000, (NOW - 10) * 1000))


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    home = tmp_path_factory.mktemp("tls")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    names = ["-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", "key.pem", "-out", "cert.pem"]
    subprocess.run([*command, *names], cwd=home, check=True, capture_output=True, timeout=60)
    return home / "cert.pem", home / "key.pem"


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path, Path]:
    """An authority, and a client's certificate and key of it."""
    home = tmp_path_factory.mktemp("client")
    new = ["openssl", "req", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    sign = ["openssl", "x509", "-req", "-in", "client.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial"]
    (home / "extensions").write_text("basicConstraints=CA:FALSE\nextendedKeyUsage=clientAuth\n")
    for command in (
        [*new, "-x509", "-subj", "/CN=authority", "-keyout", "ca.key", "-out", "ca.pem"],
        [*new, "-subj", "/CN=sender", "-keyout", "client.key", "-out", "client.csr"],
        [*sign, "-days", "2", "-extfile", "extensions", "-out", "client.pem"],
    ):
        subprocess.run(command, cwd=home, check=True, capture_output=True, timeout=60)
    return home / "ca.pem", home / "client.pem", home / "client.key"


def refused(*arguments: str) -> str:
    done = subprocess.run([*LISTEN, *arguments], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    return done.stderr


def test_certificates_that_are_none_are_named(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    empty, other = tmp_path / "empty.pem", tmp_path / "other.pem"
    empty.write_text("nothing\n")
    subprocess.run(["openssl", "genrsa", "-out", str(other), "2048"], check=True, capture_output=True, timeout=60)
    store = ["--store", str(tmp_path / "s.db"), "--http", "", "--grpc", "127.0.0.1:0"]
    for tls, words in (
        ([empty, key], f"rulegen: --tls-cert: {empty}: no certificate in PEM form in this file\n"),
        (
            [cert, empty],
            f"rulegen: --tls-key: {empty}: no private key in PEM form, or one that asks for a password\n",
        ),
        ([cert, other], f"rulegen: --tls-key: {other}: not the key of {cert}\n"),
        ([cert, key, empty], f"rulegen: --client-ca: {empty}: no certificate in PEM form in this file\n"),
    ):
        options = [
            f"{name}={path}" for name, path in zip(("--tls-cert", "--tls-key", "--client-ca"), tls, strict=False)
        ]
        assert refused(*store, *options) == words
    assert not (tmp_path / "s.db").exists()


def test_only_who_has_a_certificate_may(
    tmp_path: Path, certificate: tuple[Path, Path], client: tuple[Path, Path, Path]
) -> None:
    """Mutual TLS: the server asks for a certificate of the authority that it was given."""
    (cert, key), (authority, mine, my_key) = certificate, client
    options = [f"--tls-cert={cert}", f"--tls-key={key}", f"--client-ca={authority}"]
    body = [alert("S", NOW - 9, NOW - 1)]
    with listening(tmp_path / "s.db", *options, scheme="https") as one:
        url, known = f"{one.http}/api/v2/alerts", ssl.create_default_context(cafile=cert)
        with pytest.raises(httpx.TransportError):
            httpx.post(url, json=body, verify=known)
        known.load_cert_chain(mine, my_key)
        assert httpx.post(url, json=body, verify=known).status_code == 200
        stranger = push_stream(f"grpcs://{one.grpc}", [EPISODE], batch=1, timeout=5.0, token="", authority=cert)
        with pytest.raises(UpstreamError):
            asyncio.run(stranger)
        pair = grpc.ssl_channel_credentials(cert.read_bytes(), my_key.read_bytes(), mine.read_bytes())
        with grpc.secure_channel(one.grpc, pair) as channel:
            acks = channel.stream_stream(PUSH)(iter([AlertBatch(sequence=1).SerializeToString()]), timeout=20)
            assert [Ack.FromString(raw).sequence for raw in acks] == [1]


def test_a_store_that_can_not_be_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "no.db").write_text("nothing of SQLite's, and longer than a header of it would be" * 20)
    assert "no SQLite database" in refused("--store", str(tmp_path / "no.db"), "--http", "", "--grpc", "127.0.0.1:0")
    (tmp_path / "folder").mkdir()
    told = refused("--store", str(tmp_path / "folder"), "--http", "", "--grpc", "127.0.0.1:0")
    assert "a directory; name a file in it" in told
    assert sorted(one.name for one in tmp_path.iterdir()) == ["folder", "no.db"]


def test_localhost_is_an_address(tmp_path: Path) -> None:
    port = free_port()
    with listening(tmp_path / "s.db", "--http", f"localhost:{port}") as one:
        assert httpx.get(f"http://localhost:{port}/-/healthy", timeout=20).status_code == 200
        assert one.stop() == 0
    assert "stopped: 0 alerts were taken" in (tmp_path / "s.log").read_text()
    assert "--http: ':9095' is no HOST:PORT" in refused("--store", str(tmp_path / "t.db"), "--http", ":9095")
    told = refused("--store", str(tmp_path / "t.db"), "--http", "nobody.invalid:9095", "--insecure")
    assert "--http nobody.invalid:9095: cannot listen there" in told


def test_big_bodies_under_way_are_bounded_in_all(tmp_path: Path) -> None:
    """Forty senders stop before the end of eight megabytes: those beyond the bound are refused, and others kept."""
    head = f"POST /api/v2/alerts HTTP/1.1\r\nHost: x\r\nContent-Length: {MOST_BODY}\r\n\r\n".encode()
    with listening(tmp_path / "s.db", "--request-timeout", "60s") as one, ExitStack() as stack:
        host, port = one.http.removeprefix("http://").split(":")
        before = resident(one)
        answers = []
        for _ in range(40):
            sender = stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
            sender.settimeout(0.2)
            with suppress(OSError):
                sender.sendall(head + b" " * (MOST_BODY - 1))
            with suppress(OSError):
                answers.append(sender.recv(16))
        assert b"HTTP/1.1 429 Too" in answers
        assert resident(one) - before < 3 * MOST_HELD
        assert post(one, [alert("Small", NOW - 9, NOW - 1)]).status_code == 200


def resident(one: Listening) -> int:
    """Bytes of memory that the server has."""
    status = Path(f"/proc/{one.process.pid}/status").read_text()
    return int(status.split("VmRSS:")[1].split()[0]) << 10


def test_silent_connections_do_not_keep_others_out_for_long(tmp_path: Path) -> None:
    with listening(tmp_path / "s.db") as one, ExitStack() as stack:
        host, port = one.http.removeprefix("http://").split(":")
        for _ in range(1_100):
            stack.enter_context(socket.create_connection((host, int(port)), timeout=20))
        assert httpx.get(f"{one.http}/-/healthy", timeout=20).status_code == 200


def test_tls(tmp_path: Path, certificate: tuple[Path, Path]) -> None:
    cert, key = certificate
    with listening(tmp_path / "s.db", "--tls-cert", str(cert), "--tls-key", str(key), scheme="https") as one:
        body = [alert("S", NOW - 9, NOW - 1)]
        assert (
            httpx.post(
                f"{one.http}/api/v2/alerts", json=body, verify=ssl.create_default_context(cafile=cert)
            ).status_code
            == 200
        )
        push = push_stream(f"grpcs://{one.grpc}", [EPISODE], batch=1, timeout=5.0, token="", authority=cert)
        assert asyncio.run(push) == 1
        with pytest.raises(httpx.TransportError):
            httpx.post(one.http.replace("https", "http") + "/api/v2/alerts", json=body)


def told(*flags: str) -> str:
    done = subprocess.run([*LISTEN, *flags], capture_output=True, text=True, timeout=60)
    assert done.returncode == 2, done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--http", "0.0.0.0:9095"), "reachable from elsewhere"),
        (("--http", "[::]:9095"), "reachable from elsewhere"),
        (("--grpc", "10.0.0.1:1"), "reachable from elsewhere"),
        (("--http", "127.0.0.1.example.org:9095"), "reachable from elsewhere"),
        (("--http", "nonsense"), "no HOST:PORT"),
        (("--http", "", "--grpc", ""), "nothing to listen on"),
        (("--tls-cert", "/nowhere.pem"), "no such file"),
        (("--request-timeout", "0s"), "too short"),
    ],
)
def test_options_that_can_not_be(tmp_path: Path, flags: tuple[str, ...], words: str) -> None:
    assert words in told("--store", str(tmp_path / "s.db"), *flags)


def test_a_port_that_is_taken(tmp_path: Path, server: Listening) -> None:
    address = server.http.removeprefix("http://")
    assert "cannot listen there" in told("--store", str(tmp_path / "s.db"), "--http", address, "--grpc", "")
    assert "cannot listen there" in told("--store", str(tmp_path / "t.db"), "--grpc", server.grpc, "--http", "")


def test_two_writers_of_one_store(server: Listening) -> None:
    assert "another process writes it" in told("--store", str(server.store), "--http", "127.0.0.1:0")


def test_a_stop_drains(tmp_path: Path) -> None:
    with listening(tmp_path / "s.db") as one:
        assert post(one, [alert("D", NOW - 600, NOW - 300)]).status_code == 200
        assert one.stop() == 0
    assert kept(one, "D") == [(NOW - 600, NOW - 300, False)]
    assert not (tmp_path / "s.db-wal").exists() or (tmp_path / "s.db-wal").stat().st_size == 0


def test_a_stop_does_not_wait_for_who_goes_on_sending(tmp_path: Path) -> None:
    async def play(one: Listening) -> list[str]:
        acknowledged: list[str] = []
        async with grpc.aio.insecure_channel(one.grpc) as channel:
            call = channel.stream_stream(PUSH)()
            for number in count(1):
                try:
                    await call.write(batch(number, f"Stop{number}"))
                    raw = await call.read()
                except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    return acknowledged
                if raw is grpc.aio.EOF:
                    return acknowledged
                ack = Ack.FromString(raw)
                if not ack.refused:
                    acknowledged.append(f"Stop{number}")
                if number == 3:
                    one.process.terminate()
                await asyncio.sleep(0.02)
        raise AssertionError

    with listening(tmp_path / "s.db") as one:
        began = time.monotonic()
        acknowledged = asyncio.run(asyncio.wait_for(play(one), 30))
        assert one.process.wait(timeout=30) == 0
        assert time.monotonic() - began < 8
    assert len(acknowledged) >= 3
    assert {each.name for each in read_kept(one.store)[0]} == set(acknowledged)


@pytest.mark.parametrize("token", [" ", "\n", "a\x01b"])
def test_a_token_that_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, token: str) -> None:
    monkeypatch.setenv("RULEGEN_LISTEN_TOKEN", token)
    assert "no bearer token" in told("--store", str(tmp_path / "s.db"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write what is read-only")
def test_a_read_only_directory(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        assert "cannot be written" in told("--store", str(tmp_path / "s.db"))
    finally:
        tmp_path.chmod(0o700)


def test_suggest_works_on_it(server: Listening, tmp_path: Path) -> None:
    start = NOW - 2 * 86_400
    lengths = [1200 if n % 12 == 5 else 60 for n in range(96)]  # mostly a minute, now and then twenty
    flaps = [alert("Flaps", start + 1800 * n, start + 1800 * n + length) for n, length in enumerate(lengths)]
    assert post(server, flaps).status_code == 200
    command = [*LISTEN[:-1], "suggest", "-q", "--store", str(server.store), "--out", str(tmp_path / "out")]
    done = subprocess.run([*command, "--ignore-shorter-than", "5m"], capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    assert "grade of the evidence: alerts" in done.stdout
    evidence = json.loads((tmp_path / "out" / "suggestions.json").read_text())
    assert "Flaps" in {one["rule"]["name"] for one in evidence["accepted"]}
