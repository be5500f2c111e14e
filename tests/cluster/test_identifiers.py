"""Identifiers that change, told by what they do: names as clusters have them, and stable ones that look alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from histories import unhurried
from hypothesis import given
from hypothesis import strategies as st

from rulegen.cluster.identifiers import Identifiers, identifiers, skeleton
from rulegen.core.durations import DAY, HOUR, MINUTE

WEEKS = 28 * DAY
SAFE = list("bcdfghjklmnpqrstvwxz2456789")  # Kubernetes' alphabet for suffixes


def judged(rows: Sequence[tuple[str, int]]) -> Identifiers:
    """(value, start in ms), each for two minutes."""
    values = sorted({value for value, _ in rows})
    which = np.array([values.index(value) for value, _ in rows], dtype=np.int64)
    start = np.array([at for _, at in rows], dtype=np.int64)
    return identifiers(values, which, start, start + 2 * MINUTE)


def drawn(rng: np.random.Generator, alphabet: Sequence[str], length: int) -> str:
    return "".join(rng.choice(list(alphabet), length))


def replaced(rng: np.random.Generator, make: Callable[[int], str], times: int = 14) -> list[tuple[str, int]]:
    """A value that is replaced by the next one every other day, and alerts a few times while it lives."""
    return [(make(k), k * 2 * DAY + int(at)) for k in range(times) for at in rng.integers(0, 2 * DAY, 6)]


def staying(rng: np.random.Generator, values: Sequence[str], count: int = 150) -> list[tuple[str, int]]:
    return [(str(rng.choice(list(values))), int(at)) for at in rng.integers(0, WEEKS, count)]


RNG = np.random.default_rng(11)
CHANGING: dict[str, tuple[Callable[[int], str], str]] = {
    "deployment pods": (lambda k: f"api-{hash_of(k)}-{drawn(RNG, SAFE, 5)}", "api-*-*"),
    "daemonset pods": (lambda k: f"node-exporter-{drawn(RNG, SAFE, 5)}", "node-exporter-*"),
    "cron jobs": (lambda k: f"backup-{28391042 + k}-{drawn(RNG, SAFE, 5)}", "backup-*-*"),
    "short job numbers": (lambda k: f"nightly-{412 + k}", "nightly-*"),
    "uuids": (lambda k: f"{k:08x}-7b1e-4f0a-9c3d-{k * 7919:012x}", "*"),
    "instances": (lambda k: f"i-0{k:02x}ab34cd56ef78{k % 10}", "i-*"),
    "pod addresses": (lambda k: f"10.244.{k * 37 % 200}.{k * 91 % 250}:8080", "*:8080"),
    "tokens": (lambda k: f"job-a{k}Z3kQ{k % 10}xT7b", "job-*"),
    "images": (lambda k: f"registry/app@sha256:{k:03d}f86d081884c7d659a2feaa0c55ad", "registry/app@sha*:*"),
}


def hash_of(k: int) -> str:
    return ("7d9f8b6c4", "6c5b9d8f7", "84fd9c6b5")[k % 3]


@pytest.mark.parametrize("case", CHANGING)
def test_what_is_replaced_is_volatile(case: str) -> None:
    make, expected = CHANGING[case]
    made = [make(k) for k in range(14)]
    found = judged(replaced(np.random.default_rng(1), made.__getitem__))
    assert found.volatile
    assert set(found.normal) == {expected}


HOSTS = [f"10.0.0.{k}:9100" for k in range(1, 21)]
STAYING = {
    "hosts": HOSTS,
    "nodes": [f"ip-10-0-3-{k}.eu-west-1.compute.internal" for k in range(10, 25)],
    "stateful pods": [f"db-{k}" for k in range(12)],
    "devices": [f"/dev/sd{c}{k}" for c in "abc" for k in range(1, 5)],
    "services": ["nginx", "https", "mysql", "checkout", "grpc"],
    "versions": ["v1", "v2", "v2beta1"],
    "alert names": ["HTTP5xxRateHigh", "Etcd3HighLatencyP99", "K8sNode1Down", "KubePodCrashLooping"],
    "one cluster": ["9f1c2d3e-7b1e-4f0a-9c3d-0123456789ab"],
    "switches": [f"sw-{chr(97 + k)}7f3a9c2b{k}" for k in range(6)],  # hashes, but always the same
}


@pytest.mark.parametrize("case", STAYING)
def test_what_stays_is_not(case: str) -> None:
    found = judged(staying(np.random.default_rng(2), STAYING[case]))
    assert not found.volatile
    assert all("*" not in one for one in found.normal)


def test_hosts_that_alert_once_each_or_on_one_bad_day_are_not_volatile() -> None:
    rng = np.random.default_rng(3)
    once = [(host, int(at)) for host, at in zip(HOSTS, rng.integers(0, WEEKS, len(HOSTS)), strict=True)]
    assert not judged(once).volatile
    shuffled = rng.permutation(HOSTS).tolist()
    bad_hour = [(host, k * DAY + j * 5 * MINUTE) for k, host in enumerate(shuffled) for j in range(12)]
    assert not judged(bad_hour).volatile


def test_names_that_carry_identifiers() -> None:
    rng = np.random.default_rng(4)
    rows = [(f"BackupFailed_{int(rng.integers(2**40)) + 2**44:012x}", int(at)) for at in rng.integers(0, WEEKS, 40)]
    found = judged([*rows, *staying(rng, ["HighLatency", "DiskFull"], 30)])
    assert found.volatile and set(found.normal) == {"BackupFailed_*", "HighLatency", "DiskFull"}


def test_a_suffix_without_a_digit_is_told_by_its_neighbours() -> None:
    found = judged([("api-7d9f8b6c4-x2x9z", 0), ("api-7d9f8b6c4-xzxzz", 2 * DAY), ("web-https", 3 * DAY)])
    assert found.normal == ("api-*-*", "api-*-*", "web-https")


def test_missing_labels_and_no_episodes() -> None:
    none = np.zeros(0, dtype=np.int64)
    assert identifiers([], none, none, none) == Identifiers((), False, 0, 0)
    found = identifiers(["api-7d9f8b6c4-x2x9z"], np.array([-1, -1]), np.array([0, 5]), np.array([1, 9]))
    assert found.episodes == 0 and found.normal == ("api-7d9f8b6c4-x2x9z",)


@given(st.lists(st.tuples(st.text(max_size=30), st.integers(0, WEEKS)), max_size=30))
@unhurried
def test_any_text_has_a_normal_form(rows: list[tuple[str, int]]) -> None:
    found = judged(rows)
    values = sorted({value for value, _ in rows})
    assert len(found.normal) == len(values)
    for value, normal in zip(values, found.normal, strict=True):
        assert normal == value or "*" in normal
        assert skeleton(value).count("*") <= len(value)


def test_a_million_names_are_quick() -> None:
    import time

    names = [f"Alert{k}_{k:x}f3a9c2b" for k in range(200_000)]
    numbers = np.arange(len(names), dtype=np.int64)
    begun = time.process_time()
    identifiers(names, numbers, numbers * HOUR // 1000, numbers * HOUR // 1000)
    assert time.process_time() - begun < 20
