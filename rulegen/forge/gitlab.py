"""GitLab, hosted or one's own, through python-gitlab."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import gitlab
import requests
from gitlab.exceptions import GitlabAuthenticationError, GitlabError

from rulegen.errors import UpstreamError
from rulegen.forge.host import PREFIX, HostError, Request, State, of_a_fork
from rulegen.forge.marker import NOTE, REVIEW

PATIENCE = 60  # seconds that we wait when asked to; longer, and the next run goes on
_REFUSED = (400, 409, 422)


class GitLabHost:
    """``project`` is ``group/name``, ``url`` the server's."""

    name = "GitLab"
    noun = "merge request"

    def __init__(self, project: str, token: str, *, base: str = "", url: str = "https://gitlab.com") -> None:
        """Raises UpstreamError when the project can't be reached or not written to with this token."""
        session = requests.Session()
        session.hooks["response"].append(_patient)
        self.api = gitlab.Gitlab(
            url,
            private_token=token,
            timeout=30,
            per_page=100,
            user_agent="rulegen",
            session=session,
            keep_base_url=True,
        )
        with _told(project):
            self.project = self.api.projects.get(project)
        if self.project.archived:
            raise UpstreamError(f"GitLab: {project} is archived: nothing can be proposed to it")
        self.base = base or self.project.default_branch

    def requests(self, branch: str) -> tuple[Request, ...]:
        with _told(branch):
            found = self.project.mergerequests.list(
                state="all", source_branch=branch, order_by="created_at", sort="desc", iterator=True
            )
            return tuple(_request(one) for one in found if self._ours(one))

    def open(self) -> tuple[Request, ...]:
        with _told("open merge requests"):
            found = self.project.mergerequests.list(state="opened", iterator=True)
            return tuple(_request(one) for one in found if one.source_branch.startswith(PREFIX) and self._ours(one))

    def create(self, branch: str, title: str, body: str) -> Request:
        wanted = {"source_branch": branch, "target_branch": self.base, "title": title, "description": body}
        with _told(branch):
            return _request(self.project.mergerequests.create(wanted))

    def update(self, request: Request, title: str, body: str) -> None:
        with _told(request.url):
            self.project.mergerequests.update(request.number, {"title": title, "description": body})

    def comment(self, request: Request, text: str) -> None:
        with _told(request.url):
            self._said_once(self.project.mergerequests.get(request.number, lazy=True).notes, NOTE, text)

    def check_source(self, number: int) -> None:
        with _told(f"merge request {number}"):
            if not self._ours(self.project.mergerequests.get(number)):
                raise of_a_fork(self.noun, number)

    def review(self, number: int, text: str) -> str:
        with _told(f"merge request {number}"):
            self._said_once(self.project.mergerequests.get(number, lazy=True).notes, REVIEW, text)
        return f"{self.project.web_url}/-/merge_requests/{number}"

    def _ours(self, one: Any) -> bool:
        return bool(one.source_project_id == self.project.id)

    def _said_once(self, notes: Any, mark: str, text: str) -> None:
        text = f"{mark}\n{text}"
        marked = [one for one in notes.list(iterator=True) if one.body.startswith(mark)]
        if marked and self.api.user is None:
            self.api.auth()  # a person may have written such a note too
        ours = next((one for one in marked if one.author["id"] == self.api.user.id), None)  # type: ignore[union-attr]
        if ours is None:
            notes.create({"body": text})
        elif ours.body != text:
            notes.update(ours.id, {"body": text})


def _request(one: Any) -> Request:
    state: State = "merged" if one.state == "merged" else "open" if one.state == "opened" else "closed"
    return Request(one.iid, one.web_url, state, one.source_branch, one.title, one.description or "")


def _patient(response: requests.Response, *_: object, **__: object) -> None:
    """python-gitlab waits as long as it is told to; we do up to ``PATIENCE``."""
    wait = response.headers.get("Retry-After", "")
    if response.status_code == 429 and not (wait.isdigit() and int(wait) <= PATIENCE):
        asks = f": it asks to wait {wait}s" if wait.isdigit() else ""
        raise UpstreamError(f"GitLab: its rate limit is used up{asks}; the next run carries on")


@contextmanager
def _told(what: str) -> Iterator[None]:
    """python-gitlab's errors as ours: what was being done, what GitLab said, and what to do."""
    try:
        yield
    except GitlabAuthenticationError:
        raise UpstreamError(
            "GitLab: the token is not (or no longer) good (401): put a new one into the environment"
        ) from None
    except GitlabError as error:
        code, said = error.response_code, str(error.error_message)
        if code in _REFUSED:
            raise HostError(f"GitLab: {what}: {said} ({code})") from None
        if code == 404:
            raise UpstreamError(
                f"GitLab: {what}: not found (404): is the name right, and may the token see it?"
            ) from None
        if code == 403:
            raise UpstreamError(f"GitLab: {what}: {said} (403): the token needs the scope api") from None
        raise UpstreamError(f"GitLab: {what}: {said or 'no answer'} ({code}); the next run carries on") from None
    except requests.RequestException as error:
        raise UpstreamError(f"GitLab: {what}: no answer ({type(error).__name__}); the next run carries on") from None
