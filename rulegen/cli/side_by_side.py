"""The demo: a run by the default proposer, and beside it what the shipped model proposes on the same history."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from rulegen.cli.perform import find, tell_of
from rulegen.cli.progress import watching
from rulegen.cli.proposer import MODEL, SEARCH, Asked
from rulegen.cli.sources import Sources
from rulegen.core.settings import Settings
from rulegen.emit.beside import Turn, show_beside
from rulegen.emit.words import one_line
from rulegen.emit.writer import write
from rulegen.models import pins
from rulegen.shipped import shipped

WHY = "docs/evidence-model.md says why search is the default, and what the model adds at equal replays."


def demonstrate(out: Path, *, quiet: bool) -> None:
    """Runs on the history that ships, writes and shows what the default proposer found, and then both proposers
    beside each other; where the model that ships is broken, the second is search again, and it says why.

    Raises RulegenError.
    """
    home = shipped("datasets/demo")
    sources = Sources(metrics=home / "metrics.om.gz", rules=(home / "rules.yml",), incidents=home / "incidents.csv")
    turns = []
    for name in (SEARCH, MODEL):
        began = time.monotonic()
        with watching(quiet) as progress:
            found = find(sources, Settings(), Asked(name), out, progress, resource=None, strict=False)
        if name == SEARCH:
            write(out, found.written.files)
            tell_of(found, out)
        who = pins()[0].name if found.who.ask else "search" if name == SEARCH else "search in its place"
        turns.append(Turn(who, found.report, time.monotonic() - began))
    print("\nThe same history, proposed for by both, through the same gate:\n")
    show_beside(turns, Console(highlight=False))
    for doubt in found.who.doubts():
        print(f"doubt: {one_line(doubt)}")
    print(f"\n{WHY}")
