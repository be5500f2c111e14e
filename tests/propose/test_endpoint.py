"""A model behind an OpenAI-compatible API: llama-cpp-python's real server, and real servers that misbehave."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx
import pytest
from proposing import choices, cluster, retuning
from servers import Reply, Request, answering, free_port
from tinygguf import make_tiny_gguf

from rulegen.core.candidate import Proposal, Slot
from rulegen.core.deadline import ENDLESS
from rulegen.core.rule import Rule
from rulegen.errors import InputError, ModelError
from rulegen.propose.asking import AskingModel, Manner
from rulegen.propose.endpoint import TOKEN, Endpoint, connect, root
from rulegen.propose.grammar import grammar
from rulegen.propose.model import Question, sample
from rulegen.propose.offer import offers_for
from rulegen.propose.schema import schema

TEMPLATES = (retuning(Slot("for", choices("a", "b", "c")), Slot("by", choices("l0", "l1", "l2"), most=2)),)
OFFERS = offers_for(cluster(), TEMPLATES)
QUESTION = Question(cluster(), TEMPLATES, OFFERS)
ANSWER = '{"template":"retuning","slots":{"for":"b","by":["l0","l2"]}}'
SECRET = "tok-5f1e9c"


def ask(model: Endpoint, deadline: float | None = None) -> str:
    return model.complete(
        "Is this noise?",
        grammar(OFFERS),
        schema=schema(OFFERS),
        max_tokens=200,
        temperature=0.8,
        seed=5,
        deadline=deadline,
    )


def completion(text: object) -> Reply:
    return Reply(json.dumps({"choices": [{"message": {"role": "assistant", "content": text}}]}), 200)


@pytest.fixture(scope="module")
def llama_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    home, port = tmp_path_factory.mktemp("endpoint"), free_port()
    gguf = make_tiny_gguf(home / "tiny.gguf", context=8192)
    options = (
        "--model",
        str(gguf),
        "--port",
        str(port),
        "--host",
        "127.0.0.1",
        "--n_ctx",
        "8192",
        "--n_threads",
        "1",
    )
    command = [sys.executable, "-m", "llama_cpp.server", *options, "--model_alias", "shared"]
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, "PYTHONPATH": ""})
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, process, home / "log")
            yield url
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        try:
            if httpx.get(f"{url}/v1/models", timeout=5).status_code == 200:
                return
        except httpx.HTTPError:
            time.sleep(0.2)
    pytest.fail(f"llama_cpp.server did not start:\n{log.read_text()[-2000:]}")


def test_a_real_server_that_refuses_the_schema_gets_the_grammar(llama_server: str) -> None:
    model = connect(llama_server)
    assert model.name == "shared"
    said = list(sample(QUESTION, model, samples=2, seed=1))
    assert len(said) == 2 and all(isinstance(one, Proposal) for one in said)
    assert ask(model) == ask(model)  # the seed goes along
    found = AskingModel(model, TEMPLATES, Manner(samples=2), seed=0)(cluster(), [], ENDLESS)
    assert found and found[0].provenance.model_sha256 == ""


def test_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Request] = []

    def answer(request: Request) -> Reply:
        seen.append(request)
        return Reply('{"data":[{"id":"big"}]}', 200) if request.method == "GET" else completion(ANSWER)

    monkeypatch.setenv(TOKEN, f"{SECRET}\n")
    with answering(answer) as url:
        assert ask(connect(f"{url}/api/v1/")) == ANSWER
    listed, asked = seen
    assert (listed.method, listed.path, asked.path) == ("GET", "/api/v1/models", "/api/v1/chat/completions")
    assert {one.headers["Authorization"] for one in seen} == {f"Bearer {SECRET}"}
    assert json.loads(asked.body) == {
        "model": "big",
        "messages": [{"role": "user", "content": "Is this noise?"}],
        "max_tokens": 200,
        "temperature": 0.8,
        "seed": 5,
        "stream": False,
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "proposal", "strict": True, "schema": schema(OFFERS)},
        },
    }


def test_what_a_server_does_not_know_is_left_away_and_not_tried_again() -> None:
    seen: list[dict[str, object]] = []

    def answer(request: Request) -> Reply:
        body = json.loads(request.body)
        seen.append(body)
        if "response_format" in body or "grammar" in body:
            return Reply('{"error":{"message":"unknown field"}}', 400)
        return completion(ANSWER)

    with answering(answer) as url:
        model = connect(url, "big")
        assert ask(model) == ask(model) == ANSWER
    assert [("response_format" in one, "grammar" in one) for one in seen] == [
        (True, False),
        (False, True),
        (False, False),
        (False, False),
    ]


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(f'{{"error":"no {SECRET} here"}}', 401), 'the server answered 401: \'{"error":"no *** here"}\''),
        (Reply("no such model", 404), "the server answered 404: 'no such model'"),
        (Reply("\x1b[31mboom", 500), "the server answered 500: '\\x1b[31mboom'"),
        (Reply("", 503), "the server answered 503"),
        (Reply("", 302, {"Location": "http://192.0.2.1/"}), "the server answered 302"),
        (Reply("<html>log in</html>", 200), "answers what no OpenAI-compatible API does: '<html>log in</html>'"),
        (Reply("[" * 100_000), "answers what no OpenAI-compatible API does"),
        (Reply('{"choices":[]}', 200), "answers what no OpenAI-compatible API does"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf"), "the connection broke off"),
        (Reply(raw=b"SSH-2.0-OpenSSH\r\n"), "the connection broke off"),
        (
            Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10000000000\r\n\r\n" + b" " * (3 << 20)),
            "the answer is larger than 1024 KiB",
        ),
    ],
)
def test_a_server_that_misbehaves(reply: Reply, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, SECRET)
    with answering(lambda _: reply) as url:
        model = connect(url, "big", timeout_s=20)
        with pytest.raises(ModelError) as caught:
            ask(model)
    message = str(caught.value)
    assert message.startswith(f"{url}/v1: {said}") and len(message) < 400 and message.isprintable()
    assert SECRET not in message and SECRET not in repr(model)


def test_a_server_that_is_slow_or_down() -> None:
    hold = threading.Event()
    try:
        with answering(lambda _: Reply(ANSWER, 200, hold=hold)) as url:
            with pytest.raises(ModelError, match="too slow: no whole answer in time"):
                ask(connect(url, "big", timeout_s=0.3))
            with pytest.raises(ModelError, match="too slow"):
                ask(connect(url, "big", now=lambda: 100.0), deadline=100.3)
            hold.set()
    finally:
        hold.set()
    with pytest.raises(ModelError, match="cannot be reached: is the server up"):
        ask(connect(f"http://127.0.0.1:{free_port()}", "big"))


def test_a_question_that_a_server_turns_down_is_that_rule_s_affair() -> None:
    """Whoever may name a pod could else end the model's work: by a name that makes the prompt longer than its
    context, or by coming first, so that every form looks as if it were refused."""
    seen: list[dict[str, object]] = []

    def answer(request: Request) -> Reply:
        body = json.loads(request.body)
        seen.append(body)
        if "looooong" in body["messages"][0]["content"]:
            return Reply('{"error":{"message":"the request exceeds the available context size"}}', 400)
        return completion(ANSWER)

    odd = cluster(rule=Rule("looooong", "queue_depth > 100"))
    with answering(answer) as url:
        asking = AskingModel(connect(url, "big"), TEMPLATES, Manner(samples=1), seed=0)
        assert [asking(one, [], ENDLESS) is None for one in (odd, cluster(), odd, cluster())] == [True, False] * 2
    assert ["response_format" in one for one in seen] == [True, False, False, True, True, True]
    assert asking.notes == (
        f"2 rules could not be asked about, so search proposed instead: {url}/v1: the server answered 400: "
        '\'{"error":{"message":"the request exceeds the available context size"}}\'',
    )


@contextmanager
def dripping(start: bytes) -> Iterator[str]:
    """A server that answers with ``start`` and then a byte every 50 ms, so that no single read is ever late."""
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def drip() -> None:
            connection, _ = server.accept()
            with connection, suppress(OSError):
                connection.recv(1 << 16)
                connection.sendall(start)
                while not over.wait(0.05):
                    connection.sendall(b"a")

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}"
        finally:
            over.set()
            thread.join(30)


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n"])
def test_an_answer_that_comes_byte_by_byte_is_too_slow(start: bytes) -> None:
    began = time.monotonic()
    with dripping(start) as url, pytest.raises(ModelError, match="too slow: no whole answer in time"):
        ask(connect(url, "big", timeout_s=0.4))
    assert time.monotonic() - began < 20


def test_a_list_of_models_that_does_not_come_is_waited_for_up_to_the_deadline_alone() -> None:
    hold = threading.Event()
    try:
        with answering(lambda _: Reply("{}", 200, hold=hold)) as url:
            with pytest.raises(ModelError, match="too slow"):
                connect(url, timeout_s=1000.0, until=100.3, now=lambda: 100.0)
            hold.set()
    finally:
        hold.set()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"data":[]}', "lists no models: '{\"data\":[]}'; name the model with --model-name"),
        ('{"data":[{"id":"\\u001b[2J"}]}', "lists no models"),
        ("[]", "lists no models"),
    ],
)
def test_a_server_that_lists_no_models(body: str, said: str) -> None:
    with answering(lambda _: Reply(body, 200)) as url, pytest.raises(ModelError) as caught:
        connect(url)
    assert said in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("text", [None, 5, "", "Sure! Here you go", '{"template":"rm","slots":{}}', ANSWER[:-4]])
def test_what_ignores_the_schema_cannot_be_used(text: object) -> None:
    with answering(lambda _: completion(text)) as url:
        asking = AskingModel(connect(url, "big"), TEMPLATES, Manner(samples=1), seed=0)
        assert asking(cluster(), [], ENDLESS) is None
    assert asking.notes[0].startswith("2 of the model's 2 answers could not be used, the last because the answer")


@pytest.mark.parametrize("url", ["", "localhost:8080", "ftp://host", "http://", "http://host?x=1", "http://host#x"])
def test_what_is_no_url(url: str) -> None:
    with pytest.raises(InputError, match="--model-url"):
        root(url)


def test_no_credentials_in_the_url_and_no_token_that_cannot_be_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError) as caught:
        root(f"http://me:{SECRET}@host/v1")
    assert SECRET not in str(caught.value) and TOKEN in str(caught.value)
    monkeypatch.setenv(TOKEN, f"{SECRET}\nX-Evil: 1")
    with pytest.raises(InputError) as caught:
        connect("http://host", "big")
    assert SECRET not in str(caught.value)
