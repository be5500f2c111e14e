"""The one seam to what hosts the repository: requests to merge, and the comment on each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from rulegen.errors import InputError, UpstreamError

PREFIX = "rulegen/"  # of all branches that are ours
BATCH = "batch"  # in the place of a suggestion's id, where all go together

State = Literal["open", "merged", "closed"]


def branch_of(id: str) -> str:
    """``rulegen/s-12e829c0fe``."""
    return PREFIX + id


@dataclass(frozen=True, slots=True)
class Request:
    """A pull request, a merge request, or a pushed branch. ``url`` is where people find it."""

    number: int
    url: str
    state: State
    branch: str
    title: str
    body: str


class HostError(UpstreamError):
    """The forge refused one thing (a protected branch, a validation), and others may still go through."""


class Host(Protocol):
    """What is asked of a forge. All calls raise UpstreamError when it can't be reached, doesn't let us in or asks us
    to wait longer than we do, and HostError for what it refuses about one request."""

    name: str  # "GitHub", …
    noun: str  # what it calls a request
    base: str  # the branch that requests go to

    def requests(self, branch: str) -> tuple[Request, ...]:
        """All requests that were ever made from ``branch`` of this repository, the newest first."""

    def open(self) -> tuple[Request, ...]:
        """The open ones from branches that are ours."""

    def create(self, branch: str, title: str, body: str) -> Request: ...

    def update(self, request: Request, title: str, body: str) -> None: ...

    def comment(self, request: Request, text: str) -> None:
        """The one comment of ours on ``request`` becomes ``text``."""


class Reviewer(Protocol):
    """What hosts requests that people make: a forge, and no plain remote."""

    noun: str

    def check_source(self, number: int) -> None:
        """Raises InputError where request ``number`` comes from a fork: what strangers propose is not replayed with
        the team's secrets. Else as :class:`Host`."""

    def review(self, number: int, text: str) -> str:
        """The one review of ours on request ``number`` becomes ``text``; its URL. Raises as :class:`Host`."""


def of_a_fork(noun: str, number: int) -> InputError:
    return InputError(
        f"{noun} {number} comes from a fork: nothing with secrets is run for what strangers propose; "
        "look at it, and review it without --request"
    )
