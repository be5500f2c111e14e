"""Fixtures that several test folders share; the servers themselves are in ``servers.py``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from servers import prometheus


@pytest.fixture(scope="session", autouse=True)
def _own_environment() -> Iterator[None]:
    """What the developer's shell holds must not reach a test, and loopback needs no proxy."""
    with pytest.MonkeyPatch.context() as patch:
        for name in ("TOKEN", "USER", "PASSWORD", "CA"):
            patch.delenv(f"RULEGEN_PROMETHEUS_{name}", raising=False)
        patch.setenv("NO_PROXY", "127.0.0.1,localhost")
        patch.setenv("no_proxy", "127.0.0.1,localhost")
        yield


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test starts with nothing fetched: servers of other tests may have had the same port."""
    monkeypatch.setenv("XDG_CACHE_HOME", f"{tmp_path}-cache")


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The data beside the repository; a test that needs it is skipped where it is missing."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("../shared/data is not here")
    return path


@pytest.fixture(scope="session")
def alertops_url(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Prometheus on a copy of the recorded history in ``alertops-tsdb`` (2026-08-06, 06:20 to 12:00 UTC)."""
    with prometheus(tmp_path_factory.mktemp("alertops"), tsdb=shared_data / "alertops-tsdb" / "tsdb") as url:
        yield url
