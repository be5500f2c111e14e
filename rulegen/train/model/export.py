"""Turns a trained model into a GGUF file with its card, and pins it where it ships.

python -m rulegen.train.model.export RUN --out models/rulegen-small.gguf --manifest models/manifest.json

RUN is the folder of a training run, or any folder with a model as transformers writes it.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulegen.errors import InputError, RulegenError
from rulegen.models import NAME, Pin, digest, read_manifest, write_manifest
from rulegen.propose.prompt import TERSE
from rulegen.train.model.card import write_card
from rulegen.train.model.folder import MODEL, RECIPE, load_folder
from rulegen.train.model.training import LOG

if TYPE_CHECKING:
    pass

# Read back in llama.cpp after each export: what prompts hold, and what they might.
PROBES = (
    'Rule "HighErrorRate", every 1m, labels severity="page"\nExpression "sum by (job) (rate(x[5m])) > 0.05"\n',
    '{"template":"retune","slots":{"threshold":"t2","for":"15m"}}',
    "12345 pages, 0.07 a week,  2h30m\t\n\n 99% — it's “quoted”, don't\r\n",
    "Überlast Ελληνικά 高负载 нагрузка 🚨👩‍💻 \u202e\x00\x7f ﬁ é é",
    "<|begin|><|end|> {{ $labels.instance }} \\\\n\\u0041",
)


def export(folder: Path, out: Path, form: str, licence: str) -> tuple[Pin, str]:
    """Writes the model in ``folder`` to the GGUF file ``out`` and its card beside it; returns how to pin it, and what
    to say.

    Raises InputError for a folder without a model, or one of a kind that is not exported; ModelError when llama.cpp
    reads other tokens than the tokenizer.
    """
    from rulegen.train.model.gguf_file import Naming, check_tokens, write_gguf

    model, tokenizer = load_folder(folder / MODEL if (folder / MODEL / "config.json").exists() else folder)
    check_name(out)
    name = out.stem
    out.parent.mkdir(parents=True, exist_ok=True)
    trained = (folder / RECIPE).exists()
    write_gguf(model, tokenizer, out, Naming(name, licence, TERSE if trained else ""), form)
    check_tokens(out, tokenizer, PROBES)
    card = out.with_suffix(".card.md")
    pin = Pin(name=name, file=out.name, sha256=digest(out), size=out.stat().st_size, licence=licence, card=card.name)
    recipe = _json(folder / RECIPE) if trained else {}
    log = [json.loads(line) for line in (folder / LOG).read_text().splitlines()] if (folder / LOG).exists() else []
    card.write_text(write_card(pin, model.config, model.num_parameters(), form, recipe, log), encoding="utf-8")
    return pin, f"{out}: {pin.size / 1e6:.1f} MB, {form}, SHA-256 {pin.sha256}"


def check_name(out: Path) -> None:
    """Raises InputError for a file that could not be pinned."""
    if not re.fullmatch(NAME, out.name) or out.suffix != ".gguf":
        raise InputError(f"{out}: a model's file is named with letters, digits, dots, dashes, underscores, and .gguf")


def pin_in(manifest: Path, pin: Pin) -> None:
    """Puts ``pin`` into the manifest, in the place of one of the same name."""
    known = read_manifest(manifest) if manifest.exists() else ()
    kept = [pin if one.name == pin.name else one for one in known]
    write_manifest(manifest, kept if pin in kept else [*kept, pin])


def _json(path: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return read


def main(arguments: Sequence[str]) -> int:
    """Returns the exit code; what is wrong goes to stderr."""
    parser = argparse.ArgumentParser(prog="python -m rulegen.train.model.export", description=__doc__)
    parser.add_argument("run", type=Path, metavar="RUN")
    parser.add_argument("--out", type=Path, required=True, metavar="FILE.gguf")
    parser.add_argument("--type", choices=("q8_0", "f16", "f32"), default="q8_0")
    parser.add_argument("--licence", default="Apache-2.0")
    parser.add_argument("--manifest", type=Path, help="pin the model there")
    given = parser.parse_args(arguments)
    try:
        pin, said = export(given.run, given.out, given.type, given.licence)
        if given.manifest:
            pin_in(given.manifest, pin)
    except RulegenError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return InputError.exit_code
    print(said)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
