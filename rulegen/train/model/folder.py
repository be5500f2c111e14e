"""A run's folder, and the model in it as transformers writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rulegen.errors import InputError

if TYPE_CHECKING:
    from transformers import PreTrainedModel, PreTrainedTokenizerFast

MODEL, RECIPE = "model", "recipe.json"  # in a run's folder: the model, and how it was made


def load_folder(folder: Path) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    """The model and the tokenizer in a folder as transformers writes it; code in the folder is never run.

    Raises InputError where there is none.
    """
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not (folder / "config.json").is_file():
        what = "a GGUF file" if folder.suffix == ".gguf" else "no folder with a config.json"
        raise InputError(f"{folder}: {what}; give a folder with a model as transformers writes it")
    try:
        model = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:  # a folder can be wrong in as many ways as transformers has readers
        raise InputError(f"{folder}: transformers cannot read this model: {str(error).splitlines()[0]}") from None
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(f"{folder}: the tokenizer has no tokenizer.json")
    return model, tokenizer
