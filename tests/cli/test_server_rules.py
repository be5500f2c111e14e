"""Rules that the server itself evaluates, some of them in a PromQL newer than ours."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from conftest import Run
from servers import Reply, Request, answering

START, END = 1_700_000_040, 1_700_021_640
LABELS = {"__name__": "ALERTS", "alertstate": "firing", "alertname": "Newer", "severity": "page", "pod": "a"}
FIRING = [[at, "1"] for begin in range(START + 600, END, 1800) for at in range(begin, begin + 180, 60)]
UP = [[at, "0" if at % 3600 < 120 else "1"] for at in range(START, END, 60)]


def rule(name: str, query: str, **more: Any) -> dict[str, Any]:
    return {"type": "alerting", "name": name, "query": query, "duration": 0, "labels": {"severity": "page"}, **more}


GROUPS = [
    {
        "name": "g",
        "file": "/etc/rules.yml",
        "interval": 60,
        "rules": [
            rule("Newer", "from_the_future(up) == 0"),
            rule("Down", "up == 0"),
            {"type": "recording", "name": "job:up:sum", "query": "and_another(up)"},
            rule("Uses", "job:up:sum == 0"),
        ],
    }
]


def server(request: Request) -> Reply:
    def success(data: Any) -> Reply:
        return Reply(json.dumps({"status": "success", "data": data}))

    if request.path.endswith("/rules"):
        return success({"groups": GROUPS})
    query = request.params.get("query", "")
    series = {'ALERTS{alertstate="firing"}': (LABELS, FIRING), "up": ({"__name__": "up", "job": "j"}, UP)}
    name, bracket, window = query.partition("[")
    if not bracket or name not in series:  # nothing else is known, staleness markers included
        kind = "matrix" if bracket or "range" in request.path else "vector"
        return success({"resultType": kind, "result": []})
    labels, values = series[name]
    end = float(request.params["time"])
    inside = [one for one in values if end - float(window.rstrip("s]")) <= one[0] <= end]
    return success({"resultType": "matrix", "result": [{"metric": labels, "values": inside}] if inside else []})


def test_rules_that_cannot_be_read_are_named_and_the_rest_is_judged(tmp_path: Path, rulegen: Run) -> None:
    with answering(server) as url:
        options = ("--prometheus", url, "--start", str(START), "--end", str(END))
        done = rulegen("suggest", "-q", *options, "--out", tmp_path / "out")
        strict = rulegen("suggest", "-q", "--strict", *options, "--out", tmp_path / "strict")
    assert done.returncode == 0, done.stderr
    first, second, remark, count = done.stderr.splitlines()
    assert first == (
        f'rulegen: {url}: group "g", rule "Newer": its expression cannot be read: '
        "unknown function with name 'from_the_future'"
    )
    assert 'rule "job:up:sum"' in second and count.endswith(f"3 about {url}")
    assert "no target has samples of up" in remark and "(1 remarks), the first: no target has" in done.stdout
    assert "range windows are taken to be left-open" in done.stdout
    found = json.loads((tmp_path / "out/suggestions.json").read_text())
    seen = {one["rule"]["name"]: one["grade"] for one in found["accepted"] + found["refused"]}
    assert seen == {"Down": "metrics", "Newer": "alerts"}  # what it did is recorded all the same
    assert (strict.returncode, strict.stderr.splitlines()) == (2, [first, second])


def test_a_server_that_says_what_it_is_leaves_no_doubt(tmp_path: Path, rulegen: Run) -> None:
    build = {"version": "2.53.1", "revision": "abc", "goVersion": "go1.22"}

    def answer(request: Request) -> Reply:
        if request.path.endswith("/buildinfo"):
            return Reply(json.dumps({"status": "success", "data": build}))
        return server(request)

    with answering(answer) as url:
        done = rulegen(
            "suggest", "-q", "--prometheus", url, "--start", START, "--end", END, "--out", tmp_path / "out"
        )
    assert done.returncode == 0, done.stderr
    assert "range windows" not in done.stdout
