"""``rulegen push``: the same store whichever way is taken, and words for whatever gets in the way."""

from __future__ import annotations

import asyncio
import json
import subprocess
import threading
import time
from pathlib import Path

import pytest
from listening import LISTEN, Listening, listening, stamp

from rulegen.core.alert import Episode
from rulegen.core.labels import Labels
from rulegen.core.spans import Span
from rulegen.errors import InputError, UpstreamError
from rulegen.ingest.store import read_kept
from rulegen.listen import sending
from rulegen.listen.post import post
from rulegen.listen.push import push_stream

NOW = int(time.time())
PUSH = (*LISTEN[:-1], "push")
WEEK = 7 * 86_400


def old(number: int, *, open: bool = False) -> Episode:
    start = (NOW - 20 * WEEK + 60 * number) * 1000
    return Episode(Labels({"alertname": "Old", "n": f"{number:05}"}), Span(start, start + 40_000), open)


def send(one: Listening, way: str, episodes: list[Episode], batch: int = 50) -> int:
    if way == "grpc":
        url = f"grpc://{one.grpc}"
        return asyncio.run(push_stream(url, episodes, batch=batch, timeout=5.0, token="", authority=None))
    return post(f"{one.http}{way}", episodes, batch=batch, timeout=5.0, token="", authority=None)


@pytest.mark.parametrize("way", ["grpc", "/api/v2/alerts", "/webhook"])
def test_every_way_gives_the_same_history(tmp_path: Path, way: str) -> None:
    """Also of alerts whose end nobody told, months ago: they did not go on firing until today."""
    episodes = [old(number, open=number % 3 == 0) for number in range(120)]
    with listening(tmp_path / "s.db") as one:
        assert send(one, way, episodes) == 120
        assert send(one, way, episodes) == 120  # again: nothing doubles
    found, joined = read_kept(tmp_path / "s.db")
    assert ([(each.labels, each.span) for each in found], joined) == (
        [(each.labels, each.span) for each in episodes],
        0,
    )


@pytest.mark.parametrize("way", ["grpc", "/api/v2/alerts"])
def test_a_server_that_restarts_is_waited_for(tmp_path: Path, way: str) -> None:
    episodes = [old(number) for number in range(6_000)]
    with listening(tmp_path / "s.db") as one:
        sent: list[int] = []
        thread = threading.Thread(target=lambda: sent.append(send(one, way, episodes, batch=1)), daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while len(read_kept(tmp_path / "s.db")[0]) < 300 and time.monotonic() < deadline:
            time.sleep(0.01)
        one.kill()
        again = subprocess.Popen(one.process.args, stderr=subprocess.DEVNULL)  # type: ignore[arg-type]
        try:
            thread.join(timeout=60)
            assert sent == [6_000]
        finally:
            again.terminate()
            again.wait(timeout=30)
    assert [each.labels for each in read_kept(tmp_path / "s.db")[0]] == [each.labels for each in episodes]


@pytest.mark.parametrize("way", ["grpc", "/api/v2/alerts"])
def test_one_that_does_not_come_back_is_told_with_how_far_it_came(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(sending, "TRIES", 3)
    episodes = [old(number) for number in range(20_000)]
    with listening(tmp_path / "s.db") as one:
        failed: list[str] = []

        def pushing() -> None:
            try:
                send(one, way, episodes, batch=1)
            except UpstreamError as error:
                failed.append(str(error))

        thread = threading.Thread(target=pushing, daemon=True)
        thread.start()
        deadline = time.monotonic() + 30
        while len(read_kept(tmp_path / "s.db")[0]) < 300 and time.monotonic() < deadline:
            time.sleep(0.01)
        one.kill()
        thread.join(timeout=60)
    (told,) = failed
    kept = int(told.split(" of 20000 alerts were acknowledged")[0].split()[-1])
    assert 0 < kept <= len(read_kept(tmp_path / "s.db")[0]) and "tried 3 times in a row" in told
    assert told.endswith("push again, what is kept already is not counted twice")


def test_wrong_ports_and_schemes_are_guessed_at(tmp_path: Path) -> None:
    with listening(tmp_path / "s.db") as one:
        plain = {"batch": 1, "timeout": 5.0, "token": "", "authority": None}
        http = one.http.removeprefix("http://")
        with pytest.raises(UpstreamError, match="is it the port for HTTP"):
            asyncio.run(push_stream(f"grpc://{http}", [old(1)], **plain))
        with pytest.raises(UpstreamError, match="is it the port for gRPC"):
            post(f"http://{one.grpc}/api/v2/alerts", [old(1)], **plain)
        with pytest.raises(UpstreamError, match="http:// is without"):
            post(f"https://{http}/api/v2/alerts", [old(1)], **plain)
        for url in ("grpc://localhost", "grpc://", "grpc://localhost:x"):
            with pytest.raises(InputError, match="port 9096"):
                asyncio.run(push_stream(url, [old(1)], **plain))


def test_a_message_that_is_too_large_is_not_tried_again(tmp_path: Path) -> None:
    big = [Episode(Labels({"alertname": "Big", "n": f"{n}", "text": "x" * 8_000}), old(n).span) for n in range(200)]
    with listening(tmp_path / "s.db") as one:
        with pytest.raises(UpstreamError, match="give a smaller --batch"):
            send(one, "grpc", big, batch=200)
        assert send(one, "grpc", big, batch=50) == 200


def test_authorities_that_are_none(tmp_path: Path) -> None:
    empty = tmp_path / "ca.pem"
    empty.write_text("nothing")
    for authority, words in ((empty, "no certificate in PEM form"), (tmp_path / "none.pem", "No such file")):
        given = {"batch": 1, "timeout": 5.0, "token": "", "authority": authority}
        with pytest.raises(InputError, match=words):
            asyncio.run(push_stream("grpcs://127.0.0.1:1", [old(1)], **given))
        with pytest.raises(InputError, match=words):
            post("https://127.0.0.1:1/api/v2/alerts", [old(1)], **given)


def test_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    one = {"status": "resolved", "labels": {"alertname": "P"}, "startsAt": stamp(NOW - 90), "endsAt": stamp(NOW - 60)}
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"version": "4", "alerts": [one]}) + "\nnothing\n{}\n")
    with listening(tmp_path / "s.db") as server:
        command = [*PUSH, str(file), "--to", f"grpc://{server.grpc}"]
        strict = subprocess.run([*command, "--strict"], capture_output=True, text=True, timeout=60)
        assert (strict.returncode, strict.stdout) == (2, "")
        done = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout) == (0, f"1 alert acknowledged by grpc://{server.grpc}\n")
        assert done.stderr.splitlines()[-1] == f"rulegen: 2 items of {file} could not be read; the rest was sent"
        server.kill()
        gone = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert gone.returncode == 3
        last = gone.stderr.splitlines()[-1]  # and none of gRPC's own lines
        assert last.startswith("rulegen: grpc://") and "0 of 1 alerts were acknowledged" in last
    assert len(read_kept(tmp_path / "s.db")[0]) == 1
