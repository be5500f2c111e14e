"""A forge's published API description between the client and a small server: Prism, as a proxy that holds every
request, and every answer of the server, against it, and turns down what the description does not allow."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from servers import binary, free_port

NODE = Path(__file__).with_name("node")
Answer = tuple[int, Any] | tuple[int, Any, dict[str, str]]


def tools() -> Path:
    """node's packages, installed once. Without node or network: a failure in CI, a skip elsewhere."""
    binary("node")
    with (NODE / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (NODE / "node_modules" / ".bin" / "prism").exists():
            command = [binary("npm"), "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=NODE, capture_output=True, text=True, timeout=240, check=False)
            if done.returncode:
                if os.environ.get("CI"):
                    pytest.fail(f"npm install: {done.stderr}")
                pytest.skip("the forges' API descriptions can't be installed here")
    return NODE / "node_modules"


def part_of(description: dict[str, Any], paths: list[str]) -> dict[str, Any]:
    """``description`` with ``paths`` alone and what they refer to: the whole of GitHub's is 13 MB, which takes Prism
    fourteen seconds and 300 MB."""
    head = {name: description[name] for name in ("openapi", "info", "servers")}
    kept = {**head, "paths": {path: description["paths"][path] for path in paths}, "components": {}}
    todo: list[Any] = [kept["paths"]]
    while todo:
        node = todo.pop()
        if isinstance(node, dict):
            ref = node.get("$ref")
            if isinstance(ref, str) and ref.startswith("#/components/"):
                _, _, section, name = ref.split("/")
                if name not in kept["components"].setdefault(section, {}):
                    kept["components"][section][name] = description["components"][section][name]
                    todo.append(kept["components"][section][name])
            todo += node.values()
        elif isinstance(node, list):
            todo += node
    return kept


class Server:
    """A server on a free port of this machine that answers with ``route``(method, path, query, body, headers).

    ``calls`` are (method, path) of all it was asked, ``before`` may answer first (an outage, a rate limit)."""

    def __init__(self, route: Callable[[str, str, dict[str, str], Any, dict[str, str]], Answer]) -> None:
        self.calls: list[tuple[str, str]] = []
        self.before: Callable[[str, str], Answer | None] = lambda method, path: None
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                parts = urlsplit(self.path)
                length = int(self.headers.get("Content-Length") or 0)
                raw = self.rfile.read(length) if length else b""
                body = json.loads(raw) if raw else None
                outer.calls.append((self.command, parts.path))
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = outer.before(self.command, parts.path) or route(
                    self.command, parts.path, dict(parse_qsl(parts.query)), body, headers
                )
                content = json.dumps(answer[1]).encode()
                self.send_response(answer[0])
                self.send_header("Content-Type", "application/json; charset=utf-8")
                self.send_header("Content-Length", str(len(content)))
                for name, value in (answer[2] if len(answer) > 2 else {}).items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = _answer  # http.server's names

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def prism(description: Path, upstream: str, log: Path) -> Iterator[str]:
    """The URL of a Prism proxy in front of ``upstream`` that turns down whatever ``description`` does not allow."""
    port = free_port()
    command = [str(tools() / ".bin" / "prism"), "proxy", str(description), upstream]
    command += ["--errors", "--host", "127.0.0.1", "--port", str(port)]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        try:
            deadline = time.monotonic() + 60
            while b"Prism is listening" not in log.read_bytes():
                if process.poll() is not None or time.monotonic() > deadline:
                    pytest.fail(f"Prism did not start: {log.read_text()[-2000:]}")
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def asked(url: str, method: str = "GET", body: Any = None) -> int:
    """The status of one request, to show that the proxy turns down what is wrong."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"}, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
