"""Settings: file below environment below flag; everything that is wrong at once; no secret where it can be read."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Run

from rulegen.batch import metrics
from rulegen.cli.config import keys, variable
from rulegen.cli.main import COMMANDS
from rulegen.ingest.prometheus import credentials
from rulegen.propose import endpoint

READS = 'metrics = "metrics.om"\nrules = "rules.yml"\nincidents = "incidents.csv"\n'


def settings(folder: Path) -> dict[str, str]:
    found: dict[str, str] = json.loads((folder / "suggestions.json").read_text())["settings"]
    return found


def test_a_file_is_enough(home: Path, rulegen: Run) -> None:
    (home / "rulegen.toml").write_text(
        READS + 'lead = "5m"\n[suggest]\nout = "found"\nquiet = true\ndemote = false\n'
    )
    done = rulegen("suggest")
    assert (done.returncode, done.stderr) == (0, "")
    assert settings(home / "found")["lead"] == "5m" and settings(home / "found")["demote"] == "no"
    done = rulegen("replay", "-q", "--format", "json")  # what is said above the tables holds for it too
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["targets"] == 1


def test_file_then_environment_then_flag(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    text = READS + 'out = "out"\nlead = "1m"\ncarry = "1m"\ngrace = "10s"\nprotect = "team=\\"a\\""\n'
    (home / "rulegen.toml").write_text(text + '[suggest]\nlead = "2m"\ncarry = "2m"\n')
    monkeypatch.setenv("RULEGEN_LEAD", "3m")  # the environment is above the file, tables included
    monkeypatch.setenv("RULEGEN_CARRY", "3m")
    monkeypatch.setenv("RULEGEN_SUGGEST__CARRY", "4m")  # and what is said of one command above what is said of all
    monkeypatch.setenv("RULEGEN_REPLAY__GRACE", "9m")
    done = rulegen("suggest", "-q", "--lead", "7m")
    assert done.returncode == 0, done.stderr
    found = settings(home / "out")
    assert [found[name] for name in ("lead", "carry", "grace", "protect")] == ["7m", "4m", "10s", 'team="a"']


def test_a_flag_stands_in_for_what_answers_the_same_question(
    home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = 'rules = "rules.yml"\nprometheus = "http://localhost:1"\nsince = "4w"\nincidents = "none.csv"\n'
    (home / "rulegen.toml").write_text(file + 'judged = "0..1"\n')
    monkeypatch.setenv("RULEGEN_START", "0")  # the environment's start sets the file's since aside
    flags = ("--metrics", "metrics.om", "--impact", "queue_length > 90", "--out", "out")
    done = rulegen("suggest", "-q", *flags)
    assert done.returncode == 0, done.stderr
    done = rulegen("suggest", "-q", *flags, "--since", "1d")  # and a flag the environment's start
    assert (done.returncode, done.stderr) == (0, "")
    done = rulegen("suggest", "-q", *flags, "--since", "1d", "--start", "0")
    assert (done.returncode, done.stderr) == (2, "rulegen: --since and --start both say where to begin: give one\n")


def test_all_that_is_wrong_is_told_at_once(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "team.toml").write_text('sinse = "3d"\nsince = 3\n[suggest]\ndemot = false\n[nights]\nout = "x"\n')
    monkeypatch.setenv("RULEGEN_SAMPLES", "many")
    monkeypatch.setenv("RULEGEN_INTERVALL", "1m")
    monkeypatch.setenv("RULEGEN_PORT_8080_TCP", "tcp://10.0.0.1:8080")  # Kubernetes', beside a service "rulegen"
    done = rulegen("suggest", "--config", "team.toml")
    assert done.returncode == 2 and not (home / "out").exists()
    assert sorted(done.stderr.splitlines()) == [
        "rulegen: RULEGEN_INTERVALL: no such setting; did you mean RULEGEN_INTERVAL?",
        "rulegen: RULEGEN_SAMPLES: input should be a valid integer, unable to parse string as an integer",
        "rulegen: team.toml:1: sinse: no such setting; did you mean since?",
        "rulegen: team.toml:2: since: input should be a valid string",
        "rulegen: team.toml:4: suggest.demot: no such setting; did you mean demote?",
        "rulegen: team.toml:5: nights: no such setting; did you mean nightly?",
    ]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"lead = ", "rulegen.toml: no TOML: Invalid value (at end of document)"),
        (b"\xff", "rulegen.toml: is not UTF-8, as TOML has to be"),
        (b'format = "json"', "rulegen.toml:1: format: is not the same in every command; set it in [suggest] or"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_message(content: bytes, said: str, home: Path, rulegen: Run) -> None:
    (home / "rulegen.toml").write_bytes(content)
    done = rulegen("suggest", "--out", "out")
    assert done.returncode == 2 and done.stderr.startswith(f"rulegen: {said}")
    done = rulegen("suggest", "--out", "out", "--config", "none.toml")
    assert (done.returncode, done.stderr) == (2, "rulegen: none.toml: no such file\n")


def test_a_wrong_value_is_located(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    (home / "rulegen.toml").write_text(READS + 'lead = "soon"\n')
    done = rulegen("suggest", "--out", "out")
    assert done.returncode == 2 and done.stderr.rstrip().endswith("1h30m) (from rulegen.toml)")
    monkeypatch.setenv("RULEGEN_LEAD", "later")
    assert rulegen("suggest", "--out", "out").stderr.rstrip().endswith("(from RULEGEN_LEAD)")
    assert "from" not in rulegen("suggest", "--out", "out", "--lead", "x").stderr


@pytest.mark.parametrize(
    "line", ['token = "s3cr3t"', 'password = "s3cr3t"', 'prometheus = "http://me:s3cr3t@localhost:9090"']
)
def test_no_secret_may_stand_in_the_file(line: str, home: Path, rulegen: Run) -> None:
    (home / "rulegen.toml").write_text(f"{line}\n")
    done = rulegen("suggest", "--out", "out")
    assert done.returncode == 2 and "environment or in a file of its own" in done.stderr
    assert "s3cr3t" not in done.stderr + done.stdout


def test_paths_are_meant_from_the_file(home: Path, rulegen: Run) -> None:
    (home / "etc").mkdir()
    (home / "etc" / "rulegen.toml").write_text(
        READS.replace('"', '"../', 1).replace('"r', '"../r').replace('"i', '"../i')
    )
    done = rulegen("suggest", "-q", "--config", "etc/rulegen.toml", "--out", "out")
    assert done.returncode == 0, done.stderr
    assert (home / "out" / "rules").is_dir()


def test_help_shows_what_holds(home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "[default: 15m]" in rulegen("suggest", "--help").stdout
    (home / "rulegen.toml").write_text('lead = "7m"\n')
    assert "[default: 7m]" in rulegen("suggest", "--help").stdout
    monkeypatch.setenv("RULEGEN_LEAD", "8m")
    assert "[default: 8m]" in rulegen("suggest", "--help").stdout


def test_every_key_has_one_meaning() -> None:
    """What stands above the tables is the same option everywhere; only these are not."""
    assert {key.name for key in keys(COMMANDS) if not key.shared} == {"format"}
    assert variable("lead") == "RULEGEN_LEAD" and variable("out", "nightly") == "RULEGEN_NIGHTLY__OUT"


def test_no_secret_of_the_environment_looks_like_a_slip(
    home: Path, rulegen: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    secrets = (*(credentials.TOKEN, credentials.PASSWORD, endpoint.TOKEN), *(metrics.USER, metrics.PASSWORD))
    for name in (*secrets, "RULEGEN_SERVICE_HOST", "RULEGEN_LISTEN_TOKEN", "RULEGEN_GITHUB_TOKEN"):
        monkeypatch.setenv(name, "x")
    (home / "rulegen.toml").write_text(READS)
    done = rulegen("suggest", "-q", "--out", "out")
    assert (done.returncode, done.stderr) == (0, "")
