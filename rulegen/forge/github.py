"""GitHub and GitHub Enterprise, through PyGithub."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import requests
from github import Auth, Github, GithubException, GithubRetry
from github.GithubException import BadCredentialsException, RateLimitExceededException, UnknownObjectException
from github.IssueComment import IssueComment
from github.PullRequest import PullRequest
from urllib3 import BaseHTTPResponse

from rulegen.errors import UpstreamError
from rulegen.forge.host import PREFIX, HostError, Request, State, of_a_fork
from rulegen.forge.marker import NOTE, REVIEW

API = "https://api.github.com"
PAUSE = 1.0  # seconds between writes, as GitHub asks of programs
PATIENCE = 60  # seconds that we wait when asked to; longer, and the next run goes on
TRIES = 3

# PyGithub writes to standard error by itself once it is imported; what there is to say there is rulegen's to say.
logging.getLogger("github").handlers.clear()


class _Retry(GithubRetry):
    """Waits as GitHub asks, up to ``PATIENCE``. A POST that failed half way may have been done, so only one that was
    turned away for the rate is tried again."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        if method == "POST" and status_code in (403, 429):
            return bool(self.total)
        return super().is_retry(method, status_code, has_retry_after)

    def get_retry_after(self, response: BaseHTTPResponse) -> float | None:
        wait = super().get_retry_after(response)
        if wait is not None and wait > PATIENCE:
            raise RateLimitExceededException(response.status, {"message": f"asks to wait {wait:.0f}s"}, {})
        return wait


class GitHubHost:
    """``repository`` is ``owner/name``."""

    name = "GitHub"
    noun = "pull request"

    def __init__(self, repository: str, token: str, *, base: str = "", api: str = API) -> None:
        """Raises UpstreamError when the repository can't be reached or not written to with this token."""
        retry = _Retry(
            secondary_rate_wait=PATIENCE,
            max_rate_limit_wait=PATIENCE,
            total=TRIES,
            backoff_factor=0.5,
            allowed_methods=("GET", "PATCH"),
            respect_retry_after_header=True,
        )
        self.api = Github(
            auth=Auth.Token(token),
            base_url=api,
            retry=retry,
            timeout=30,
            per_page=100,
            seconds_between_requests=min(PAUSE, 0.1),
            seconds_between_writes=PAUSE,
            user_agent="rulegen",
        )
        with _told(repository):
            self.repository = self.api.get_repo(repository)
        if self.repository.archived:
            raise UpstreamError(f"GitHub: {repository} is archived: nothing can be proposed to it")
        self.base = base or self.repository.default_branch
        self.owner = repository.partition("/")[0]

    def requests(self, branch: str) -> tuple[Request, ...]:
        with _told(branch):
            found = self.repository.get_pulls(
                state="all", head=f"{self.owner}:{branch}", sort="created", direction="desc"
            )
            # The filter is by owner and branch; a fork of the same owner has that branch name, too.
            return tuple(_request(one) for one in found if self._ours(one))

    def open(self) -> tuple[Request, ...]:
        with _told("open pull requests"):
            found = self.repository.get_pulls(state="open")
            return tuple(_request(one) for one in found if one.head.ref.startswith(PREFIX) and self._ours(one))

    def create(self, branch: str, title: str, body: str) -> Request:
        with _told(branch):
            return _request(self.repository.create_pull(base=self.base, head=branch, title=title, body=body))

    def update(self, request: Request, title: str, body: str) -> None:
        with _told(request.url):
            self.repository.get_pull(request.number).edit(title=title, body=body)

    def comment(self, request: Request, text: str) -> None:
        with _told(request.url):
            self._said_once(self.repository.get_pull(request.number), NOTE, text)

    def check_source(self, number: int) -> None:
        with _told(f"pull request {number}"):
            if not self._ours(self.repository.get_pull(number)):
                raise of_a_fork(self.noun, number)

    def review(self, number: int, text: str) -> str:
        with _told(f"pull request {number}"):
            pull = self.repository.get_pull(number)
            self._said_once(pull, REVIEW, text)
            return pull.html_url

    def _ours(self, one: PullRequest) -> bool:
        source = one.head.repo
        return source is not None and source.full_name.lower() == self.repository.full_name.lower()

    def _said_once(self, pull: PullRequest, mark: str, text: str) -> None:
        text = f"{mark}\n{text}"
        marked = [one for one in pull.get_issue_comments() if one.body.startswith(mark)]
        ours = next(filter(self._wrote(), marked), None) if marked else None
        if ours is None:
            pull.create_issue_comment(text)
        elif ours.body != text:
            ours.edit(text)

    def _wrote(self) -> Callable[[IssueComment], bool]:
        """Whether a comment is by whom the token belongs to. An app's token, as GitHub Actions gives, may not ask who
        that is: then all that is known is that it is no person."""
        try:
            login = self.api.get_user().login
        except BadCredentialsException:
            raise
        except GithubException as error:
            if error.status not in (403, 404):
                raise
            return lambda one: one.user is not None and one.user.type == "Bot"
        return lambda one: one.user is not None and one.user.login == login


def _request(one: PullRequest) -> Request:
    state: State = "open" if one.state == "open" else "merged" if one.merged_at is not None else "closed"
    return Request(one.number, one.html_url, state, one.head.ref, one.title, one.body or "")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """PyGithub's errors as ours: what was being done, what GitHub said, and what to do."""
    try:
        yield
    except BadCredentialsException:
        raise UpstreamError(
            "GitHub: the token is not (or no longer) good (401): put a new one into the environment"
        ) from None
    except RateLimitExceededException as error:
        raise UpstreamError(f"GitHub: its rate limit is used up{_until(error)}; the next run carries on") from None
    except UnknownObjectException:
        raise UpstreamError(
            f"GitHub: {what}: not found (404): is the name right, and may the token see it?"
        ) from None
    except GithubException as error:
        said = _said(error)
        if error.status == 422:
            raise HostError(f"GitHub: {what}: {said} (422)") from None
        if error.status == 403:
            raise UpstreamError(
                f"GitHub: {what}: {said} (403): the token needs to write contents and pull requests"
            ) from None
        raise UpstreamError(f"GitHub: {what}: {said} ({error.status}); the next run carries on") from None
    except requests.RequestException as error:
        raise UpstreamError(f"GitHub: {what}: no answer ({type(error).__name__}); the next run carries on") from None


def _said(error: GithubException) -> str:
    data: Any = error.data
    if not isinstance(data, dict):
        return error.message or "failed"
    errors = data.get("errors") or ()
    more = [str(one.get("message") or one.get("code")) if isinstance(one, dict) else str(one) for one in errors]
    return ": ".join(filter(None, (str(data.get("message", "")), "; ".join(more)))) or "failed"


def _until(error: RateLimitExceededException) -> str:
    reset = (error.headers or {}).get("x-ratelimit-reset", "")
    return f" until {datetime.fromtimestamp(int(reset), UTC):%H:%M:%SZ}" if reset.isdigit() else ""
