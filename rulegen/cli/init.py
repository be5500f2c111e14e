"""``rulegen init``: its options, and what they say as values."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from rulegen.cli.options import Server, Where, opt


def init(
    prometheus: Annotated[str, opt("--prometheus", "URL of a Prometheus-compatible API.", None, "URL")],
    server: Server,
    rules: Annotated[
        list[Path] | None, opt("--rules", "Your rule files or directories, to put into it.", None, "PATH")
    ] = None,
    write: Annotated[Path, opt("--write", "The file to write; never over another.", None, "FILE")] = Path(
        "rulegen.toml"
    ),
) -> None:
    """Ask a Prometheus what there is, and write a commented rulegen.toml for it."""
    from rulegen.cli import given
    from rulegen.cli.initial import perform

    perform(given.sources(Where(prometheus=prometheus), server), tuple(rules or ()), write)
