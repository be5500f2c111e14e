"""``--cache`` and ``--no-cache``: the same output with fewer questions, and nothing in the directory but data."""

from __future__ import annotations

import base64
import subprocess
import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from conftest import Run
from servers import Reply, Request, answering

SECRET = "s3cr3t-p4ss"
HEAD = len("rulegen cache 1\n") + 32  # then the checksum
RANGE = ("--start", "2026-08-06T10:20:00Z", "--end", "2026-08-06T12:00:00Z")
QUERY = ("query", "sum by (job) (rate(prometheus_http_requests_total[5m]))", *RANGE, "--step", "1m")
RULES = """
groups:
  - name: g
    rules:
      - record: job:up:sum
        expr: sum by (job) (up)
      - {alert: Down, expr: "job:up:sum < 1", for: 1m, labels: {severity: page}}
      - {alert: Many, expr: go_goroutines > 60, labels: {severity: page}}
"""


@pytest.fixture
def counted(alertops_url: str) -> Iterator[tuple[str, list[str]]]:
    """A way to the real server that notes questions for samples and values; without remote read."""
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        if request.path == "/api/v1/read":
            return Reply("", 404)
        if "/status/" not in request.path:
            asked.append(request.path)
        found = httpx.get(alertops_url + request.path, params=dict(request.params), timeout=60)
        return Reply(found.content, found.status_code)

    with answering(answer) as url:
        yield url, asked


COMMANDS = {
    "query": QUERY,
    "replay": ("replay", "--rules", "r.yml", *RANGE, "--format", "json", "--quiet"),
    "replay --impact": (
        "replay",
        "--rules",
        "r.yml",
        "--impact",
        "count(up) > 0 and on () (minute() < 10)",
        *RANGE,
        "--format",
        "json",
        "--quiet",
    ),
    "replay by the server": (
        *("replay", "--rules", "r.yml", "--engine", "prometheus", *RANGE, "--format", "json", "--quiet"),
    ),
    "suggest": ("suggest", "--rules", "r.yml", *RANGE, "--quiet", "--out", "out"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_second_run_asks_for_no_data(
    name: str,
    counted: tuple[str, list[str]],
    rulegen: Run,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yml").write_text(RULES)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    url, asked = counted
    command = (*COMMANDS[name], "--prometheus", url)
    plain = rulegen(*command, "--no-cache")
    assert plain.returncode in (0, 1) and plain.stdout, plain.stderr
    assert not (tmp_path / "cache").exists()
    questions = len(asked)
    first = rulegen(*command)
    between = len(asked)
    assert between > questions
    second = rulegen(*command)
    assert asked[between:] == []
    entries = sorted((tmp_path / "cache" / "rulegen" / "pages-1").rglob("*"))
    for path in entries:
        if path.is_file():
            path.write_bytes(path.read_bytes()[:-1])
    damaged = rulegen(*command, "--cache", tmp_path / "cache" / "rulegen")
    assert len(asked) - between >= between - questions
    for other in (first, second, damaged):
        assert (other.returncode, other.stdout, other.stderr) == (plain.returncode, plain.stdout, plain.stderr)


def test_runs_at_once_share_a_directory(alertops_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rulegen.cli.main", *QUERY, "--prometheus", alertops_url]

    def start(*more: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen([*command, *more], stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    plain = start("--no-cache").communicate(timeout=120)
    running = [start("--cache", str(tmp_path / "shared")) for _ in range(3)]
    assert [one.communicate(timeout=120) for one in running] == [plain] * 3
    assert plain[0].startswith(b'{"status":"success"')


def test_two_connections_say_it_once(
    alertops_url: str, rulegen: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "r.yml").write_text(RULES)
    done = rulegen(*COMMANDS["replay by the server"], "--prometheus", alertops_url, "--cache", "r.yml")
    assert done.returncode in (0, 1)
    assert done.stderr.count("the cache cannot be written") == 1


def test_a_directory_that_cannot_be_used_costs_one_line(alertops_url: str, rulegen: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    plain = rulegen(*QUERY, "--prometheus", alertops_url, "--no-cache")
    done = rulegen(*QUERY, "--prometheus", alertops_url, "--cache", tmp_path / "file" / "in")
    assert (done.returncode, done.stdout) == (0, plain.stdout)
    said = f"rulegen: {tmp_path}/file/in: the cache cannot be written (Not a directory): going on without it"
    assert done.stderr.splitlines() == [*plain.stderr.splitlines(), said]


@pytest.mark.parametrize("way", ["token", "user", "url"])
def test_no_secret_is_written(
    way: str, counted: tuple[str, list[str]], rulegen: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, _ = counted
    options: tuple[str, ...] = ()
    if way == "token":
        monkeypatch.setenv("RULEGEN_PROMETHEUS_TOKEN", SECRET)
    elif way == "user":
        monkeypatch.setenv("RULEGEN_PROMETHEUS_PASSWORD", SECRET)
        options = ("--user", "me")
    else:
        url = url.replace("://", f"://me:{SECRET}@")
    done = rulegen(*QUERY, "--prometheus", url, *options, "--cache", tmp_path / "kept")
    assert done.returncode == 0, done.stderr
    basic = base64.b64encode(f"me:{SECRET}".encode()).decode()
    paths = [path for path in (tmp_path / "kept").rglob("*") if path.is_file()]
    assert paths
    for path in paths:
        content = path.read_bytes()
        for text in (
            str(path.relative_to(tmp_path)).encode(),
            content,
            zlib.decompress(content[HEAD:]),
        ):
            for hidden in (SECRET, basic, "127.0.0.1:" + url.rpartition(":")[2]):
                assert hidden.encode() not in text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--metrics", "m.om", "--cache", "c"), "--token-file, --user, --ca and --cache are for a server"),
        (("--prometheus", "http://x", "--cache", "c", "--no-cache"), "--cache and --no-cache contradict each other"),
    ],
)
@pytest.mark.parametrize("command", [("query", "up"), ("replay", "--rules", "r.yml"), ("suggest", "--out", "o")])
def test_contradictions_are_said(command: tuple[str, ...], options: tuple[str, ...], said: str, rulegen: Run) -> None:
    done = rulegen(*command, *options)
    assert done.returncode == 2 and said in done.stderr


def test_a_user_without_a_home_goes_on_without(
    alertops_url: str, rulegen: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setattr(Path, "home", nowhere)
    monkeypatch.chdir(tmp_path)
    done = rulegen(*QUERY, "--prometheus", alertops_url)
    assert (done.returncode, done.stderr) == (0, "")
    assert not list(tmp_path.iterdir())
