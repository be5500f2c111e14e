"""Secrets come from files and the environment, reach the server, and stand nowhere else."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest
from conftest import Run
from servers import Reply, Request, answering

EMPTY = '{"status": "success", "data": {"resultType": "matrix", "result": []}}'
RANGE = ("--rules", "rules.yml", "--start", "1700000000", "--end", "1700003600", "--out", "out")
SECRET = "s3cr3t-p4ss"
BASIC = "Basic " + base64.b64encode(f"me:{SECRET}".encode()).decode()


@pytest.mark.parametrize(
    ("options", "env", "sent"),
    [
        (("--token-file", "token"), {}, f"Bearer {SECRET}"),
        ((), {"TOKEN": SECRET}, f"Bearer {SECRET}"),
        (("--user", "me"), {"PASSWORD": SECRET}, BASIC),
        ((), {"USER": "me", "PASSWORD": SECRET}, BASIC),
        (("--token-file", "token"), {"USER": "me", "PASSWORD": "another"}, f"Bearer {SECRET}"),
    ],
)
@pytest.mark.parametrize("refused", [False, True])
def test_a_secret_reaches_the_server_alone(
    options: tuple[str, ...],
    env: dict[str, str],
    sent: str,
    refused: bool,
    home: Path,
    rulegen: Run,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (home / "token").write_text(f"{SECRET}\n")
    for name, value in env.items():
        monkeypatch.setenv(f"RULEGEN_PROMETHEUS_{name}", value)
    seen: set[str | None] = set()

    def answer(request: Request) -> Reply:
        seen.add(request.headers.get("Authorization"))
        return Reply(f"{SECRET} {sent} is wrong", 403) if refused else Reply(EMPTY)

    with answering(answer) as url:
        done = rulegen("suggest", "--prometheus", url, *options, *RANGE)
    assert done.returncode == (3 if refused else 2), done.stderr
    assert seen == {sent}
    assert SECRET not in done.stdout + done.stderr and sent.split()[1] not in done.stdout + done.stderr


def test_there_is_no_option_for_a_password(rulegen: Run) -> None:
    """What stands on a command line is read by everybody on the machine."""
    done = rulegen("suggest", "--help")
    assert done.returncode == 0
    assert "--password" not in done.stdout and "--token " not in done.stdout


def test_a_password_in_the_url_is_not_shown(home: Path, rulegen: Run) -> None:
    with answering(lambda _: Reply("no", 500)) as url:
        done = rulegen("suggest", "--prometheus", url.replace("://", f"://me:{SECRET}@"), *RANGE)
    assert done.returncode == 3
    assert SECRET not in done.stdout + done.stderr and url in done.stderr
