"""As much of GitLab as merge requests need, over a bare repository; a proxy in front holds it against gitlab.json."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from described import Answer

PROJECT = "acme/rules"
TOKEN = "glpat-secretsecret"
API = Path(__file__).with_name("gitlab.json")
_MADE = "2026-03-01T00:00:00Z"
_USER = {"id": 7, "username": "rulegen", "name": "rulegen"}


class Lab:
    def __init__(self) -> None:
        self.bare = Path()
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.notes: list[dict[str, Any]] = []

    def clear(self, bare: Path) -> None:
        self.bare, self.requests, self.notes = bare, [], []

    def by_hand(self, branch: str, title: str) -> int:
        """A person's merge request from a branch that is there; its number."""
        status = self._create({"source_branch": branch, "target_branch": "main", "title": title, "description": ""})[
            0
        ]
        assert status == 201
        return len(self.requests)

    def close(self, number: int, *, merged: bool = False) -> None:
        one = self.requests[number - 1]
        one["state"] = "merged" if merged else "closed"
        one["merged_at" if merged else "closed_at"] = _MADE

    def route(self, method: str, path: str, query: dict[str, str], body: Any, headers: dict[str, str]) -> Answer:
        if headers.get("private-token") != TOKEN:
            return 401, {"message": "401 Unauthorized"}
        parts = [unquote(part) for part in path.removeprefix("/api/v4").strip("/").split("/")]
        if (method, parts) == ("GET", ["user"]):
            return 200, _USER
        if parts[:2] not in (["projects", PROJECT], ["projects", "1"]):
            return 404, {"message": "404 Project Not Found"}
        match method, parts[2:]:
            case "GET", []:
                project = {"id": 1, "path_with_namespace": PROJECT, "default_branch": "main", "archived": False}
                return 200, {**project, "web_url": f"https://gitlab.example/{PROJECT}"}
            case "GET", ["merge_requests"]:
                return self._listed(query)
            case "POST", ["merge_requests"]:
                return self._create(body)
            case "GET", ["merge_requests", number] if int(number) <= len(self.requests):
                return 200, self.requests[int(number) - 1]
            case "PUT", ["merge_requests", number] if int(number) <= len(self.requests):
                self.requests[int(number) - 1] |= body
                return 200, self.requests[int(number) - 1]
            case "GET", ["merge_requests", number, "notes"]:
                return 200, [one for one in self.notes if one["noteable_id"] == int(number)]
            case "POST", ["merge_requests", number, "notes"]:
                note = {"id": len(self.notes) + 1, "body": body["body"], "author": _USER, "created_at": _MADE}
                note |= {"system": False, "noteable_id": int(number), "noteable_type": "MergeRequest"}
                self.notes.append(note)
                return 201, note
            case "PUT", ["merge_requests", _, "notes", id]:
                self.notes[int(id) - 1] |= body
                return 200, self.notes[int(id) - 1]
        return 404, {"message": "404 Not Found"}

    def _listed(self, query: dict[str, str]) -> Answer:
        state, branch = query.get("state", "all"), query.get("source_branch")
        found = [
            one for one in self.requests if state in ("all", one["state"]) and branch in (None, one["source_branch"])
        ]
        return 200, found[::-1]

    def _create(self, body: dict[str, Any]) -> Answer:
        branch, number = body["source_branch"], len(self.requests) + 1
        for one in self.requests:
            if one["source_branch"] == branch and one["state"] == "opened":
                text = f"Another open merge request already exists for this source branch: !{one['iid']}"
                return 409, {"message": [text]}
        sha = self._sha(branch)
        if not sha:
            return 400, {"message": {"source_branch": ["does not exist"]}}
        one = {**body, "id": 100 + number, "iid": number, "project_id": 1, "state": "opened", "created_at": _MADE}
        one |= {"merged_at": None, "closed_at": None, "author": _USER, "source_project_id": 1, "target_project_id": 1}
        one |= {"web_url": f"https://gitlab.example/{PROJECT}/-/merge_requests/{number}", "sha": sha}
        self.requests.append(one)
        return 201, one

    def _sha(self, branch: str) -> str:
        command = ["git", "-C", str(self.bare), "for-each-ref", "--format=%(objectname)", f"refs/heads/{branch}"]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
