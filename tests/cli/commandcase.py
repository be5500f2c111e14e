"""Command-line cases as data: ``cases/*.yaml`` is a list of them, and :func:`prepared` makes one ready to run.

name     what is shown when it fails
run      the command after ``rulegen``, split as a shell does; URL stands for the server's
files    path → content, beside the files of ``small.py``; content is text, or {text|base64, repeat, gzip, cut}:
         the text ``repeat`` times, packed, and without its last ``cut`` bytes; null takes a file away
serve    what a server answers: path (or "*") → {status, body, type, raw}; "down" for no server at all,
         "silent" for one that takes a question and never answers
env      variables
exit     the exit code
stderr   exactly what stands on standard error, where the case runs with ``--quiet``
"""

from __future__ import annotations

import base64
import gzip
import re
import shlex
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from servers import Reply, Request, answering, free_port

_REST = "[…]"
_FIELDS = {"name", "run", "files", "serve", "env", "exit", "stderr"}


@dataclass(frozen=True)
class Case:
    name: str
    run: str
    files: Mapping[str, Any]
    serve: Any
    env: Mapping[str, str]
    exit: int
    stderr: str


def cases(file: str) -> list[Case]:
    found = YAML(typ="safe").load(Path(__file__).with_name("cases") / file)
    for one in found:
        assert not set(one) - _FIELDS, one
    return [
        Case(
            one["name"],
            one["run"],
            one.get("files", {}),
            one.get("serve"),
            one.get("env", {}),
            one.get("exit", 2),
            one.get("stderr", ""),
        )
        for one in found
    ]


def matches(expected: str, found: str) -> bool:
    """Is ``found`` what a case says in ``stderr``?"""
    pattern = "".join(
        re.escape(line.removesuffix(_REST)) + (".*" if line.endswith(_REST) else "") + "\n"
        for line in expected.splitlines()
    )
    return re.fullmatch(pattern, found) is not None


@contextmanager
def prepared(case: Case, home: Path) -> Iterator[tuple[list[str], str]]:
    """Writes the case's files below ``home`` and starts its server. Gives the arguments and the server's URL."""
    for name, content in case.files.items():
        path = home / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.unlink()
        else:
            path.write_bytes(_bytes(content))
    with _served(case.serve) as url:
        yield [word.replace("URL", url) for word in shlex.split(case.run)], url


def _bytes(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    data = base64.b64decode(content["base64"]) if "base64" in content else content["text"].encode()
    data *= content.get("repeat", 1)
    data = gzip.compress(data, mtime=0) if content.get("gzip") else data
    return data[: len(data) - content.get("cut", 0)]


@contextmanager
def _served(serve: Any) -> Iterator[str]:
    if serve is None:
        yield "http://nowhere.invalid"
    elif serve == "down":
        yield f"http://127.0.0.1:{free_port()}"
    else:
        over = threading.Event()

        def answer(request: Request) -> Reply:
            if serve == "silent":
                over.wait(60)
                return Reply(raw=b"")
            said = next((serve[key] for key in serve if request.path.endswith(key)), None) or serve.get("*", {})
            if "raw" in said:
                return Reply(raw=said["raw"].encode())
            headers = {"Content-Type": said.get("type", "application/json"), **said.get("headers", {})}
            return Reply(said.get("body", "{}"), said.get("status", 200), headers)

        with answering(answer) as url:
            try:
                yield url
            finally:
                over.set()
