"""A night: what it writes, remembers and tells; run twice, killed, two at once, and on a disk that does not do."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
import time
from pathlib import Path

import nights
import pytest
from nights import Night, command, environment
from servers import Reply, Request, answering, prometheus

from rulegen.batch.lock import locked

NOON = nights.minute(720)


def rows(state: Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(state) as database:
        return database.execute(f"SELECT * FROM {table}").fetchall()


def claims(home: Path) -> list[dict[str, object]]:
    found: list[dict[str, object]] = json.loads((home / "out" / "claims.json").read_text())["claims"]
    return found


def merge(home: Path) -> None:
    (home / "rules.yml").write_text((home / "out" / "rules" / "rules.yml").read_text())


def test_a_claim_from_its_making_to_its_end(night: Night, tmp_path: Path) -> None:
    done = night("--end", NOON, "--metrics-file", "rulegen.prom", "--log-format", "json")
    assert done.returncode == 0, done.stderr
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert events[-1]["accepted"] == 1 and {"time", "level", "message"} <= events[-1].keys()
    assert 'rulegen_suggestions{status="open"} 1.0' in (tmp_path / "rulegen.prom").read_text()
    before = nights.dump(tmp_path / "state.db"), nights.tree(tmp_path / "out")

    assert night("--end", NOON).returncode == 0  # twice is once
    assert (nights.dump(tmp_path / "state.db"), nights.tree(tmp_path / "out")) == before

    merge(tmp_path)
    done = night("--metrics-file", "rulegen.prom")
    (claim,) = claims(tmp_path)
    assert (claim["verdict"], claim["revert"]) == ("held", None), claim
    assert claim["outcome"] == {
        "weeks": pytest.approx(0.0713, abs=1e-3),
        "pages": [32, 0],
        "caught": 2,
        "lost": [],
        "late": [],
        "added_delay_ms": 0,
    }
    text = (tmp_path / "rulegen.prom").read_text()
    assert "rulegen_claim_accuracy_ratio 1.0" in text and "rulegen_acceptance_ratio 1.0" in text
    assert [row[2] for row in rows(tmp_path / "state.db", "decisions")] == ["merged"]

    (tmp_path / "rules.yml").write_text(nights.RULES)  # somebody takes it back
    assert night().returncode == 0
    assert sorted(str(row[2]) for row in rows(tmp_path / "state.db", "decisions")) == ["merged", "reverted"]


def test_a_claim_that_failed_comes_with_its_revert(night: Night, tmp_path: Path) -> None:
    nights.put(tmp_path, worse_from=720)  # in the afternoon the incidents hardly pass the old threshold
    assert night("--end", NOON).returncode == 0
    merge(tmp_path)
    done = night("--metrics-file", "rulegen.prom")
    assert done.returncode == 0, done.stderr
    (claim,) = claims(tmp_path)
    assert claim["verdict"] == "failed" and claim["outcome"]["lost"] == ["I-2", "I-3"], claim  # type: ignore[index]
    assert 'rulegen_claims{verdict="failed"} 1.0' in (tmp_path / "rulegen.prom").read_text()
    assert str(claim["id"]) in done.stdout and "failed" in done.stdout
    patch = subprocess.run(
        ["git", "apply", "-p0", f"out/{claim['revert']}"], cwd=tmp_path, capture_output=True, text=True, timeout=20
    )
    assert patch.returncode == 0, patch.stderr
    lines = [line for line in (tmp_path / "rules.yml").read_text().splitlines() if "rulegen:" not in line]
    assert "queue_length > 80" in " ".join("\n".join(lines).split())  # with a note above that says why
    assert night().returncode == 0 and not claims(tmp_path)


def test_a_shadow_pages_nobody_and_is_looked_back_at(night: Night, tmp_path: Path) -> None:
    assert night("--end", NOON, "--shadow").returncode == 0
    text = (tmp_path / "out" / "rules" / "rules.yml").read_text()
    assert text.startswith(nights.RULES.rstrip("\n"))  # the old rule stays, to the byte
    assert "alert: QueueLongShadow" in text and "severity: shadow" in text
    merge(tmp_path)
    assert night("--shadow", "--end", nights.minute(1000)).returncode == 0
    assert night("--shadow").returncode == 0
    (claim,) = claims(tmp_path)
    assert claim["since"] == NOON * 1000  # and not since the last night
    assert (claim["verdict"], claim["outcome"]["pages"]) == ("held", [32, 0])  # type: ignore[index]
    assert not rows(tmp_path / "state.db", "decisions")  # nobody has decided yet
    assert (tmp_path / "out" / "rules" / "rules.yml").read_text() == text  # and no second shadow


@pytest.mark.parametrize("form", ["text", "json"])
@pytest.mark.parametrize("refused", [False, True])
def test_no_secret_is_told_or_kept(
    form: str, refused: bool, night: Night, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not of the server, not of the gateway; in the log, the state, the metrics, the lock and the output."""
    secret, empty = "s3cr3t-p4ss", '{"status": "success", "data": {"resultType": "matrix", "result": []}}'
    monkeypatch.setenv("RULEGEN_PROMETHEUS_PASSWORD", secret)
    monkeypatch.setenv("RULEGEN_PUSHGATEWAY_USER", "me")
    monkeypatch.setenv("RULEGEN_PUSHGATEWAY_PASSWORD", secret)
    seen: set[str | None] = set()

    def answer(request: Request) -> Reply:
        seen.add(request.headers.get("Authorization"))
        return Reply(f"{secret} is wrong", 403) if refused else Reply(empty)

    with answering(answer) as url:
        asked = ("--prometheus", url, "--user", "me", "--rules", "rules.yml", "--start", nights.START, "--end", NOON)
        places = ("--out", "out", "--state", "state.db", "--metrics-file", "m.prom", "--cache", "cache")
        done = subprocess.run(
            command(*asked, *places, "--pushgateway", url, "--log-format", form),
            cwd=tmp_path,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode in (2, 3) and len(seen) == 1
    if form == "json":
        events = [json.loads(line) for line in done.stderr.splitlines()]
        assert any(one["level"] == "error" for one in events)
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    for text in (done.stdout, done.stderr, written.decode(errors="replace")):
        assert secret not in text and "Basic " not in text


def test_two_at_once(night: Night, tmp_path: Path) -> None:
    with locked(tmp_path / "state.db.lock"):
        done = night("--end", NOON)
    assert done.returncode == 4 and done.stdout == ""
    assert done.stderr.startswith(f"rulegen: state.db.lock: process {os.getpid()} is at work on this state")
    assert not (tmp_path / "out").exists() and not (tmp_path / "state.db").exists()


def test_a_night_that_fails_says_so_and_keeps_when_one_did_not(night: Night, tmp_path: Path) -> None:
    assert night("--end", NOON, "--metrics-file", "rulegen.prom").returncode == 0
    before = (tmp_path / "rulegen.prom").read_text()
    kept = nights.dump(tmp_path / "state.db"), nights.tree(tmp_path / "out")
    (tmp_path / "incidents.csv").unlink()
    assert night("--end", NOON, "--metrics-file", "rulegen.prom").returncode == 2
    after = (tmp_path / "rulegen.prom").read_text()
    assert "rulegen_last_run_success 1.0" in before and "rulegen_last_run_success 0.0" in after
    success = next(line for line in before.splitlines() if line.startswith("rulegen_last_success"))
    assert success in after and 'rulegen_suggestions{status="open"} 1.0' in after
    assert (nights.dump(tmp_path / "state.db"), nights.tree(tmp_path / "out")) == kept


@pytest.mark.parametrize("what", ["--state", "--out", "--metrics-file"])
def test_a_place_that_cannot_be_written(what: str, night: Night, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = night("--end", NOON, what, "file/x")
    assert done.returncode == 2 and len(done.stderr.splitlines()) <= 2 and "file" in done.stderr
    assert "Traceback" not in done.stderr


def test_killed_anywhere_the_next_run_completes_it(tmp_path: Path) -> None:
    """Against a real Prometheus. The seed of the moments is fixed, the moments fall where they fall."""
    nights.put(tmp_path)
    blocks = tmp_path / "tsdb"
    subprocess.run(
        ["promtool", "tsdb", "create-blocks-from", "openmetrics", "metrics.om", str(blocks)],
        cwd=tmp_path, check=True, capture_output=True, timeout=120,
    )  # fmt: skip
    rng = random.Random(7)
    with prometheus(tmp_path / "server", tsdb=blocks) as url:

        def begun(home: str) -> subprocess.Popen[bytes]:
            options = ("--prometheus", url, "--rules", "rules.yml", "--incidents", "incidents.csv")
            span = ("--start", nights.START, "--end", nights.minute(nights.MINUTES - 1), "--judged", nights.JUDGED)
            places = ("--out", f"{home}/out", "--state", f"{home}/state.db", "--cache", f"{home}/cache")
            return subprocess.Popen(
                command(*options, *span, *places, "--metrics-file", f"{home}/m.prom"),
                cwd=tmp_path,
                env=environment(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )

        began = time.monotonic()
        assert begun("whole").wait(timeout=120) == 0
        took = time.monotonic() - began
        expected = nights.dump(tmp_path / "whole" / "state.db"), nights.tree(tmp_path / "whole" / "out")
        for _ in range(int(os.environ.get("RULEGEN_TEST_KILLS", "10"))):
            process = begun("killed")
            try:
                process.wait(timeout=rng.uniform(0.2, 1.0) * took)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait(timeout=20)
            out = tmp_path / "killed" / "out"
            if out.exists():  # whole, or not there
                assert nights.tree(out) == expected[1]
        assert begun("killed").wait(timeout=120) == 0
    assert nights.dump(tmp_path / "killed" / "state.db") == expected[0]
    assert nights.tree(tmp_path / "killed" / "out") == expected[1]
    assert sorted(path.name for path in (tmp_path / "killed").iterdir() if path.name.startswith(".")) == [
        (tmp_path / "killed" / "out").readlink().name
    ]
