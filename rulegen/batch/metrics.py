"""The batch's own metrics: for the node exporter's textfile collector, and for a Pushgateway."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from prometheus_client import CollectorRegistry, Gauge, generate_latest, pushadd_to_gateway
from prometheus_client.exposition import basic_auth_handler, default_handler
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from rulegen import __version__
from rulegen.batch.aftermath import acceptance, accuracy
from rulegen.batch.disk import told
from rulegen.batch.state import STATUSES, VERDICTS, Became, Made, Seen
from rulegen.errors import InputError, UpstreamError

USER, PASSWORD = "RULEGEN_PUSHGATEWAY_USER", "RULEGEN_PUSHGATEWAY_PASSWORD"
JOB = "rulegen"
TIMEOUT_S = 30

# Every metric, its labels, and what it is. All are gauges: a batch job has no memory that could count up.
METRICS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "rulegen_build_info": (("version",), "1, with the version of rulegen that ran."),
    "rulegen_last_run_timestamp_seconds": ((), "When the last run ended, however it ended."),
    "rulegen_last_run_success": ((), "1 if the last run ended well, 0 if not."),
    "rulegen_last_success_timestamp_seconds": ((), "When the last run that ended well ended."),
    "rulegen_stage_duration_seconds": (("stage",), "How long each stage of the last run took."),
    "rulegen_history_start_timestamp_seconds": ((), "Where the history that was read begins."),
    "rulegen_history_end_timestamp_seconds": ((), "Where it ends."),
    "rulegen_rules": ((), "Rules that were read."),
    "rulegen_clusters": ((), "Clusters of noise that were found."),
    "rulegen_candidates_accepted": ((), "Suggestions that passed the gate in the last run."),
    "rulegen_candidates_refused": ((), "Clusters of which the best candidate did not pass."),
    "rulegen_suggestions": (("status",), "All suggestions ever made, by what became of them."),
    "rulegen_noise_pages_per_week": (("rules",), "Pages outside every target: before, and with all accepted after."),
    "rulegen_noise_seconds_per_week": (("rules",), "Paging time outside every target, likewise."),
    "rulegen_acceptance_ratio": ((), "Of the suggestions that people decided the share that was merged."),
    "rulegen_claims": (("verdict",), "Merged suggestions, by what the time since made of their claim."),
    "rulegen_claim_accuracy_ratio": ((), "Of the claims of which something can be said the share that held."),
    "rulegen_input_problems": ((), "Bad items of the input that were left out or mended."),
}
_ALWAYS = ("rulegen_build_info", "rulegen_last_run_timestamp_seconds", "rulegen_last_run_success")


@dataclass(frozen=True, slots=True)
class Night:
    """What a run that ended well has to tell. ``stages`` are seconds; ``problems`` counts bad items of the input."""

    seen: Seen
    accepted: int
    problems: int
    stages: Mapping[str, float]
    suggestions: Sequence[Made]
    outcomes: Sequence[Became]


def registry(now: float, night: Night | None) -> CollectorRegistry:
    """The metrics of a run that ended at ``now`` (Unix seconds); without a ``night`` it failed, and only says so."""
    made = CollectorRegistry()
    gauges = {
        name: Gauge(name, text, labels, registry=made)
        for name, (labels, text) in METRICS.items()
        if night is not None or name in _ALWAYS
    }
    gauges["rulegen_build_info"].labels(__version__).set(1)
    gauges["rulegen_last_run_timestamp_seconds"].set(now)
    gauges["rulegen_last_run_success"].set(night is not None)
    if night is None:
        return made
    seen, weeks = night.seen, night.seen.weeks or 1.0
    gauges["rulegen_last_success_timestamp_seconds"].set(now)
    for stage, seconds in night.stages.items():
        gauges["rulegen_stage_duration_seconds"].labels(stage).set(seconds)
    gauges["rulegen_history_start_timestamp_seconds"].set(seen.first / 1000)
    gauges["rulegen_history_end_timestamp_seconds"].set(seen.last / 1000)
    gauges["rulegen_rules"].set(seen.rules)
    gauges["rulegen_clusters"].set(seen.clusters)
    gauges["rulegen_candidates_accepted"].set(night.accepted)
    gauges["rulegen_candidates_refused"].set(seen.refused)
    for name in STATUSES:
        gauges["rulegen_suggestions"].labels(name).set(sum(one.status == name for one in night.suggestions))
    for rules, pages, minutes in (
        ("before", seen.pages, seen.minutes),
        ("after", seen.pages_after, seen.minutes_after),
    ):
        gauges["rulegen_noise_pages_per_week"].labels(rules).set(pages / weeks)
        gauges["rulegen_noise_seconds_per_week"].labels(rules).set(60 * minutes / weeks)
    for verdict in VERDICTS:
        gauges["rulegen_claims"].labels(verdict).set(sum(one.verdict == verdict for one in night.outcomes))
    gauges["rulegen_acceptance_ratio"].set(_or_nan(acceptance(night.suggestions)))
    gauges["rulegen_claim_accuracy_ratio"].set(_or_nan(accuracy(night.outcomes)))
    gauges["rulegen_input_problems"].set(night.problems)
    return made


def _or_nan(value: float | None) -> float:
    return float("nan") if value is None else value


def write_metrics(path: Path, metrics: CollectorRegistry) -> None:
    """Writes ``path`` whole or not at all. What it held of metrics that are not among ``metrics`` stays: a run that
    failed does not take away when the last one succeeded. Raises InputError and RulegenError as :func:`told` does."""
    try:
        kept = _Kept(path, {family.name for family in metrics.collect()})
        metrics.register(kept)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.tmp")  # one name, so that a run that was killed leaves no heap of them
        aside.write_bytes(generate_latest(metrics))
        aside.replace(path)
    except OSError as error:
        raise told(path, error) from None


class _Kept(Collector):
    """The families of rulegen's that a textfile holds beside ``but``."""

    def __init__(self, path: Path, but: set[str]) -> None:
        text = path.read_text(errors="replace") if path.is_file() else ""
        try:
            self._families = [
                one for one in text_string_to_metric_families(text) if one.name in METRICS and one.name not in but
            ]
        except ValueError:  # no metrics: the file is written anew
            self._families = []

    def collect(self):  # type: ignore[no-untyped-def] # as the base class has it
        return self._families


def push_metrics(url: str, metrics: CollectorRegistry) -> None:
    """Adds ``metrics`` to the Pushgateway at ``url``, those of the same names are replaced. Raises InputError for
    what is no URL and UpstreamError for a gateway that does not take them; neither shows a secret."""
    parts = urlsplit(url)
    shown = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise InputError(f"--pushgateway: {shown!r} is not an http or https URL")
    if "@" in parts.netloc:
        raise InputError(f"--pushgateway: {shown}: leave user and password out of it, and set {USER} and {PASSWORD}")
    user, password = os.environ.get(USER), os.environ.get(PASSWORD)

    def handler(url, method, timeout, headers, data):  # type: ignore[no-untyped-def] # as the library calls it
        if user:
            return basic_auth_handler(url, method, timeout, headers, data, user, password or "")
        return default_handler(url, method, timeout, headers, data)

    try:
        pushadd_to_gateway(url, JOB, metrics, timeout=TIMEOUT_S, handler=handler)
    except OSError as error:
        status = getattr(error, "code", None)
        why = f"it answered {status}" if status else str(getattr(error, "reason", error)) or type(error).__name__
        raise UpstreamError(f"{shown}: the Pushgateway did not take the metrics: {why}") from None
