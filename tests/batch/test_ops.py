"""The files that are ready to use: each put to the tool that would read it, and every option in them is one."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main
from ruamel.yaml import YAML
from servers import binary

from rulegen.batch.metrics import METRICS
from rulegen.cli.main import app
from rulegen.ingest.rulefile import read_rules
from rulegen.promql import selectors

OPS = Path(__file__).resolve().parents[2] / "docs" / "ops"
RULES = OPS / "rulegen.rules.yml"


def test_systemd_takes_the_units(tmp_path: Path) -> None:
    names = ("rulegen.service", "rulegen.timer", "rulegen-listen.service")
    files = [str(shutil.copy(OPS / name, tmp_path / name)) for name in names]
    done = subprocess.run(
        [binary("systemd-analyze"), "verify", "--man=no", *files], capture_output=True, text=True, timeout=60
    )
    ours = [line for line in done.stderr.splitlines() if "rulegen" in line]
    assert done.returncode == 0 and not ours, done.stderr


@pytest.mark.parametrize(
    ("schema", "name"),
    [
        ("vendor.github-workflows", "github-workflow.yml"),
        ("vendor.github-workflows", "github-review.yml"),
        ("vendor.gitlab-ci", "gitlab-ci.yml"),
        ("vendor.gitlab-ci", "gitlab-review.yml"),
    ],
)
def test_the_forges_take_the_schedules(schema: str, name: str) -> None:
    pytest.importorskip("check_jsonschema", reason="in the dev extra")
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", schema, str(OPS / name)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def test_kubernetes_takes_the_cron_job() -> None:
    validate = pytest.importorskip("kubernetes_validate", reason="in the dev extra")
    document = YAML(typ="safe").load((OPS / "cronjob.yaml").read_text())
    validate.validate(document, "1.30", strict=True)
    document["spec"]["jobTemplate"]["spec"]["template"]["spec"]["restartPolici"] = "Never"
    with pytest.raises(validate.ValidationError):  # it does look
        validate.validate(document, "1.30", strict=True)


def calls() -> list[tuple[str, list[str]]]:
    """(file, arguments) of every call of rulegen in the files."""
    unit = (OPS / "rulegen.service").read_text().replace("\\\n", " ")
    found = [("rulegen.service", match) for match in re.findall(r"^ExecStart=(.*)$", unit, re.M)]
    for name, job in (("github-workflow.yml", "nightly"), ("github-review.yml", "review")):
        found.append((name, _steps(YAML(typ="safe").load((OPS / name).read_text()), job)))
    for name, job in (("gitlab-ci.yml", "rulegen"), ("gitlab-review.yml", "rulegen review")):
        found.append((name, YAML(typ="safe").load((OPS / name).read_text())[job]["script"][-1]))
    job = YAML(typ="safe").load((OPS / "cronjob.yaml").read_text())
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    found.append(("cronjob.yaml", shlex.join(container["args"])))
    return [(name, shlex.split(text.partition("rulegen ")[2])) for name, text in found]


def _steps(workflow: dict[str, dict[str, dict[str, list[dict[str, str]]]]], name: str) -> str:
    (text,) = [step["run"] for step in workflow["jobs"][name]["steps"] if f"rulegen {name}" in step.get("run", "")]
    return text


def test_no_review_runs_for_a_fork() -> None:
    """Neither forge gives a stranger's change the secrets."""
    github = YAML(typ="safe").load((OPS / "github-review.yml").read_text())
    assert github["jobs"]["review"]["if"] == "github.event.pull_request.head.repo.full_name == github.repository"
    assert "pull_request_target" not in github["on"]
    gitlab = YAML(typ="safe").load((OPS / "gitlab-review.yml").read_text())
    (rule,) = gitlab["rulegen review"]["rules"]
    assert "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID == $CI_MERGE_REQUEST_PROJECT_ID" in rule["if"]


@pytest.mark.parametrize(("name", "arguments"), calls(), ids=lambda one: one if isinstance(one, str) else "")
def test_every_option_in_them_is_one(name: str, arguments: list[str]) -> None:
    command, *rest = arguments
    known = typer.main.get_command(app).commands[command]  # type: ignore[attr-defined] # a group
    alone = {"review": []}.get(command, ["--out", "x"])
    given, left, _ = known.make_parser(known.make_context(command, alone)).parse_args(args=rest)
    wanted = {"review": {"rules", "base", "head", "request"}}.get(command, {"out", "state", "cache"})
    assert not left and wanted <= {name for name, value in given.items() if value}


def test_the_alerts_are_rules_that_prometheus_and_rulegen_take() -> None:
    command = [binary("promtool"), "check", "rules", str(RULES)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0 and "SUCCESS" in done.stdout, done.stderr
    rules, _, problems = read_rules([str(RULES)])
    assert not problems and len(rules) == 4
    named = {selector.name for _, _, rule in rules for selector in selectors(rule.expr)}
    assert named <= set(METRICS)
    for _, _, rule in rules:
        assert (
            rule.hold and rule.labels["severity"] == "ticket" and {"summary", "description"} <= set(rule.annotations)
        )
