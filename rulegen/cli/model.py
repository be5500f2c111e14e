"""``rulegen model``: which models are there, what they are, and how to make one of your own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rulegen.cli.options import Grouped, Judging, Quiet, Server, Told, What, Where, bare

app = typer.Typer(
    cls=Told,
    help="Language models: which are installed, what they are, and how to fine-tune one.",
    rich_markup_mode=None,
)

Which = Annotated[str, typer.Argument(help="Name of a model that ships, or path of a GGUF file.", metavar="MODEL")]


@app.command("list", cls=Grouped)
def list_models() -> None:
    """The models that ship with rulegen, with licence and SHA-256."""
    from rulegen.cli.modelling import show_list

    show_list()


@app.command(cls=Grouped)
def info(model: Which) -> None:
    """What a model is: its licence, SHA-256, what its file says of itself, and its card where one ships."""
    from rulegen.cli.modelling import show_info

    show_info(model)


@app.command(cls=Grouped)
def verify(
    models: Annotated[
        list[str] | None, typer.Argument(help="Names or paths; all that ship without any.", metavar="MODEL...")
    ] = None,
) -> None:
    """Hold the files of models against their pins. Exit code 1 when one differs or is missing."""
    from rulegen.cli.modelling import verify_all

    raise typer.Exit(verify_all(tuple(models or ())))


@app.command(cls=Grouped)
@bare
def label(
    out: Annotated[Path, typer.Option("--out", help="File to write, .jsonl.gz.", metavar="FILE")],
    where: Where,
    what: What,
    server: Server,
    judging: Judging,
    quiet: Quiet = False,
) -> None:
    """Label your own history: search finds the best change of each noisy rule, and a model can learn it."""
    from rulegen.cli import given
    from rulegen.cli.modelling import run_label

    sources, settings = given.sources(where, server, what, judging), given.settings(judging)
    run_label(sources, settings, out, strict=what.strict, quiet=quiet)


@app.command(cls=Grouped)
def finetune(
    base: Annotated[
        Path, typer.Option("--base", help="Folder with a model as transformers writes it.", metavar="DIR")
    ],
    data: Annotated[
        list[str],
        typer.Option("--data", help="Labelled shards or JSONL, and a weight; repeatable.", metavar="PATH[=WEIGHT]"),
    ],
    out: Annotated[Path, typer.Option("--out", help="GGUF file to write.", metavar="FILE")],
    steps: Annotated[int, typer.Option("--steps", help="Batches to learn from.", metavar="N")] = 400,
    rank: Annotated[int, typer.Option("--rank", help="Rank of what LoRA adds.", metavar="N")] = 16,
    rate: Annotated[float, typer.Option("--rate", help="Highest learning rate.", metavar="X")] = 2e-4,
    tokens: Annotated[int, typer.Option("--tokens", help="Tokens in a batch, at most.", metavar="N")] = 2_048,
    longest: Annotated[int, typer.Option("--longest", help="Tokens of an example, at most.", metavar="N")] = 2_048,
    form: Annotated[str, typer.Option("--type", help="How weights are written.", metavar="q8_0|f16|f32")] = "q8_0",
    seed: Annotated[int, typer.Option("--seed", help="For everything that is drawn.", metavar="N")] = 0,
    threads: Annotated[int, typer.Option("--threads", help="Threads to compute with.", metavar="N")] = 2,
    device: Annotated[str, typer.Option("--device", help="Where to compute.", metavar="cpu|cuda")] = "cpu",
    licence: Annotated[
        str, typer.Option("--licence", help="Written into the file; by default, see its base.", metavar="TEXT")
    ] = "",
    stop_after: Annotated[
        str, typer.Option("--stop-after", help="Stop then; the same command goes on.", metavar="DURATION")
    ] = "",
    quiet: Quiet = False,
) -> None:
    """Fine-tune a large model on your own history with LoRA, and write it as GGUF (needs the extra train)."""
    from rulegen.cli.modelling import run_finetune

    run_finetune(
        base,
        data,
        out,
        steps=steps,
        rank=rank,
        rate=rate,
        tokens=tokens,
        longest=longest,
        form=form,
        seed=seed,
        threads=threads,
        device=device,
        licence=licence,
        stop_after=stop_after,
        quiet=quiet,
    )
