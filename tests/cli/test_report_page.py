"""report.html in a real browser: what `suggest` makes of the demo, and the same with hostile names in it."""

from __future__ import annotations

import fcntl
import json
import os
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from servers import binary

BROWSER = Path(__file__).resolve().parents[1] / "browser"


@pytest.fixture(scope="session")
def tools() -> Path:
    """node's packages for the tests, installed once. Without node or network: a failure in CI, a skip elsewhere."""
    binary("node")
    with (BROWSER / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (BROWSER / "node_modules" / "axe-core").exists():
            command = [binary("npm"), "install", "--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
            done = subprocess.run(command, cwd=BROWSER, capture_output=True, text=True, timeout=240)
            if done.returncode:
                if os.environ.get("CI"):
                    pytest.fail(f"npm install: {done.stderr}")
                pytest.skip("axe-core and puppeteer-core can't be installed here")
    return BROWSER


def looked(tools: Path, page: Path) -> list[dict[str, Any]]:
    command = ["node", "look.mjs", str(page), binary("chromium")]
    done = subprocess.run(command, cwd=tools, capture_output=True, text=True, timeout=150)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def sound(found: list[dict[str, Any]]) -> None:
    assert {(one["width"], one["scheme"]) for one in found} == {
        (width, scheme) for width in (1280, 390) for scheme in ("light", "dark")
    }
    for one in found:
        where = one["width"], one["scheme"]
        assert one["console"] == [], where
        assert len(one["requests"]) == 1 and one["requests"][0].startswith("file://"), where
        assert one["overflow"] <= 0, where
        assert one["violations"] == [], where
        assert one["drawn"] > 10, where
        assert "color-contrast" in one["checked"], where  # it was looked at, and not left out


def test_in_a_browser(better: tuple[Path, dict[str, Any]], tools: Path) -> None:
    out = better[0].parent
    while not (out / "report.html").exists():
        out = out.parent
    sound(looked(tools, out / "report.html"))


def test_a_page_that_is_wrong_is_found_out(tools: Path, tmp_path: Path) -> None:
    page = tmp_path / "wrong.html"
    page.write_text('<p style="color:#ccc;background:#fff;width:5000px">pale</p><script>console.log(1)</script>')
    found = looked(tools, page)
    assert all(one["overflow"] > 0 and one["console"] == ["1"] for one in found)
    assert all("color-contrast" in {each["id"] for each in one["violations"]} for one in found)


def test_says_the_same_as_the_evidence(better: tuple[Path, dict[str, Any]]) -> None:
    rules, evidence = better
    out = next(above for above in rules.parents if (above / "report.html").exists())
    text = (out / "report.html").read_text()
    for one in evidence["accepted"]:
        assert f'id="{one["id"]}"' in text
    notices = evidence["notices"]
    for value in (notices["before"][1], notices["together"][1]):
        per_week = value / notices["weeks"]
        assert (f"{per_week:.0f}" if per_week >= 100 or per_week == int(per_week) else f"{per_week:.1f}") in text
    assert not re.search(r"https?://(?!www\.w3\.org)", re.sub(r"<pre.*?</pre>", "", text, flags=re.S))
    note = (out / "report.md").read_text()
    assert all(one["id"] in note for one in evidence["accepted"])
