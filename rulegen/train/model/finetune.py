"""Fine-tuning of a large model with LoRA (Hu et al. 2021) on labelled clusters, merged and written as GGUF.

Beside each projection of the base two thin matrices are learnt, of ``rank`` columns and rows; the base stays as it
is. At the end their product is added to it.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rulegen.errors import InputError
from rulegen.train.model.batches import Epochs, encode
from rulegen.train.model.evaluation import evaluate
from rulegen.train.model.examples import Source, read_material
from rulegen.train.model.export import check_name, export
from rulegen.train.model.folder import MODEL, RECIPE, load_folder
from rulegen.train.model.training import Rhythm, Run, Say, Schedule, settle

_PROJECTIONS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")
_GLANCE = 64  # numbers of each weight


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to be done: ``base`` is a folder as transformers writes it, ``out`` the GGUF file to write, beside
    which a folder ``NAME.run`` holds checkpoints and the merged model."""

    base: Path
    sources: tuple[Source, ...]
    out: Path
    schedule: Schedule
    rhythm: Rhythm
    rank: int = 16
    longest: int = 2_048
    held_out: float = 0.05
    tests: int = 50
    form: str = "q8_0"
    seed: int = 0
    threads: int = 2
    half: bool = True
    device: str = "cpu"
    licence: str = ""

    @property
    def folder(self) -> Path:
        return self.out.with_suffix(".run")


def finetune(wanted: Wanted, say: Say) -> str:
    """Trains, merges and exports; goes on from the folder's checkpoint where there is one. Returns what was done.

    Raises InputError for a base or data that cannot be used, ModelError as the export does.
    """
    from peft import LoraConfig, get_peft_model

    check_name(wanted.out)
    material = read_material(wanted.sources, wanted.held_out)
    base, tokenizer = load_folder(wanted.base)
    if tokenizer.eos_token_id is None:
        raise InputError(f"{wanted.base}: the tokenizer has no token that ends a text")
    longest = min(wanted.longest, base.config.max_position_embeddings)
    examples, dropped = encode(material.train, tokenizer, longest)
    if not examples:
        raise InputError(f"no example fits into {longest} tokens")
    say(f"{len(examples)} examples to learn from, {len(material.test)} to test with; {dropped} are too long")
    settle(wanted.seed, wanted.threads)
    known = _glance(base)
    adapters = LoraConfig(
        r=wanted.rank, lora_alpha=2 * wanted.rank, target_modules=list(_PROJECTIONS), task_type="CAUSAL_LM"
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # of one library about another; nobody here can act on it
        learning = get_peft_model(base, adapters)
    learnt, total = learning.get_nb_trainable_parameters()
    say(f"{learnt:,} weights to learn beside {total - learnt:,}")
    run = Run(
        learning,
        wanted.schedule,
        wanted.folder,
        tokenizer.eos_token_id,
        half=wanted.half,
        device=wanted.device,
        base=known,
    )
    run.resume(say)
    run.reads(material.sha256, say)
    tests = material.test[: wanted.tests]

    def examine() -> dict[str, float]:
        return evaluate(learning, tokenizer, tests, half=wanted.half, device=wanted.device)

    epochs = Epochs(examples, material.weights, wanted.schedule.tokens, wanted.seed)
    if not run.train(epochs, wanted.rhythm, examine, say):
        return f"stopped at step {run.place.step} of {wanted.schedule.steps}; the same command goes on"
    merged = learning.merge_and_unload()
    merged.save_pretrained(wanted.folder / MODEL)
    tokenizer.save_pretrained(wanted.folder / MODEL)
    _write_recipe(wanted, run, len(examples), material.sha256)
    licence = wanted.licence or f"that of its base ({wanted.base.name})"
    return export(wanted.folder, wanted.out, wanted.form, licence)[1]


def _glance(model: Any) -> str:
    """Tells two models of one shape apart by the first numbers of each weight: all of them are gigabytes."""
    digest = hashlib.sha256()
    for name, one in model.named_parameters():
        first = one.detach().flatten()[:_GLANCE].float().tolist()
        digest.update(json.dumps([name, list(one.shape), first]).encode())
    return digest.hexdigest()


def _write_recipe(wanted: Wanted, run: Run, examples: int, data: str) -> None:
    record: dict[str, Any] = {
        "preset": f"LoRA of rank {wanted.rank}",
        "base": wanted.base.name,
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
        "data_sha256": data,
    }
    (wanted.folder / RECIPE).write_text(json.dumps(record, indent=2) + "\n", encoding="utf-8")
