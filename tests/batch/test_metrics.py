"""Metrics: every one documented, the textfile read by promtool, the Pushgateway's answers told without a secret."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from servers import Reply, Request, answering, binary

from rulegen.batch.metrics import METRICS, PASSWORD, USER, Night, push_metrics, registry, write_metrics
from rulegen.batch.state import Seen
from rulegen.errors import InputError, UpstreamError

DOCS = Path(__file__).resolve().parents[2] / "docs" / "nightly.md"
SEEN = Seen("http://p", 0, 14_000, "incidents", "x", 5, 2, 1, 2.0, 40, 4, 80.0, 8.0)
NIGHT = Night(SEEN, 1, 0, {"suggest": 1.5}, (), ())
SECRET = "s3cr3t-p4ss"


def test_every_metric_is_documented_and_no_other() -> None:
    named = set(re.findall(r"`(rulegen_\w+)", DOCS.read_text()))
    assert named == set(METRICS)
    made = {family.name for family in registry(1.0, NIGHT).collect()}
    assert made == set(METRICS)


def test_promtool_takes_the_textfile(tmp_path: Path) -> None:
    write_metrics(tmp_path / "rulegen.prom", registry(100.0, NIGHT))
    text = (tmp_path / "rulegen.prom").read_text()
    assert 'rulegen_noise_pages_per_week{rules="before"} 20.0' in text
    command = [binary("promtool"), "check", "metrics"]
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["rulegen.prom"]


def test_a_failure_takes_nothing_away(tmp_path: Path) -> None:
    path = tmp_path / "rulegen.prom"
    write_metrics(path, registry(100.0, NIGHT))
    before = set(path.read_text().splitlines())
    write_metrics(path, registry(200.0, None))
    after = set(path.read_text().splitlines())
    assert {line for line in before - after if not line.startswith("#")} == {
        "rulegen_last_run_timestamp_seconds 100.0",
        "rulegen_last_run_success 1.0",
    }
    path.write_text("no metrics {{{\n")
    write_metrics(path, registry(300.0, None))
    assert "rulegen_last_run_success 0.0" in path.read_text()


def test_pushing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(USER, "me")
    monkeypatch.setenv(PASSWORD, SECRET)
    asked: list[Request] = []
    status = 200

    def answer(request: Request) -> Reply:
        asked.append(request)
        return Reply("", status)

    with answering(answer) as url:
        push_metrics(url, registry(100.0, NIGHT))
        assert asked[0].method == "POST"  # adds to what is there, so that a failure keeps when it last went well
        assert asked[0].path == "/metrics/job/rulegen" and asked[0].headers["Authorization"].startswith("Basic ")
        status = 403
        with pytest.raises(UpstreamError, match="answered 403") as error:
            push_metrics(url, registry(100.0, None))
        assert SECRET not in str(error.value)
    with pytest.raises(UpstreamError, match="did not take"):
        push_metrics(url, registry(100.0, None))
    for wrong in (f"http://me:{SECRET}@localhost:1", "localhost:9091", "ftp://x"):
        with pytest.raises(InputError, match="--pushgateway") as given:
            push_metrics(wrong, registry(100.0, None))
        assert SECRET not in str(given.value)
