"""The words of one random world: from lists, from real exporters and made up. Some are kept for evaluation alone.

A word is held out by its own checksum, so the two vocabularies share none, whatever is added to the lists.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

import numpy as np

from rulegen.train.chance import pick
from rulegen.train.families import FAMILIES, THRESHOLDS, Family, Role
from rulegen.train.vocabulary import HTTP, MEASURES, MEMORY_LIMITS, QUEUES, SERVICES

HELD_OUT = 4  # one word in so many is for evaluation
UNSEEN = 1_000_000  # seeds from here on are for evaluation, and use words that no other seed uses
MADE_UP = 0.45  # share of names that no list has

# What the demo's plots measure: they are told in any world but those for evaluation, whatever the words' checksums.
_PLOTTED = (
    *(measure.name for some in MEASURES.values() for measure in some),
    *(name for name, _ in HTTP),
    *(name for name, _ in MEMORY_LIMITS.values()),
    *("node_filesystem_avail_bytes", "node_filesystem_size_bytes", "exporter_last_scrape_success"),
)
_TOLD = {f"{name}{suffix}" for name in _PLOTTED for suffix in ("", "_total")}

_ONSETS = ("b", "br", "c", "ch", "d", "dr", "f", "fl", "g", "gr", "h", "k", "kl", "l", "m", "n", "p", "pl", "qu", "r")
_MORE_ONSETS = ("s", "sk", "sl", "st", "str", "t", "th", "tr", "v", "w", "x", "z")
_NUCLEI = ("a", "e", "i", "o", "u", "ai", "ea", "ee", "io", "oo", "ou", "y")
_CODAS = ("", "", "", "b", "d", "ck", "l", "m", "n", "nd", "ng", "p", "r", "rn", "s", "sh", "st", "t", "x")

_SUBJECTS = (
    *(
        "cache",
        "session",
        "worker",
        "job",
        "shard",
        "replica",
        "stream",
        "batch",
        "index",
        "ledger",
        "token",
        "quota",
    ),
    *("socket", "buffer", "tenant", "cursor", "segment", "partition", "lease", "lock", "thread", "page", "record"),
    *(
        "message",
        "upload",
        "render",
        "export",
        "import",
        "crawler",
        "planner",
        "scheduler",
        "gateway",
        "broker",
        "pool",
    ),
    *("webhook", "invoice", "parcel", "ticket", "probe", "sensor", "tunnel", "vault", "mailbox", "feed", "snapshot"),
)
_ENDINGS: dict[Role, tuple[tuple[str, str], ...]] = {
    "high": (
        *(("backlog", "count"), ("pending", "count"), ("depth", "many"), ("lag_seconds", "lag"), ("wait_ms", "ms")),
        *(("busy_ratio", "ratio"), ("utilisation_percent", "percent"), ("in_flight", "few"), ("latency_ms", "ms")),
        *(("size_bytes", "bytes"), ("stalled", "few"), ("temperature_celsius", "celsius"), ("age_seconds", "lag")),
    ),
    "low": (("available", "few"), ("hit_ratio", "ratio"), ("healthy", "few"), ("free_percent", "percent")),
    "used": (("used_bytes", "ratio"), ("used", "ratio"), ("allocated", "ratio")),
    "free": (("free_bytes", "ratio"), ("available", "ratio"), ("idle", "ratio")),
    "counter": (
        *(
            ("errors_total", "rate"),
            ("failures_total", "rate"),
            ("timeouts_total", "rate"),
            ("dropped_total", "rate"),
        ),
        *(("rejected_total", "rate"), ("retries_total", "rate"), ("corrupt_total", "rate")),
    ),
    "requests": (("requests_total", "failing"), ("calls_total", "failing"), ("queries_total", "failing")),
    "latency": (("duration_seconds", "seconds"), ("processing_seconds", "seconds"), ("wait_seconds", "seconds")),
    "alive": (("up", "flag"), ("healthy", "flag"), ("connected", "flag"), ("last_run_successful", "flag")),
    "broken": (("failed", "flag"), ("degraded", "flag"), ("stuck", "flag"), ("deadlocked", "flag")),
    "stamp": (("last_success_timestamp_seconds", "lag"), ("last_run_timestamp_seconds", "lag")),
    "restarts": (("restarts_total", "few"), ("failovers_total", "few"), ("crashes_total", "few")),
    "stored": (("free_bytes", "bytes"), ("available_bytes", "bytes")),
}
_LIKE: dict[Role, Role] = {"latched": "counter", "lagging": "high", "absent": "alive"}
_WHOLES = ("limit", "capacity", "max", "total", "quota")
_PARTS = (
    *("queue", "topic", "device", "route", "handler", "shard", "tenant", "zone", "pool", "operation", "kind", "lane"),
    *("channel", "volume", "bucket", "stage", "peer", "region", "tier", "flavour", "dc", "rack"),
)
_COMPLAINTS: dict[Role, tuple[str, ...]] = {
    "high": ("High", "TooHigh", "Growing", "Saturated", "Warning", "Critical", "Spike", "Excessive", "AboveLimit"),
    "low": ("Low", "TooFew", "Dropped", "BelowMinimum", "Shrinking", "Degraded"),
    "used": ("AlmostFull", "NearLimit", "Usage", "HighUsage", "Exhausted", "Pressure"),
    "free": ("AlmostFull", "OutOfSpace", "SpaceLow", "Mismatch", "RunningOut"),
    "counter": ("Errors", "Failing", "ErrorsHigh", "TooManyFailures", "Failures", "ErrorRate"),
    "requests": ("HighErrorRate", "ErrorRatio", "5xx", "FailingRequests", "Errors", "ErrorBudget"),
    "latency": ("Slow", "HighLatency", "LatencyP99", "ResponseTime", "TooSlow", "Latency"),
    "alive": ("Down", "NotReady", "Unreachable", "Unhealthy", "Missing", "Offline", "IsDown"),
    "broken": ("Failed", "Broken", "Degraded", "Stuck", "Problem", "Alarm"),
    "stamp": ("Stale", "TooOld", "NotRun", "Missed", "Outdated", "NoRecentSuccess"),
    "restarts": ("Restarted", "CrashLooping", "Flapping", "Restarting", "Unstable", "TooManyRestarts"),
    "stored": ("FillingUp", "WillFillUp", "FullSoon", "RunsOutOfSpace", "FillsIn4Hours"),
}


def held_out(word: str) -> bool:
    """Whether ``word`` is kept for evaluation."""
    return crc32(word.encode()) % HELD_OUT == 0


@dataclass(slots=True)
class Lexicon:
    """Draws words for the world of ``seed``; none is drawn twice for the same purpose."""

    rng: np.random.Generator
    unseen: bool

    def among(self, words: Sequence[str]) -> str:
        """One of ``words`` that this world may use; a made-up one where there is none."""
        allowed = [word for word in words if held_out(word) == self.unseen]
        return pick(self.rng, allowed) if allowed else self.made_up()

    def made_up(self) -> str:
        """A word that sounds like one, of one to three syllables."""
        while True:
            syllables = int(self.rng.choice((1, 2, 2, 2, 3)))
            word = "".join(
                pick(self.rng, _ONSETS + _MORE_ONSETS) + pick(self.rng, _NUCLEI) + pick(self.rng, _CODAS)
                for _ in range(syllables)
            )
            if 3 <= len(word) <= 12 and held_out(word) == self.unseen:
                return word

    def word(self, words: Sequence[str]) -> str:
        """One of ``words``, or a made-up one."""
        return self.made_up() if self.rng.random() < MADE_UP else self.among(words)

    def service(self) -> str:
        name = self.word(SERVICES)
        if self.rng.random() < 0.3:
            name += "-" + pick(self.rng, ("api", "db", "worker", "svc", "web", "cron", "proxy", "store", "sync"))
        return name

    def values(self, count: int) -> tuple[str, ...]:
        """``count`` different values of a label: words, words with a prefix in common, or numbered ones."""
        manner = int(self.rng.integers(3))
        if manner == 0:
            stem = self.word(QUEUES)
            return tuple(f"{stem}-{number}" for number in range(1, count + 1))
        found: dict[str, None] = {}
        stem = f"{self.word(QUEUES)}." if manner == 1 else ""
        while len(found) < count:
            found[stem + self.word(QUEUES)] = None
        return tuple(found)

    def part(self) -> str:
        """The name of a label."""
        return self.word(_PARTS)

    def family(self, role: Role) -> Family:
        """A metric family for ``role``: a real exporter's, or a made-up one."""
        role = _LIKE.get(role, role)
        known = [one for one in FAMILIES if one.role == role and self._may_use(one)]
        if known and self.rng.random() >= MADE_UP:
            return pick(self.rng, known)
        ending, unit = pick(self.rng, _ENDINGS[role])
        subject = pick(self.rng, _SUBJECTS)
        name = f"{self.made_up()}_{subject}_{ending}" if self.rng.random() < 0.7 else f"{self.made_up()}_{ending}"
        part = self.part() if self.rng.random() < 0.6 else ""
        if role == "requests":
            part = pick(self.rng, ("code", "status", "status_code", "http_code", "response"))
        whole = f"{name.rsplit('_', 1)[0]}_{pick(self.rng, _WHOLES)}" if role in ("used", "free") else ""
        return Family(name, role, unit, part, whole)

    def _may_use(self, family: Family) -> bool:
        if self.unseen and {family.name, family.whole} & _TOLD:
            return False
        return all(held_out(name) == self.unseen for name in (family.name, family.whole) if name)

    def threshold(self, unit: str) -> float:
        return pick(self.rng, THRESHOLDS[unit])

    def alert(self, family: Family) -> str:
        """A name for an alert on ``family``: words of the metric or made up, and what is wrong."""
        while held_out(name := self._alert(family)) != self.unseen:
            pass
        return name

    def _alert(self, family: Family) -> str:
        words = [
            part for part in family.name.split("_") if part not in ("total", "seconds", "bytes", "ratio", "percent")
        ]
        if self.rng.random() < MADE_UP:
            words = [self.made_up(), pick(self.rng, _SUBJECTS)][: int(self.rng.integers(1, 3))]
        name = "".join(word[:1].upper() + word[1:] for word in words[: int(self.rng.integers(1, 4))])
        return name + pick(self.rng, _COMPLAINTS[family.role])
