"""As much of GitHub as pull requests need, over a bare repository. Its answers start from examples in GitHub's own
description and are held against its schemas by the proxy in front, so it can't drift from them unseen."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

from described import Answer

REPO = "acme/rules"
TOKEN = "ghp_secretsecretsecret"
PATHS = [
    "/user",
    "/repos/{owner}/{repo}",
    "/repos/{owner}/{repo}/pulls",
    "/repos/{owner}/{repo}/pulls/{pull_number}",
    "/repos/{owner}/{repo}/issues/{issue_number}/comments",
    "/repos/{owner}/{repo}/issues/comments/{comment_id}",
]


class Hub:
    """``url`` is where clients reach it, so that links in answers lead back through the proxy."""

    def __init__(self, description: dict[str, Any]) -> None:
        self.examples = {
            name: one["value"] for name, one in description["components"]["examples"].items() if "value" in one
        }
        self.url = ""
        self.bare = Path()
        self.pulls: list[dict[str, Any]] = []
        self.comments: list[dict[str, Any]] = []
        self.page = 100

    def clear(self, bare: Path) -> None:
        self.bare, self.pulls, self.comments = bare, [], []

    def by_hand(self, branch: str, title: str) -> int:
        """A person's pull request from a branch that is there; its number."""
        status = self._create({"head": branch, "base": "main", "title": title})[0]
        assert status == 201
        return len(self.pulls)

    def close(self, number: int, *, merged: bool = False) -> None:
        """As a person does with the button."""
        pull = self.pulls[number - 1]
        pull["state"], pull["closed_at"] = "closed", "2026-03-01T00:00:00Z"
        pull["merged"], pull["merged_at"] = merged, "2026-03-01T00:00:00Z" if merged else None

    def route(self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str]) -> Answer:
        if headers.get("authorization") not in (f"token {TOKEN}", f"Bearer {TOKEN}"):
            return 401, {"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}
        prefix = f"/repos/{REPO}"
        if (method, path) == ("GET", "/user"):
            return 200, self._user()
        if not path.startswith(prefix):
            return self._missing()
        if isinstance(body, dict) and len(body.get("body") or "") > 65536:
            return self._invalid("body is too long (maximum is 65536 characters)")
        match method, path.removeprefix(prefix).strip("/").split("/"):
            case "GET", [""]:
                return 200, self._repository()
            case "GET", ["pulls"]:
                return self._listed(query)
            case "POST", ["pulls"]:
                return self._create(body)
            case "GET", ["pulls", number] if int(number) <= len(self.pulls):
                return 200, self._pull(int(number))
            case "PATCH", ["pulls", number] if int(number) <= len(self.pulls):
                self.pulls[int(number) - 1] |= body
                return 200, self._pull(int(number))
            case "GET", ["issues", number, "comments"]:
                return 200, [one for one in self.comments if one["issue_url"].endswith(f"/issues/{number}")]
            case "POST", ["issues", number, "comments"]:
                return 201, self._comment(int(number), body["body"])
            case "PATCH", ["issues", "comments", id]:
                one = next(one for one in self.comments if one["id"] == int(id))
                one["body"] = body["body"]
                return 200, one
        return self._missing()

    def _user(self) -> dict[str, Any]:
        """Whose token it is: who wrote the example's comment."""
        found = copy.deepcopy(self.examples["private-user-response-with-public-profile-information"])
        assert found["login"] == self.examples["issue-comment"]["user"]["login"]
        return found

    def _repository(self) -> dict[str, Any]:
        found = copy.deepcopy(self.examples["full-repository"])
        found |= {"full_name": REPO, "name": "rules", "default_branch": "main", "archived": False}
        found["has_discussions"] = False  # required, and missing in the example
        found["url"] = f"{self.url}/repos/{REPO}"
        return found

    def _pull(self, number: int) -> dict[str, Any]:
        return self._linked(copy.deepcopy(self.examples["pull-request"]), number)

    def _linked(self, found: dict[str, Any], number: int) -> dict[str, Any]:
        pull = self.pulls[number - 1]
        found |= {name: pull[name] for name in found if name in pull}
        api = f"{self.url}/repos/{REPO}"
        found |= {
            "number": number,
            "url": f"{api}/pulls/{number}",
            "issue_url": f"{api}/issues/{number}",
            "comments_url": f"{api}/issues/{number}/comments",
            "html_url": f"https://github.example/{REPO}/pull/{number}",
            "requested_teams": [],  # the example names one without the type that the schema requires
        }
        found["head"] |= {"ref": pull["branch"], "label": f"acme:{pull['branch']}", "sha": self._sha(pull["branch"])}
        found["head"]["repo"] = {**(found["head"]["repo"] or {}), "full_name": pull.get("from", REPO)}
        found["base"] |= {"ref": pull["base_ref"], "label": f"acme:{pull['base_ref']}"}
        return found

    def _listed(self, query: dict[str, str]) -> Answer:
        """https://docs.github.com/rest/pulls/pulls#list-pull-requests: open ones where no state is named."""
        state, head = query.get("state", "open"), query.get("head")
        numbers = [
            number
            for number, pull in enumerate(self.pulls, start=1)
            if state in ("all", pull["state"]) and head in (None, f"acme:{pull['branch']}")
        ]
        numbers.sort(reverse=query.get("direction", "desc") == "desc")
        size, page = min(int(query.get("per_page", 30)), self.page), int(query.get("page", 1))
        shown = numbers[(page - 1) * size : page * size]
        items = [self._linked(copy.deepcopy(self.examples["pull-request-simple-items"][0]), one) for one in shown]
        headers = {}
        if page * size < len(numbers):
            rest = "&".join(f"{name}={value}" for name, value in {**query, "page": str(page + 1)}.items())
            headers["Link"] = f'<{self.url}/repos/{REPO}/pulls?{rest}>; rel="next"'
        return 200, items, headers

    def _create(self, body: dict[str, Any]) -> Answer:
        head = body["head"].removeprefix("acme:")
        if any(one["branch"] == head and one["state"] == "open" for one in self.pulls):
            return self._invalid(f"A pull request already exists for acme:{head}.")
        if not self._sha(head):
            return 422, {
                "message": "Validation Failed",
                "documentation_url": "https://docs.github.com/rest",
                "errors": [{"resource": "PullRequest", "field": "head", "code": "invalid"}],
            }
        if self._sha(head) == self._sha(body["base"]):
            return self._invalid(f"No commits between {body['base']} and {head}")
        pull = {"title": body["title"], "body": body.get("body"), "state": "open", "branch": head}
        pull |= {"base_ref": body["base"], "merged": False, "merged_at": None, "closed_at": None}
        self.pulls.append(pull)
        return 201, self._pull(len(self.pulls))

    def _comment(self, number: int, text: str) -> dict[str, Any]:
        one = copy.deepcopy(self.examples["issue-comment"])
        id = len(self.comments) + 1
        api = f"{self.url}/repos/{REPO}/issues"
        one |= {"id": id, "body": text, "url": f"{api}/comments/{id}", "issue_url": f"{api}/{number}"}
        self.comments.append(one)
        return one

    def _sha(self, branch: str) -> str:
        command = ["git", "-C", str(self.bare), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()

    def _invalid(self, message: str) -> Answer:
        error = {"resource": "PullRequest", "code": "custom", "message": message}
        return 422, {
            "message": "Validation Failed",
            "documentation_url": "https://docs.github.com/rest",
            "errors": [error],
        }

    def _missing(self) -> Answer:
        return 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest"}


def description(packages: Path) -> dict[str, Any]:
    path = packages / "@octokit/openapi/generated/api.github.com.json"
    loaded: dict[str, Any] = json.loads(path.read_bytes())
    return loaded
