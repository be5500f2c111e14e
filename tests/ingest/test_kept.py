"""A second run fetches only what may have changed, and gets the same bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from servers import Reply, Request, answering, prometheus

from rulegen.core.durations import HOUR, MINUTE
from rulegen.core.series import Samples, Series
from rulegen.core.spans import Grid, Span
from rulegen.ingest.prometheus import Cache, connect, fetch_alerts, fetch_samples, query_range
from rulegen.ingest.prometheus.kept import ENTRY, SETTLED
from rulegen.ingest.prometheus.remoteread import PATH, request

HISTORY = Span(1_785_996_000_000, 1_786_017_600_000)  # 06:00 to 12:00
SELECTORS = ["up", 'ALERTS{alertstate="firing"}', "go_goroutines", "there_is_no_such_metric"]
EXPR = "sum by (job) (rate(prometheus_http_requests_total[5m]))"
PROBE = request((), Span(0, 0))
Bits = list[tuple[str, bytes, bytes]]


@dataclass
class Counted(httpx.BaseTransport):
    """The way to the real server, past a note of each request for samples or values."""

    remote_read: bool = True
    asked: list[str] = field(default_factory=list)
    inner: httpx.HTTPTransport = field(default_factory=httpx.HTTPTransport)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        if path == PATH and not self.remote_read:
            return httpx.Response(404)
        if "/status/" not in path and request.content != PROBE:
            self.asked.append(str(request.url))
        return self.inner.handle_request(request)

    def close(self) -> None:
        self.inner.close()


def bits(series: Samples | Sequence[Series]) -> Bits:
    return [(str(one.labels), one.times.tobytes(), one.values.tobytes()) for one in series]


@dataclass
class Run:
    """Fetches as one run of rulegen does, and counts."""

    url: str
    remote_read: bool = True

    def samples(
        self, cache: Cache | None, span: Span = HISTORY, wanted: Sequence[str] = SELECTORS, **who: str
    ) -> tuple[Bits, list[str], list[str]]:
        """(the series, what went wrong, what was asked)"""
        way = Counted(self.remote_read)
        with connect(self.url, cache=cache, transport=way, **who) as conn:  # type: ignore[arg-type]
            found, problems = fetch_samples(conn, wanted, span)
        return bits(found), [one.message for one in problems], way.asked

    def values(self, cache: Cache | None, grid: Grid, expr: str = EXPR) -> tuple[Bits, list[str]]:
        way = Counted(self.remote_read)
        with connect(self.url, cache=cache, transport=way) as conn:
            found, problems = query_range(conn, expr, grid)
        assert problems == ()
        return bits(found), way.asked


@pytest.fixture(params=["remote read", "queries"])
def run(request: pytest.FixtureRequest, alertops_url: str) -> Run:
    return Run(alertops_url, request.param == "remote read")


def files(directory: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_second_run_asks_for_nothing_and_gets_the_same_bytes(run: Run, tmp_path: Path) -> None:
    plain = run.samples(None)
    first = run.samples(Cache(tmp_path))
    assert first[:2] == plain[:2] and len(first[2]) >= len(SELECTORS)
    second = run.samples(Cache(tmp_path))
    assert second == (*plain[:2], [])
    assert len(plain[0]) > 10 and "there_is_no_such_metric matched nothing" in plain[1][-1]


def test_prometheus_itself_counts_no_request(shared_data: Path, tmp_path: Path) -> None:
    def counted(url: str) -> float:
        lines = httpx.get(url + "/metrics").text.splitlines()
        name = "prometheus_engine_query_duration_seconds_count"
        wanted = [one for one in lines if one.startswith((name, 'prometheus_http_requests_total{code="200",h'))]
        return sum(float(one.rsplit(" ", 1)[1]) for one in wanted if "/api/v1/query" in one or "inner_eval" in one)

    with prometheus(tmp_path / "home", tsdb=shared_data / "alertops-tsdb" / "tsdb") as url:
        run, before = Run(url, remote_read=False), counted(url)
        first = run.samples(Cache(tmp_path / "cache"))
        between = counted(url)
        assert between > before
        assert run.samples(Cache(tmp_path / "cache"))[0] == first[0]
        assert counted(url) == between


def test_damage_is_fetched_again_and_mended(run: Run, tmp_path: Path) -> None:
    plain = run.samples(Cache(tmp_path))
    kept = files(tmp_path)
    assert len(kept) > 3
    for number, (path, content) in enumerate(sorted(kept.items())):
        path.write_bytes([b"", content[: len(content) // 2], content[:-9] + b"123456789"][number % 3])
    again = run.samples(Cache(tmp_path))
    assert again[:2] == plain[:2] and len(again[2]) >= len(SELECTORS)
    assert files(tmp_path) == kept
    assert run.samples(Cache(tmp_path)) == (*plain[:2], [])


def test_another_range_finds_the_same_hours(run: Run, tmp_path: Path) -> None:
    run.samples(Cache(tmp_path))
    for span in (
        Span(HISTORY.start + 1, HISTORY.end),
        Span(HISTORY.start + 12_345, HISTORY.end - 1),
        Span(HISTORY.start + 2 * HOUR, HISTORY.start + 2 * HOUR),
        Span(HISTORY.start + HOUR + 1, HISTORY.start + 3 * HOUR),
    ):
        plain = run.samples(None, span)
        cached = run.samples(Cache(tmp_path), span)
        assert cached[:2] == plain[:2]
        # Where markers were looked for depends on the range, so that moments of its own may be asked about.
        assert not [one for one in cached[2] if PATH in one or "%5B" in one]


def test_only_the_missing_hours_are_fetched(run: Run, tmp_path: Path) -> None:
    middle = Span(HISTORY.start + 2 * HOUR + 1, HISTORY.start + 3 * HOUR)
    run.samples(Cache(tmp_path), middle, ["up"])
    wider = run.samples(Cache(tmp_path), HISTORY, ["up"])
    assert wider[0] == run.samples(None, HISTORY, ["up"])[0]
    asked = [one for one in wider[2] if PATH in one or "%5B" in one]
    assert len(asked) >= 2 and not [one for one in asked if f"{middle.end // 1000}.000" in one]
    again = run.samples(Cache(tmp_path), HISTORY, ["up"])
    assert again == (*wider[:2], [])


def test_the_two_ways_to_fetch_are_kept_apart(alertops_url: str, tmp_path: Path) -> None:
    chunks, queries = Run(alertops_url), Run(alertops_url, remote_read=False)
    chunks.samples(Cache(tmp_path))
    assert queries.samples(Cache(tmp_path))[:2] == queries.samples(None)[:2]
    assert chunks.samples(Cache(tmp_path)) == (*chunks.samples(None)[:2], [])


@pytest.mark.parametrize("step", [15_000, 60_000, 7_000_001, 977])
def test_values_of_an_expression_are_kept(run: Run, step: int, tmp_path: Path) -> None:
    grid = Grid(HISTORY.start + 1234, HISTORY.end - 999, step)
    plain = run.values(None, grid)
    assert run.values(Cache(tmp_path), grid)[0] == plain[0]
    assert run.values(Cache(tmp_path), grid) == (plain[0], [])
    later = Grid(grid.start + (HOUR // step + 1) * step, grid.end - step, step)
    assert run.values(Cache(tmp_path), later) == (run.values(None, later)[0], [])
    shifted = Grid(grid.start + 1, grid.end, step)
    assert run.values(Cache(tmp_path), shifted)[0] == run.values(None, shifted)[0]
    assert run.values(Cache(tmp_path), shifted)[1] == []


@pytest.mark.parametrize(
    "expr", ["up offset -5m", "up @ end()", "up @ 1786000000", "vector(time()", "up keep_metric"]
)
def test_values_that_depend_on_more_than_their_past_are_not_kept(
    expr: str, alertops_url: str, tmp_path: Path
) -> None:
    grid = Grid(HISTORY.start, HISTORY.end, MINUTE)
    way = Counted()
    with connect(alertops_url, cache=Cache(tmp_path), transport=way) as conn:
        if "(time()" in expr or "keep" in expr:
            with pytest.raises(Exception, match="parse error"):
                query_range(conn, expr, grid)
        else:
            query_range(conn, expr, grid)
    assert not files(tmp_path)


def test_a_range_shorter_than_an_hour_is_asked_as_it_is(alertops_url: str, tmp_path: Path) -> None:
    grid = Grid(HISTORY.start, HISTORY.start + 59 * MINUTE, MINUTE)
    run = Run(alertops_url)
    assert run.values(Cache(tmp_path), grid)[0] == run.values(None, grid)[0]
    assert not files(tmp_path)


def test_alerts_of_a_second_run_ask_for_nothing(run: Run, tmp_path: Path) -> None:
    found = []
    for cache in (None, Cache(tmp_path), Cache(tmp_path)):
        way = Counted(run.remote_read)
        with connect(run.url, cache=cache, transport=way) as conn:
            found.append((fetch_alerts(conn, HISTORY, 15_000), way.asked))
    assert found[0][0] == found[1][0] == found[2][0]
    assert found[1][1] and not found[2][1]


@pytest.mark.parametrize(
    "other", [{"user": "me", "password": "a"}, {"token": "abc"}, {"token": "abd"}], ids=["user", "token", "token 2"]
)
def test_who_asks_makes_a_difference(other: dict[str, str], alertops_url: str, tmp_path: Path) -> None:
    run = Run(alertops_url)
    run.samples(Cache(tmp_path))
    run.samples(Cache(tmp_path), token="ab")
    assert run.samples(Cache(tmp_path), **other)[2]
    assert not run.samples(Cache(tmp_path), **other)[2]
    if "password" in other:
        assert not run.samples(Cache(tmp_path), user="me", password="b")[2]  # a changed password shows the same


@dataclass
class Moving:
    """A server without remote read whose sample of each minute says how often the data were changed."""

    edition: int = 0
    external: str = ""
    warning: str = ""
    asked: list[Span] = field(default_factory=list)

    def answer(self, request: Request) -> Reply:
        if request.path == "/api/v1/status/config":
            return success({"yaml": f"global:\n  scrape_interval: 1m\n{self.external}scrape_configs: []\n"})
        window = request.params.get("query", "").partition("[")[2].partition("s]")[0]
        if not window:
            return Reply("", 404) if request.path == PATH else success({"resultType": "vector", "result": []})
        end = round(float(request.params["time"]) * 1000)
        self.asked.append(Span(end - int(window) * 1000, end))
        times = range(-(-self.asked[-1].start // MINUTE) * MINUTE, end + 1, MINUTE)
        values = [[time / 1000, str(self.edition)] for time in times]
        result = [{"metric": {"__name__": "m"}, "values": values}] if values else []
        more = {"warnings": [self.warning]} if self.warning else {}
        return success({"resultType": "matrix", "result": result}, **more)


def success(data: object, **more: object) -> Reply:
    return Reply(json.dumps({"status": "success", "data": data, **more}))


@pytest.fixture
def moving() -> Iterator[tuple[Moving, str]]:
    server = Moving()
    with answering(server.answer) as url:
        yield server, url


def editions(url: str, cache: Cache, span: Span) -> dict[int, int]:
    """Time → the edition seen there."""
    with connect(url, cache=cache) as conn:
        (one,), _ = fetch_samples(conn, ["m"], span)
    return dict(zip(one.times.tolist(), one.values.astype(int).tolist(), strict=True))


def test_what_is_younger_than_the_bound_is_fetched_again(moving: tuple[Moving, str], tmp_path: Path) -> None:
    server, url = moving
    span = Span(0, 24 * HOUR)
    bound = 20 * HOUR  # the last full hour that had ended SETTLED before the first run
    first = (bound + SETTLED + 17 * MINUTE) / 1000
    assert set(editions(url, Cache(tmp_path, now=lambda: first), span).values()) == {0}
    server.edition, server.asked = 1, []
    seen = editions(url, Cache(tmp_path, now=lambda: first), span)
    assert all(edition == (time > bound) for time, edition in seen.items()) and len(seen) == 24 * 60 + 1
    assert min(one.start for one in server.asked) >= bound - 2000
    server.edition = 2
    seen = editions(url, Cache(tmp_path, now=lambda: first + 3600), span)  # an hour more is settled now
    assert {edition for time, edition in seen.items() if time > bound} == {2}
    server.edition = 3
    seen = editions(url, Cache(tmp_path, now=lambda: first + 3600), span)
    assert {edition for time, edition in seen.items() if bound < time <= bound + HOUR} == {2}
    assert {edition for time, edition in seen.items() if time > bound + HOUR} == {3}


def test_a_page_with_a_warning_is_not_kept(moving: tuple[Moving, str], tmp_path: Path) -> None:
    """Thanos says so when a store did not answer: what it gave is not all."""
    server, url = moving
    server.warning = "a store did not answer"
    editions(url, Cache(tmp_path), Span(0, 10 * HOUR))
    server.warning, server.edition = "", 1
    assert set(editions(url, Cache(tmp_path), Span(0, 10 * HOUR)).values()) == {1}


def test_another_server_at_the_same_url_is_another(moving: tuple[Moving, str], tmp_path: Path) -> None:
    """Where its external labels tell."""
    server, url = moving
    for edition, name in enumerate(("", "a", "b")):
        server.edition = edition
        server.external = f"  external_labels:\n    cluster: {name}\n" if name else ""
        assert set(editions(url, Cache(tmp_path), Span(0, 10 * HOUR)).values()) == {edition}
    server.edition = 9
    assert set(editions(url, Cache(tmp_path), Span(0, 10 * HOUR)).values()) == {2}


def test_what_was_fetched_before_a_failure_is_kept(moving: tuple[Moving, str], tmp_path: Path) -> None:
    server, _ = moving
    fine = server.answer
    with answering(lambda one: Reply("", 500) if len(server.asked) >= 4 else fine(one)) as broken:
        with pytest.raises(Exception, match="500"):
            editions(broken, Cache(tmp_path), Span(0, 30 * 24 * HOUR))
        done = server.asked[3].end
        server.edition, server.asked = 1, []
        with pytest.raises(Exception, match="500"):
            editions(broken, Cache(tmp_path), Span(0, 30 * 24 * HOUR))
        assert server.asked[0].start >= done // ENTRY * ENTRY - 2000
