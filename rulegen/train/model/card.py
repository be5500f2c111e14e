"""The model card: what a model is, how it was made, and what it was seen to do, as Markdown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rulegen.models import Pin

_MEANING = {
    "loss": "mean −log p of an answer's token, in nats",
    "exact": "the likeliest answer is search's, letter by letter",
    "template": "it names the template that search chose",
    "as_good": "it was replayed, passes the gate and cuts as much noise as search's",
    "accepted": "it was replayed and passes the gate",
    "tried": "it was among the answers that were replayed when the data were made",
    "json": "it is JSON without any grammar",
}


def write_card(
    pin: Pin, config: Any, parameters: int, form: str, recipe: Mapping[str, Any], log: Sequence[Mapping[str, Any]]
) -> str:
    """The card of the model that ``pin`` pins. ``config`` is transformers'; ``recipe`` and ``log`` are those of the
    training run, empty where there was none."""
    rows = [
        ("file", f"`{pin.file}`, {pin.size / 1e6:.1f} MB, {form.upper()}"),
        ("SHA-256", f"`{pin.sha256}`"),
        ("licence", pin.licence),
        (
            "architecture",
            f"{config.model_type}, {parameters:,} weights: {config.num_hidden_layers} layers, width "
            f"{config.hidden_size}, {config.num_attention_heads} heads, vocabulary {config.vocab_size}",
        ),
        ("context", f"{config.max_position_embeddings} tokens"),
    ]
    parts = [
        f"# {pin.name}\n",
        "Reads the facts of one noisy alert and proposes a change of its rule, as JSON that fills the slots of a "
        "template. It is made for rulegen's own prompts and knows nothing else. Whatever it answers is replayed over "
        "the history before anybody sees it.\n",
        _table(rows),
    ]
    if recipe:
        parts += ["## How it was made\n", _table(_recipe_rows(recipe))]
    tested = [one for one in log if any(name.split(" ")[-1] in _MEANING and name != "loss" for name in one)]
    if tested:
        parts += ["## What it was seen to do\n", _figures(tested[-1]), _curve(log, tested)]
    return "\n".join(parts)


def _recipe_rows(recipe: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = [
        ("preset", str(recipe["preset"])),
        *([("begins with", recipe["begin"])] if recipe.get("begin") else []),
        ("seed", str(recipe["seed"])),
        ("steps", f"{recipe['steps']}" + ("" if recipe["steps"] == recipe["of"] else f" of {recipe['of']}")),
        ("tokens read", f"{recipe['tokens']:,}"),
        ("batch", f"{recipe['batch_tokens']:,} tokens"),
        ("highest learning rate", f"{recipe['rate']:g}"),
        ("precision", "bf16 with 32-bit weights" if recipe["bf16"] else "32 bit"),
        ("data", ", ".join(f"{one['name']} (weight {one['weight']:g})" for one in recipe["sources"])),
        ("examples", f"{recipe['examples']:,}; {recipe['held_out']:.0%} of the worlds are held out"),
        *([("of them asked with verdicts too", f"{recipe['again']:.0%}")] if recipe.get("again") else []),
        *([("answers taught to a question", f"{recipe['answers']}")] if recipe.get("answers", 1) > 1 else []),
        ("SHA-256 of the data", f"`{recipe['data_sha256']}`"),
    ]
    return rows + ([("base", str(recipe["base"]))] if "base" in recipe else [])


def _figures(last: Mapping[str, Any]) -> str:
    names = [name for name in last if name.split(" ")[-1] in _MEANING]
    rows = [(name, f"{last[name]:.3f}", _MEANING[name.split(" ")[-1]]) for name in names]
    intro = (
        f"On held-out examples, by the likeliest token each time and without grammar, after step {last['step']}:\n\n"
    )
    return (
        intro
        + "| figure | value | what it is |\n|---|---|---|\n"
        + "".join(f"| {a} | {b} | {c} |\n" for a, b, c in rows)
    )


def _curve(log: Sequence[Mapping[str, Any]], tested: Sequence[Mapping[str, Any]]) -> str:
    """At most ten rows of the loss while it learnt."""
    trained = {one["step"]: one["loss"] for one in log if "rate" in one}
    chosen = [
        tested[round(at * (len(tested) - 1) / min(9, max(1, len(tested) - 1)))] for at in range(min(10, len(tested)))
    ]
    lines = []
    for one in chosen:
        before = [step for step in trained if step <= one["step"]]
        seen = f"{trained[max(before)]:.3f}" if before else ""
        unseen = ", ".join(f"{name} {value:.3f}" for name, value in one.items() if name.split(" ")[-1] == "loss")
        lines.append(f"| {one['step']} | {seen} | {unseen} |\n")
    return "| step | loss in training | on what it has not seen |\n|---|---|---|\n" + "".join(lines)


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "| | |\n|---|---|\n" + "".join(f"| {name} | {value} |\n" for name, value in rows)
