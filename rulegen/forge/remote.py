"""Which forge a remote belongs to, and the token for it."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import unquote, urlsplit

from rulegen.errors import InputError
from rulegen.forge.git import Repository
from rulegen.forge.host import Host

Kind = Literal["github", "gitlab", "git"]
TOKENS: Mapping[Kind, tuple[str, ...]] = {
    "github": ("RULEGEN_GITHUB_TOKEN", "GITHUB_TOKEN", "GH_TOKEN"),
    "gitlab": ("RULEGEN_GITLAB_TOKEN", "GITLAB_TOKEN"),
    "git": (),
}
GITHUB_API, GITLAB_API = "RULEGEN_GITHUB_API", "RULEGEN_GITLAB_API"
_SCP = re.compile(r"(?:[^@/]+@)?(?P<host>[^:/]+):(?P<path>[^/].*)")
_USERS: Mapping[Kind, str] = {"github": "x-access-token", "gitlab": "oauth2", "git": ""}


@dataclass(frozen=True, slots=True)
class Address:
    """``host`` and ``path`` (``owner/name``) of a remote's URL; both empty for a path on this machine."""

    host: str
    path: str
    scheme: str = "ssh"

    @classmethod
    def of(cls, url: str) -> Address:
        parts = urlsplit(url)
        if parts.scheme in ("http", "https", "ssh", "git"):
            host = parts.netloc.rpartition("@")[2]
            path = unquote(parts.path)
        elif not parts.scheme and (found := _SCP.fullmatch(url)):
            host, path = found["host"], found["path"]
            return cls(host, path.strip("/").removesuffix(".git"))
        else:
            return cls("", "")
        return cls(host, path.strip("/").removesuffix(".git"), parts.scheme)


def kind_of(url: str, asked: str) -> Kind:
    """``asked`` is ``auto`` or a kind. Raises InputError for another word."""
    match asked:
        case "github" | "gitlab" | "git":
            return asked
        case "auto":
            host = Address.of(url).host
            return "github" if "github" in host else "gitlab" if "gitlab" in host else "git"
    raise InputError(f"--forge: {asked!r} is neither auto, github, gitlab nor git")


def connect(folder: Path, remote: str, asked: str, base: str, texts: Path) -> tuple[Repository, Host]:
    """The repository at ``folder`` and what hosts its ``remote``.

    ``base`` "" is the forge's default branch; ``texts`` is where requests go that are no more than a branch.

    Raises InputError for what the user gave (no token, no repository), UpstreamError when the forge can't be used.
    """
    repository = Repository.at(folder, remote)
    url = repository.url
    kind = kind_of(url, asked)
    if kind == "git":
        from rulegen.forge.plain import PlainHost

        return repository, PlainHost(repository, base or repository.default_branch(), texts)
    token = _token(kind)
    address = Address.of(url)
    path = os.environ.get("RULEGEN_FORGE_PROJECT") or address.path
    if not path:
        raise InputError(
            f"{remote}: {kind} is asked for, and its URL is a path; set RULEGEN_FORGE_PROJECT=owner/name"
        )
    repository = Repository(repository.top, remote, (_USERS[kind], token))
    try:
        if kind == "github":
            from rulegen.forge.github import GitHubHost

            return repository, GitHubHost(path, token, base=base, api=_github(address))
        from rulegen.forge.gitlab import GitLabHost

        return repository, GitLabHost(path, token, base=base, url=_gitlab(address))
    except ImportError as error:
        raise InputError(f"{kind} needs another package ({error.name}): pip install 'rulegen[forge]'") from None


def _github(address: Address) -> str:
    if named := os.environ.get(GITHUB_API):
        return named
    return "https://api.github.com" if address.host in ("", "github.com") else f"https://{address.host}/api/v3"


def _gitlab(address: Address) -> str:
    if named := os.environ.get(GITLAB_API):
        return named
    scheme = address.scheme if address.scheme == "http" else "https"
    return f"{scheme}://{address.host or 'gitlab.com'}"


def _token(kind: Kind) -> str:
    for name in TOKENS[kind]:
        if token := os.environ.get(name, "").strip():
            if not token.isascii() or not token.isprintable():
                raise InputError(f"{name}: is no token (it holds what no token has)")
            return token
    raise InputError(
        f"no token for {kind}: put one into the environment as {TOKENS[kind][0]} (or {', '.join(TOKENS[kind][1:])})"
    )


__all__ = ["GITHUB_API", "GITLAB_API", "TOKENS", "Address", "connect", "kind_of"]
