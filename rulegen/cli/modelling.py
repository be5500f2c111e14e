"""What ``rulegen model`` does, once its options are read."""

from __future__ import annotations

import gzip
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rulegen.cli.history import read
from rulegen.cli.perform import tell
from rulegen.cli.progress import watching
from rulegen.cli.sources import Sources, apart, check, files
from rulegen.cli.values import milliseconds
from rulegen.core.durations import SECOND
from rulegen.core.settings import Settings
from rulegen.errors import InputError, ModelError
from rulegen.ingest.alertmanager import read_alertmanager_source
from rulegen.intake import bounded, overviewed
from rulegen.models import Model, State, find, mismatch, pins
from rulegen.propose.llama import describe

_SAID = ("general.architecture", "general.name", "general.license", "general.description", "general.file_type")


def show_list() -> None:
    """Prints a block for each model that ships."""
    known = pins()
    if not known:
        print("no model ships with this version of rulegen")
    for number, pin in enumerate(known):
        model = find(pin.name)
        print(f"{pin.name}{' (the default)' if number == 0 else ''}: {model.state}")
        print(f"  licence  {pin.licence}\n  size     {_megabytes(pin.size)}\n  SHA-256  {pin.sha256}")
        print(f"  file     {model.path}")


def show_info(given: str) -> None:
    """Prints what is known of one model. Raises ModelError where there is none, or llama.cpp cannot read it."""
    model = find(given)
    if model.state is State.MISSING:
        raise ModelError(f"{model.path}: missing from this installation of rulegen; install it again")
    said = describe(model.path)
    print(f"file     {_plain(str(model.path))}")
    print(f"size     {_megabytes(model.path.stat().st_size)}")
    print(f"SHA-256  {model.sha256} ({model.state})")
    print(
        f"licence  {model.pin.licence if model.pin else _plain(said.get('general.license', 'the file does not say'))}"
    )
    for key, value in sorted(said.items()):
        if key in _SAID or key.endswith(
            (".context_length", ".block_count", ".embedding_length", "tokenizer.ggml.pre")
        ):
            print(f"{key} = {_plain(value)}")
    if model.pin and (card := model.path.with_name(model.pin.card)).is_file():
        print(f"\n{card.read_text(encoding='utf-8').rstrip()}")


def verify_all(given: Sequence[str]) -> int:
    """Prints the state of each model; returns 1 where one is missing or differs from its pin, else 0."""
    models = [find(one) for one in given or [pin.name for pin in pins()]]
    if not models:
        print("no model ships with this version of rulegen")
    for one in models:
        print(f"{_plain(str(one.path))}: {_verdict(one)}")
    return int(any(one.state in (State.MISSING, State.DIFFERS) for one in models))


def _verdict(model: Model) -> str:
    if model.state is State.DIFFERS:
        return mismatch(model).split(": ", 1)[1]
    return f"{model.state}, SHA-256 {model.sha256}" if model.sha256 else str(model.state)


def run_label(sources: Sources, settings: Settings, out: Path, *, strict: bool, quiet: bool) -> None:
    """Reads what ``sources`` name and writes a line for each noisy rule to ``out``, whole or not at all.

    Raises RulegenError as reading does, and where there is nothing to learn.
    """
    from rulegen.train.label.lines import label

    if out.suffixes[-2:] != [".jsonl", ".gz"]:
        raise InputError(f"--out {out}: want a file that ends in .jsonl.gz")
    check(sources, settings)
    apart(files(sources), out)
    routing = read_alertmanager_source(sources.alertmanager)[0] if sources.alertmanager else None
    with watching(quiet) as progress:
        found = read(sources, progress)
        tell(found, strict)
        history = bounded(overviewed(found.history), sources.interval)
        lines = list(label(history, settings, routing, sources.interval, progress))
    answered = sum(line["answer"] is not None for line in lines)
    if not answered:
        raise InputError("search finds no change that would pass, so there is nothing to learn from this history")
    text = "".join(json.dumps({"group": line["rule"], **line}, ensure_ascii=False) + "\n" for line in lines)
    unfinished = out.with_name(f".{out.name}.part")
    try:
        unfinished.write_bytes(gzip.compress(text.encode(), compresslevel=6, mtime=0))
        unfinished.replace(out)
    except OSError as error:
        raise InputError(f"{out}: cannot be written: {error.strerror}") from None
    print(f"{out}: {len(lines)} noisy rules, {answered} with an answer to learn")


def run_finetune(
    base: Path,
    data: Sequence[str],
    out: Path,
    *,
    steps: int,
    rank: int,
    rate: float,
    tokens: int,
    longest: int,
    form: str,
    seed: int,
    threads: int,
    device: str,
    licence: str,
    stop_after: str,
    quiet: bool,
) -> None:
    """Fine-tunes as the options say. Raises InputError for what is wrong with them, and where the extra ``train`` is
    not installed."""
    stop = milliseconds("--stop-after", stop_after, least=SECOND) / SECOND if stop_after else None
    for name, value in (("steps", steps), ("rank", rank), ("tokens", tokens), ("longest", longest), ("rate", rate)):
        if value <= 0:
            raise InputError(f"--{name}: want more than 0, not {value}")
    try:
        from rulegen.train.model.examples import read_source
        from rulegen.train.model.finetune import Wanted, finetune
        from rulegen.train.model.gguf_file import TYPES
        from rulegen.train.model.training import Rhythm, Schedule
    except ModuleNotFoundError as error:
        raise InputError(
            f"fine-tuning needs the extra train, and {error.name} is missing: pip install 'rulegen[train]'"
        ) from None
    if form not in TYPES:
        raise InputError(f"--type: {form!r} is none of {', '.join(TYPES)}")
    wanted = Wanted(
        base=base,
        sources=tuple(map(read_source, data)),
        out=out,
        schedule=Schedule(steps, rate, tokens, warmup=min(20, max(1, steps // 10)), decay=0.0),
        rhythm=Rhythm(report=10, evaluate=100, save=50, stop_after=stop),
        rank=rank,
        longest=longest,
        form=form,
        seed=seed,
        threads=threads,
        device=device,
        licence=licence,
    )
    print(finetune(wanted, lambda text: None if quiet else print(text, file=sys.stderr, flush=True)))


def _megabytes(size: int) -> str:
    return f"{size / 1e6:.1f} MB"


def _plain(text: str) -> str:
    """Names and what a strange file says of itself come from outside: no terminal escapes, one line."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
