"""Servers that misbehave, each one a real one on loopback: one clear line with the URL, and no secret in it."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Callable

import httpx
import pytest
from servers import Reply, Request, answering, free_port

from rulegen.core.spans import Grid, Span
from rulegen.errors import InputError, UpstreamError
from rulegen.ingest.prometheus import (
    connect,
    connection,
    fetch_alerts,
    fetch_rules,
    fetch_samples,
    query_range,
    read_semantics,
)

SPAN = Span(1_700_000_000_000, 1_700_000_600_000)
HTML = {"Content-Type": "text/html; charset=utf-8"}
EMPTY = '{"status":"success","data":{"resultType":"matrix","result":[]}}'


def failure(reply: Reply, **options: str) -> str:
    """The message when every request is answered with ``reply``."""
    with (
        answering(lambda _: reply) as url,
        connect(url, sleep=lambda _: None, **options) as conn,
        pytest.raises(UpstreamError) as caught,
    ):
        query_range(conn, "up", Grid(SPAN.start, SPAN.end, 60_000))
    message = str(caught.value)
    assert caught.value.exit_code == 3
    assert message.startswith(url)
    assert message.isprintable()
    assert len(message) < 600
    return message.removeprefix(url)


def error(text: str, kind: str = "bad_data") -> str:
    return json.dumps({"status": "error", "errorType": kind, "error": text})


def result(found: object) -> str:
    return json.dumps({"status": "success", "data": {"resultType": "matrix", "result": found}})


@pytest.mark.parametrize(
    ("reply", "said"),
    [
        (Reply(error("invalid parameter"), 400), "answered 400: invalid parameter"),
        (Reply(error("it\x1b[2J broke\r\n\u202e"), 500), "answered 500: it [2J broke"),
        (Reply(error("x" * 10_000), 500), "x…"),
        (Reply(error("no"), 200), "refused: no"),
        (Reply("plain words", 500, {"Content-Type": "text/plain"}), "answered 500: plain words"),
        (Reply("<html>\n<title>Bad", 500, HTML), "answered 500"),
        (Reply("<html>Log in", 200, HTML), "answered a web page instead of JSON"),
        (Reply("  <!doctype html>", 200), "answered a web page instead of JSON"),
        (Reply("<html>nothing", 404, HTML), "not found (404): is http://127.0.0.1"),
        (Reply(EMPTY[:40]), "answered half a JSON document or none (40 bytes)"),
        (Reply(""), "answered nothing (0 bytes)"),
        (Reply(b"\xff\xfe\x00"), "answered half a JSON document or none"),
        (Reply("[" * 100_000), "answered half a JSON document or none"),
        (Reply('{"status":"success","data":"\\ud800"}'), "answered half a JSON document or none"),
        (Reply("[1, 2]"), "answered JSON that is not the Prometheus API's"),
        (Reply('{"hello": "world"}'), "answered JSON that is not the Prometheus API's"),
        (Reply('{"status":"success"}'), "does not hold a range vector"),
        (
            Reply('{"status":"success","data":{"resultType":"scalar","result":[1,"1"]}}'),
            "does not hold a range vector",
        ),
        (Reply(result([{"metric": {"a": 1}, "values": [[1, "1"]]}])), "does not hold a range vector"),
        (Reply(result([{"metric": {}, "values": [[1]]}])), "does not hold a range vector"),
        (Reply(result([{"metric": {}, "values": [["x", "1"]]}])), "does not hold a range vector"),
        (Reply(result([{"metric": {}, "values": [[1, "one"]]}])), "does not hold a range vector"),
        (Reply(result([{"metric": {}, "values": [[2, "1"], [1, "1"]]}])), "does not hold a range vector"),
        (Reply(result([{"metric": {}, "values": [[1e300, "1"]]}])), "does not hold a range vector"),
        (Reply(result({"metric": {}})), "does not hold a range vector"),
        (
            Reply("", 401),
            "wants to know who asks (401): give a bearer token (--token-file or RULEGEN_PROMETHEUS_TOKEN), or",
        ),
        (
            Reply("", 302, {"Location": "https://u:pw@sso.example/login?back=secret"}),
            "redirects to sso.example/login:",
        ),
        (Reply("", 301, {"Location": "/api/v1/query_range"}), "redirects to /api/v1/query_range: give the URL of"),
        (Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n{"), "the connection broke before the answer was"),
        (Reply(raw=b""), "the connection broke before the answer was whole"),
        (Reply(raw=b"SSH-2.0-OpenSSH_9.2\r\n"), "the connection broke before the answer was whole"),
        (Reply(b"not gzip", headers={"Content-Encoding": "gzip"}), "the answer's compression is broken (Error -3"),
    ],
)
def test_each_failure_is_one_line(reply: Reply, said: str) -> None:
    assert said in failure(reply)


def test_refused_credentials_name_the_way_to_give_them() -> None:
    assert "the bearer token is refused (401): give a bearer token (--token-file" in failure(
        Reply("", 401), token="t0p"
    )
    assert "user 'me' is refused (403: go away)" in failure(Reply("go away", 403), user="me", password="s3cr3t")


def test_a_secret_that_the_server_repeats_is_not_shown() -> None:
    for sent in ({"token": "t0ps3cret"}, {"user": "me", "password": "t0ps3cret"}):
        with (
            answering(lambda asked: Reply(f"who is {asked.headers['Authorization']}? t0ps3cret?", 500)) as url,
            connect(url, **sent) as conn,
            pytest.raises(UpstreamError) as caught,
        ):
            fetch_rules(conn)
        message = str(caught.value)
        assert "***? ***?" in message
        assert "t0ps3cret" not in message + repr(conn)
        assert "bWU6" not in message + repr(conn)  # base64 of "me:…"


def test_no_server_no_name() -> None:
    with connect(f"http://127.0.0.1:{free_port()}") as conn:
        for ask in (fetch_rules, read_semantics):
            with pytest.raises(UpstreamError, match=r"127\.0\.0\.1:\d+: connection refused: is the server running"):
                ask(conn)
    with (
        connect("http://no-such-host.invalid/prom") as conn,
        pytest.raises(UpstreamError, match=r"^http://no-such-host\.invalid/prom: the host name is not known"),
    ):
        fetch_rules(conn)
    with (
        answering(lambda _: Reply("{}")) as url,
        connect(url.replace("http:", "https:")) as conn,
        pytest.raises(UpstreamError, match=r"the TLS handshake failed \(.+\): does the port speak https\?"),
    ):
        fetch_rules(conn)


def test_an_answer_that_never_comes() -> None:
    never = threading.Event()
    try:
        with answering(lambda _: Reply(EMPTY, hold=never)) as url, connect(url, timeout_s=0.2) as conn:
            with pytest.raises(
                UpstreamError, match=rf"^{url}: no whole answer within 0\.2 s, see --timeout \(asked for one step\)"
            ):
                query_range(conn, "up", Grid(SPAN.start, SPAN.end, 60_000))
            with pytest.raises(
                UpstreamError, match=r"no whole answer within 0\.2 s, see --timeout \(asked for 60 s of data\)"
            ):
                fetch_samples(conn, ["up"], SPAN)
            never.set()
    finally:
        never.set()


def test_an_answer_that_drips_is_given_up() -> None:
    """Each byte comes in time, the whole does not: the clock that is handed in says so."""
    ticks = iter(range(0, 1_000, 20))
    with (
        answering(lambda _: Reply(EMPTY)) as url,
        connect(url, timeout_s=10, clock=lambda: next(ticks)) as conn,
        pytest.raises(UpstreamError, match="no whole answer within 10 s"),
    ):
        fetch_rules(conn)


def test_a_huge_answer_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "BODY_LIMIT", 1 << 20)
    bomb = gzip.compress(b" " * (8 << 20))
    said = failure(Reply(bomb, headers={"Content-Encoding": "gzip"}))
    assert "the answer is larger than 1 MiB" in said


def flaky(*statuses: int, headers: dict[str, str] | None = None) -> tuple[Callable[[Request], Reply], list[str]]:
    """A server that answers with ``statuses`` first, then well; and the list of the paths that it was asked for."""
    left, asked = list(statuses), list[str]()

    def answer(request: Request) -> Reply:
        asked.append(request.path)
        return (
            Reply("busy", left.pop(0), headers or {}) if left else Reply('{"status":"success","data":{"groups":[]}}')
        )

    return answer, asked


@pytest.mark.parametrize(
    ("statuses", "headers", "waits"),
    [
        ((502, 503, 504), {}, [0.5, 1.0, 2.0]),
        ((429,), {"Retry-After": "7"}, [7.0]),
        ((429,), {"Retry-After": "86400"}, [30.0]),
        ((503,), {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, [0.5]),
    ],
)
def test_a_busy_server_is_asked_again(statuses: tuple[int, ...], headers: dict[str, str], waits: list[float]) -> None:
    answer, asked = flaky(*statuses, headers=headers)
    slept: list[float] = []
    with answering(answer) as url, connect(url, sleep=slept.append) as conn:
        fetch_rules(conn)
    assert slept == waits
    assert len(asked) == len(statuses) + 1


def test_a_server_that_stays_busy_is_asked_four_times() -> None:
    answer, asked = flaky(*[503] * 9)
    with (
        answering(answer) as url,
        connect(url, sleep=lambda _: None) as conn,
        pytest.raises(UpstreamError, match="answered 503: busy"),
    ):
        fetch_rules(conn)
    assert len(asked) == 4


@pytest.mark.parametrize("status", [400, 401, 403, 404, 500])
def test_what_will_not_change_is_asked_once(status: int) -> None:
    answer, asked = flaky(status)
    with answering(answer) as url, connect(url) as conn, pytest.raises(UpstreamError):
        fetch_rules(conn)
    assert len(asked) == 1


def test_the_first_failure_stops_the_other_readers() -> None:
    """A long range of many selectors: when one is refused, the others end at their next page."""
    asked: list[str] = []

    def answer(request: Request) -> Reply:
        if request.path == "/api/v1/read":
            return Reply(status=404)
        asked.append(request.params["query"])
        return Reply(error("no"), 400) if "bad" in asked[-1] else Reply(EMPTY)

    with answering(answer) as url, connect(url) as conn, pytest.raises(UpstreamError, match="answered 400: no"):
        fetch_samples(conn, ["good", "better", "bad", "best"], Span(0, 4_000 * 86_400_000))
    assert len(asked) < 4_000


def test_warnings_of_the_server_are_problems_once() -> None:
    body = json.dumps(
        {**json.loads(EMPTY), "warnings": ["store \x1b[1m10.0.0.1 is down"], "infos": ["not a counter"]}
    )
    with answering(lambda _: Reply(body)) as url, connect(url) as conn:
        _, problems = fetch_samples(conn, ["up"], Span(0, 86_400_000))
    assert [one.message for one in problems] == [
        "the server warns: store [1m10.0.0.1 is down",
        "selector up matched nothing from 1970-01-01T00:00:00Z to 1970-01-02T00:00:00Z",
    ]


def test_native_histograms_are_a_problem() -> None:
    body = result([{"metric": {"__name__": "h"}, "histograms": [[1, {}]]}, {"metric": {}, "values": [[1, "+Inf"]]}])
    with answering(lambda _: Reply(body)) as url, connect(url) as conn:
        series, problems = query_range(conn, "h", Grid(0, 1_000, 1_000))
    assert [one.values.tolist() for one in series] == [[float("inf")]]
    assert problems[0].message == "h: 1 series hold native histograms, which are not read"


def test_a_long_query_is_posted() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply(EMPTY)

    expr = 'up{job=~"' + "ж" * 3_000 + '"}'
    with answering(answer) as url, connect(url + "/x/", token="abc\n", headers={"X-Scope-OrgID": "7"}) as conn:
        query_range(conn, expr, Grid(0, 1_000, 1_000))
        query_range(conn, "up", Grid(0, 1_000, 1_000))
    assert [one.method for one in asked] == ["POST", "GET"]
    assert asked[0].params["query"] == expr
    assert {one.path for one in asked} == {"/x/api/v1/query_range"}
    assert {(one.headers["Authorization"], one.headers["X-Scope-OrgID"]) for one in asked} == {("Bearer abc", "7")}


@pytest.mark.parametrize(
    ("build", "expected"),
    [
        ({"version": "3.1.0", "revision": "a", "goVersion": "go1.23"}, "open"),
        ({"version": "2.53.2+ds1", "revision": "a", "goVersion": "go1.22"}, "closed"),
        ({"version": "2.24.0"}, None),  # VictoriaMetrics
        ({"version": "0.34.1", "revision": "a", "goVersion": "go1.21"}, None),  # Thanos
        ({"version": "2.10.0", "revision": "a", "goVersion": "go1.20", "application": "Grafana Mimir"}, None),
        ({"version": "4.0.0", "revision": "a", "goVersion": "go1.30"}, None),
        ({"version": "", "revision": "a", "goVersion": "go1.30"}, None),
        ([], None),
        (None, None),
    ],
)
def test_only_what_is_plausibly_prometheus_says_its_semantics(build: object, expected: str | None) -> None:
    body = json.dumps({"status": "success", "data": build})
    with answering(lambda _: Reply(body)) as url, connect(url) as conn:
        assert read_semantics(conn) == expected


def test_rules_that_cannot_be_read_are_problems() -> None:
    groups = [
        {
            "name": "a\x1b",
            "file": "f",
            "interval": 30.5,
            "rules": [{"type": "x"}, {"type": "recording", "name": "r"}],
        },
        {"name": "b", "interval": -1},
        "c",
        {
            "name": "d",
            "rules": [
                {"type": "alerting", "name": "A", "query": "up", "duration": 60.0, "labels": {"a": "b"}, "new": 1}
            ],
        },
    ]
    body = json.dumps({"status": "success", "data": {"groups": groups}})
    with answering(lambda _: Reply(body)) as url, connect(url) as conn:
        rules, problems = fetch_rules(conn)
    assert [(group.name, group.interval, len(group.rules)) for group in rules.groups] == [
        ("a\x1b", 30_500, 0),
        ("d", 60_000, 1),
    ]
    assert [one.message for one in problems] == [
        "group \"a\", rule number 1: type: Input should be 'alerting' or 'recording'",
        'group "a", rule number 2: query: Field required',
        "rule group number 2: interval: Input should be greater than 0",
        "rule group number 3: Input should be a valid dictionary or instance of _Group",
    ]
    with (
        answering(lambda _: Reply('{"status":"success","data":[]}')) as url,
        connect(url) as conn,
        pytest.raises(UpstreamError, match="holds no rule groups"),
    ):
        fetch_rules(conn)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:9090", "'localhost:9090' is not an http or https URL: write it as http://localhost:9090"),
        ("me:s3cr3t@host:9090", "'host:9090' is not"),
        ("ftp://me:s3cr3t@host", "'host' is not an http"),
        ("http://me:s3cr3t@host:port", "'host:port' is not a URL"),
        ("http://me:s3cr3t@", "'' is not an http"),
        ("http://host/?token=s3cr3t", "http://host/: give the API's root without"),
        ("", "'' is not"),
    ],
)
def test_a_url_that_is_none(url: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        connect(url)
    assert said in str(caught.value)
    assert "s3cr3t" not in str(caught.value)


def test_options_come_before_the_url_and_that_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str | None] = []

    def transport(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers.get("Authorization"))
        return httpx.Response(200, text='{"status":"success","data":{}}')

    def ask(url: str = "http://h", **options: str) -> str | None:
        with connect(url, transport=httpx.MockTransport(transport), **options) as conn:
            fetch_rules(conn)
            assert conn.url == "http://h"
        return sent.pop()

    assert ask() is None
    monkeypatch.setenv("RULEGEN_PROMETHEUS_TOKEN", "from-env")
    assert ask() == "Bearer from-env"
    assert ask("http://u:p@h") == "Basic dTpw"
    assert ask("http://u:p@h", token="t") == "Bearer t"
    monkeypatch.setenv("RULEGEN_PROMETHEUS_PASSWORD", "p")
    assert ask(user="u") == ask("http://u@h") == "Basic dTpw"
    monkeypatch.setenv("RULEGEN_PROMETHEUS_USER", "u")
    with pytest.raises(InputError, match="not both"):
        ask()
    with pytest.raises(InputError, match="not both"):
        ask(token="t", user="u")
    with pytest.raises(InputError, match="the bearer token holds characters") as caught:
        ask(token="a\nHost: evil")
    assert "evil" not in str(caught.value)


def test_no_data_is_told_apart_from_failure() -> None:
    with answering(lambda _: Reply(EMPTY)) as url, connect(url) as conn:
        episodes, problems = fetch_alerts(conn, SPAN, 60_000)
    assert episodes == ()
    assert [one.message for one in problems] == [
        'selector ALERTS{alertstate="firing"} matched nothing from 2023-11-14T22:13:20Z to 2023-11-14T22:23:20Z'
    ]
