"""`rulegen init`: what a server tells becomes a commented file that rulegen itself reads."""

from __future__ import annotations

import json
import time
from pathlib import Path

import httpx
import pytest
from conftest import Run
from servers import Reply, Request, alertmanager, answering, prometheus

from rulegen.cli.config import configured
from rulegen.cli.main import COMMANDS

SECRET = "s3cr3t-p4ss"


def read(path: Path) -> dict[str, object]:
    return {name: value for name, (value, _) in configured("nightly", COMMANDS, path).items()}


def test_of_a_real_server(home: Path, rulegen: Run) -> None:
    rules = home / "rules.yml"
    with prometheus(home / "server", rules=[rules]) as url:
        done = rulegen("init", "--prometheus", url, "--rules", "rules.yml")
        assert done.returncode == 0, done.stderr
        text = (home / "rulegen.toml").read_text()
        found = read(home / "rulegen.toml")
        assert (found["prometheus"], found["rules"]) == (url, [str(rules)])
        assert str(rules) in text and "page (1 rule)" in text and "keeps 100y" in text
        again = rulegen("init", "--prometheus", url)
        assert again.returncode == 2 and "is there already" in again.stderr
        assert (home / "rulegen.toml").read_text() == text
    assert [path.name for path in home.iterdir() if path.name.startswith(".rulegen")] == []


HOSTILE = 'x"\n[nightly]\nout = "/etc"\x1b[2J \u202e\x7f'


def answer(request: Request) -> Reply:
    rule = {"type": "alerting", "name": "A", "query": "up == 0", "labels": {"severity": HOSTILE}}
    urgent = {**rule, "name": "B", "labels": {"severity": "urgent"}}
    config = {"global": {"external_labels": {"c": HOSTILE}}, "rule_files": [HOSTILE]}
    told: dict[str, object] = {
        "/api/v1/rules": {"groups": [{"name": "g", "file": HOSTILE, "interval": 60, "rules": [rule, urgent]}]},
        "/api/v1/status/config": {"yaml": json.dumps(config)},
        "/api/v1/status/flags": {"storage.tsdb.retention.time": HOSTILE},
        "/api/v1/alertmanagers": {"activeAlertmanagers": [{"url": f"http://me:{SECRET}@am:9093/api/v2/alerts"}]},
    }
    if request.path in told:
        return Reply(json.dumps({"status": "success", "data": told[request.path]}))
    return Reply(json.dumps({"status": "error", "errorType": "x", "error": "no"}), 404)


def test_what_a_server_says_cannot_write_settings(home: Path, rulegen: Run) -> None:
    with answering(answer) as url:
        done = rulegen("init", "--prometheus", url.replace("://", f"://me:{SECRET}@"))
    assert done.returncode == 0, done.stderr
    text = (home / "rulegen.toml").read_text()
    assert read(home / "rulegen.toml") == {"prometheus": url, "page": 'severity=~"urgent"'}
    assert SECRET not in text + done.stdout + done.stderr and "http://am:9093" in text
    assert all(char.isprintable() or char == "\n" for char in text)


@pytest.mark.parametrize("status", [401, 404, 500])
def test_a_server_that_does_not_answer_is_one_message(status: int, home: Path, rulegen: Run) -> None:
    with answering(lambda _: Reply(SECRET, status)) as url:
        done = rulegen("init", "--prometheus", url, "--timeout", "2s")
    assert done.returncode == 3 and not (home / "rulegen.toml").exists()
    assert url in done.stderr


def test_an_alertmanager_is_found(home: Path, rulegen: Run) -> None:
    with alertmanager(home / "am", "route: {receiver: a}\nreceivers: [{name: a}]\n") as url:
        config = home / "server"
        with prometheus(config, rules=[home / "rules.yml"], alertmanagers=[url.removeprefix("http://")]) as server:
            deadline = time.monotonic() + 30  # Prometheus finds it some seconds after it started
            while url not in httpx.get(f"{server}/api/v1/alertmanagers", timeout=10).text:
                assert time.monotonic() < deadline
                time.sleep(0.1)
            done = rulegen("init", "--prometheus", server)
    assert done.returncode == 0 and url in (home / "rulegen.toml").read_text()


def test_of_a_server_whose_samples_are_old(alertops_url: str, home: Path, rulegen: Run) -> None:
    assert rulegen("init", "--prometheus", alertops_url, "--rules", "rules.yml").returncode == 0
    text, found = (home / "rulegen.toml").read_text(), read(home / "rulegen.toml")
    assert "since" not in found and "samples from 2026-08-06 to 2026-08-06" in text
    assert str(found["start"]) < "2026-08-06T06:20:29" < "2026-08-06T12:00:00" < str(found["end"])
    assert "page (1 rule)." in text  # of the files: the server has no rules
