"""Trains a small model on labelled clusters.

python -m rulegen.train.model.pretrain --data DIR --preset small --out RUN --steps 4000

``--data`` may be given several times, each with a weight (``pairs.jsonl=0.5``). Stopped by Ctrl-C or
``--stop-after``, the same command goes on from the last checkpoint. With more ``--steps`` a finished run goes on from
where its learning rate had not begun to fall, on whatever data there are by then. With ``--begin RUN/model`` a new
run begins with the weights and the tokenizer of a model, of whatever size, and not from nothing.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulegen.core.durations import SECOND, parse_duration
from rulegen.errors import InputError, RulegenError
from rulegen.train.chance import stream
from rulegen.train.model.again import asked_again
from rulegen.train.model.batches import Epochs, encode
from rulegen.train.model.evaluation import evaluate
from rulegen.train.model.examples import Example, Material, Source, read_material, read_source, texts
from rulegen.train.model.folder import MODEL, RECIPE, load_folder
from rulegen.train.model.presets import PRESETS, build
from rulegen.train.model.tokenizer import SIZE, train_tokenizer
from rulegen.train.model.training import Rhythm, Run, Say, Schedule, settle

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

STOPPED = 130  # exit code


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the command line says. ``held_out`` is the share of worlds for the test, ``tests`` how many examples of
    each source are evaluated, ``longest`` the most tokens of an example, ``again`` the share of questions that are
    also asked with verdicts; ``answers`` are taught to a question at a time, 1: the best alone; ``begin`` is the
    folder of a model to begin with."""

    sources: tuple[Source, ...]
    preset: str
    folder: Path
    schedule: Schedule
    rhythm: Rhythm
    seed: int = 0
    vocabulary: int = SIZE
    held_out: float = 0.05
    leave_out: tuple[str, str] | None = None
    tests: int = 200
    longest: int = 2_048
    answers: int = 1
    again: float = 0.0
    threads: int = 2
    half: bool = True
    device: str = "cpu"
    begin: Path | None = None


def pretrain(wanted: Wanted, say: Say) -> bool:
    """Trains as ``wanted`` says, from the folder's checkpoint on where it has one, and writes the model; False where
    it stopped before the end."""
    settle(wanted.seed, wanted.threads, wanted.device)
    material = read_material(wanted.sources, wanted.held_out, wanted.leave_out)
    tokenizer = _tokenizer(wanted, material, say)
    again = asked_again(material.train, wanted.again, wanted.seed)
    examples, dropped = encode((*material.train, *again), tokenizer, wanted.longest, several=wanted.answers > 1)
    if not examples:
        raise InputError(f"no example fits into {wanted.longest} tokens (--longest)")
    tests = {name: _sample(material.test, name, wanted) for name in material.weights}
    say(f"{len(examples)} examples to learn from, {len(material.test)} to test with; {dropped} are too long")
    model: PreTrainedModel = build(PRESETS[wanted.preset], len(tokenizer), wanted.seed)
    if wanted.begin is not None:
        model = load_folder(wanted.begin)[0]
    say(f"{model.num_parameters():,} weights, a vocabulary of {len(tokenizer)}")
    run = Run(model, wanted.schedule, wanted.folder, tokenizer.eos_token_id, half=wanted.half, device=wanted.device)
    run.resume(say)
    run.reads(material.sha256, say)

    def examine() -> dict[str, float]:
        found: dict[str, float] = {}
        for name, some in tests.items():
            figures = evaluate(model, tokenizer, some, half=wanted.half, device=wanted.device)
            found |= {f"{name} {what}" if len(tests) > 1 else what: value for what, value in figures.items()}
        return found

    epochs = Epochs(examples, material.weights, wanted.schedule.tokens, wanted.seed, wanted.answers)
    finished = run.train(epochs, wanted.rhythm, examine, say)
    model.save_pretrained(wanted.folder / MODEL)
    tokenizer.save_pretrained(wanted.folder / MODEL)
    _write_recipe(wanted, material, run, len(examples))
    return finished


def _tokenizer(wanted: Wanted, material: Material, say: Say) -> PreTrainedTokenizerFast:
    """The run's own, so that it stays as it is when more data come; a new one for a new run."""
    from transformers import PreTrainedTokenizerFast

    if (wanted.folder / MODEL / "tokenizer.json").exists():
        return PreTrainedTokenizerFast.from_pretrained(wanted.folder / MODEL)
    if wanted.begin is not None:
        tokenizer = load_folder(wanted.begin)[1]
        tokenizer.save_pretrained(wanted.folder / MODEL)
        return tokenizer
    say("training the tokenizer")
    tokenizer = train_tokenizer(texts(material.train), wanted.vocabulary)
    tokenizer.save_pretrained(wanted.folder / MODEL)
    return tokenizer


def _sample(examples: Sequence[Example], source: str, wanted: Wanted) -> list[Example]:
    mine = [one for one in examples if one.source == source]
    chosen = stream(wanted.seed, "tests", source).permutation(len(mine))[: wanted.tests]
    return [mine[at] for at in sorted(chosen.tolist())]


def _write_recipe(wanted: Wanted, material: Material, run: Run, examples: int) -> None:
    record: dict[str, Any] = {
        "preset": wanted.preset,
        "begin": str(wanted.begin or ""),
        "seed": wanted.seed,
        "steps": run.place.step,
        "of": wanted.schedule.steps,
        "tokens": run.place.tokens,
        "rate": wanted.schedule.rate,
        "batch_tokens": wanted.schedule.tokens,
        "bf16": wanted.half,
        "sources": [{"name": source.name, "weight": source.weight} for source in wanted.sources],
        "examples": examples,
        "held_out": wanted.held_out,
        "again": wanted.again,
        "answers": wanted.answers,
        "data_sha256": material.sha256,
    }
    (wanted.folder / RECIPE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")


def read_options(arguments: Sequence[str]) -> Wanted:
    """Raises InputError, and SystemExit as argparse does."""
    parser = argparse.ArgumentParser(prog="python -m rulegen.train.model.pretrain", description=__doc__)
    add = parser.add_argument
    add("--data", action="append", required=True, metavar="PATH[=WEIGHT]", help="folder of shards, or JSONL")
    add("--preset", choices=sorted(PRESETS), default="small")
    add("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    add("--begin", type=Path, metavar="DIR", help="folder of a model to begin with")
    add("--steps", type=int, default=4_000)
    add("--rate", type=float, help="highest learning rate (the preset's)")
    add("--tokens", type=int, default=8_192, help="a batch, padding included")
    add("--warmup", type=int, default=100, help="steps that raise the learning rate")
    add("--fall", type=float, default=0.25, help="share of the steps over which the learning rate falls to 0")
    add("--seed", type=int, default=0)
    add("--vocabulary", type=int, default=SIZE)
    add("--held-out", type=float, default=0.05, help="share of worlds to test with")
    add("--leave-out", default="", metavar="KEY=VALUE", help="test with the lines that have this, and no others")
    add("--tests", type=int, default=200, help="examples of each source that are evaluated")
    add("--longest", type=int, default=2_048, help="tokens of an example")
    add("--answers", type=int, default=1, metavar="N", help="teach so many at a time, of all that are worth saying")
    add("--again", type=float, default=0.0, metavar="SHARE", help="of the questions, also asked with verdicts")
    add("--evaluate-every", type=int, default=200, metavar="STEPS")
    add("--save-every", type=int, default=100, metavar="STEPS")
    add("--stop-after", default="", metavar="DURATION", help="stop then, to be resumed")
    add("--threads", type=int, default=2)
    add("--device", default="cpu", help="cpu or cuda")
    add("--full-precision", action="store_true", help="no bf16")
    given = parser.parse_args(arguments)
    key, equals, value = given.leave_out.partition("=")
    if given.leave_out and not equals:
        raise InputError(f"--leave-out {given.leave_out}: want KEY=VALUE")
    if not 0 < given.fall <= 1 or not 0 <= given.held_out < 1 or min(given.steps, given.tokens, given.answers) < 1:
        raise InputError("--fall and --held-out are shares; --steps, --tokens and --answers are at least 1")
    try:
        stop = parse_duration(given.stop_after) / SECOND if given.stop_after else None
    except ValueError as error:
        raise InputError(f"--stop-after: {error}") from None
    return Wanted(
        sources=tuple(map(read_source, given.data)),
        preset=given.preset,
        folder=given.out,
        schedule=Schedule(
            given.steps, given.rate or PRESETS[given.preset].rate, given.tokens, given.warmup, given.fall
        ),
        rhythm=Rhythm(evaluate=given.evaluate_every, save=given.save_every, stop_after=stop),
        seed=given.seed,
        vocabulary=given.vocabulary,
        held_out=given.held_out,
        leave_out=(key, value) if given.leave_out else None,
        tests=given.tests,
        longest=given.longest,
        answers=given.answers,
        again=given.again,
        threads=given.threads,
        half=not given.full_precision,
        device=given.device,
        begin=given.begin,
    )


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code; what is wrong goes to stderr."""
    try:
        finished = pretrain(read_options(arguments), lambda text: print(text, file=sys.stderr, flush=True))
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return InputError.exit_code
    except KeyboardInterrupt:
        finished = False
    if not finished:
        print("stopped; the same command goes on from the last checkpoint", file=sys.stderr)
    return 0 if finished else STOPPED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
