"""Services, their pods, and how long each pod lives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rulegen.core.labels import Labels
from rulegen.train.axis import Axis, Ticks

_POD = "bcdfghjklmnpqrstvwxz2456789"  # the alphabet that Kubernetes draws pod names from


@dataclass(frozen=True, slots=True)
class Life:
    """One pod: the labels it is scraped with, and its ticks."""

    labels: Labels
    ticks: Ticks


@dataclass(frozen=True, slots=True)
class Target:
    """A place that is scraped: a replica of a service, through all the pods that fill it one after the other.

    ``phase`` is the second of the minute at which it is scraped.
    """

    name: str
    phase: int
    lives: tuple[Life, ...]


@dataclass(frozen=True, slots=True)
class Service:
    name: str
    labels: Labels  # namespace and service: what all its pods share
    targets: tuple[Target, ...]

    @property
    def whole(self) -> Target:
        """The service seen from outside (an ingress, an exporter): one target that no deploy replaces."""
        first = self.targets[0].lives[0].ticks[0]
        last = self.targets[0].lives[-1].ticks[1]
        return Target(f"{self.name}-exporter", self.targets[0].phase, (Life(self.labels, (first, last)),))


def draw_service(
    rng: np.random.Generator,
    axis: Axis,
    name: str,
    labels: Labels,
    pod_label: str,
    replicas: int,
    deploys: int,
    busy: Sequence[Ticks],
) -> Service:
    """A service of ``replicas`` pods; each of ``deploys`` replaces them all within minutes, but not while ``busy``.

    A pod's successor comes one tick after it ends, so its series end and others begin.
    """
    quiet = np.ones(axis.n, dtype=np.bool_)
    quiet[:60] = quiet[-60:] = False
    for start, end in busy:
        quiet[max(0, start) : end] = False
    quiet &= (axis.hours() >= 9) & (axis.hours() < 17)
    choices = np.flatnonzero(quiet)
    starts = np.sort(rng.choice(choices, deploys, replace=False)) if len(choices) > deploys * 200 else np.array([])
    cuts = [int(s) for i, s in enumerate(starts) if i == 0 or s - starts[i - 1] > 60]
    hashes = [_draw_name(rng, 9) for _ in range(len(cuts) + 1)]
    targets = []
    for replica in range(replicas):
        edges = [0, *(cut + 2 * replica for cut in cuts), axis.n]
        lives = tuple(
            Life(
                labels.updated({pod_label: f"{name}-{hashes[i]}-{_draw_name(rng, 5)}"}),
                (edges[i] + (1 if i else 0), edges[i + 1]),
            )
            for i in range(len(hashes))
        )
        targets.append(Target(f"{name}-{replica}", int(rng.integers(5, 55)), lives))
    return Service(name, labels, tuple(targets))


def _draw_name(rng: np.random.Generator, length: int) -> str:
    return "".join(_POD[i] for i in rng.integers(len(_POD), size=length))
