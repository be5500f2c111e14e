"""The training loop: steps over batches, with checkpoints from which it goes on as if it had never stopped."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rulegen.core.durations import SECOND, format_duration
from rulegen.errors import InputError
from rulegen.train.model.batches import Epochs, Padded, Row, padded

if TYPE_CHECKING:
    import torch

LATEST, PLATEAU, LOG = "latest.pt", "plateau.pt", "log.jsonl"

Say = Callable[[str], None]
Evaluate = Callable[[], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Schedule:
    """How a run goes on: ``steps`` in all, of which the first ``warmup`` raise the learning rate to ``rate`` and the
    last ``fall`` (a share of all) take it down to 0; ``tokens`` a batch at most."""

    steps: int
    rate: float
    tokens: int
    warmup: int = 100
    fall: float = 0.25
    decay: float = 0.1  # AdamW's weight decay, of matrices
    clip: float = 1.0  # largest norm of a gradient

    @property
    def falling(self) -> int:
        """The first step whose rate is below the highest."""
        return self.steps - round(self.fall * self.steps)

    def rate_at(self, step: int) -> float:
        """The learning rate of step ``step``, counted from 0."""
        rise = min(1.0, (step + 1) / max(1, self.warmup))
        rest = (self.steps - step) / max(1, self.steps - self.falling)
        return self.rate * min(rise, rest, 1.0)


@dataclass(frozen=True, slots=True)
class Place:
    """How far a run has come: steps done, where the next batch stands, and tokens read (padding included).
    ``data`` is the SHA-256 of what is read."""

    step: int = 0
    epoch: int = 0
    position: int = 0
    tokens: int = 0
    data: str = ""


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often, in steps, a run reports, evaluates and writes a checkpoint, and after how many seconds it stops to
    be resumed later."""

    report: int = 20
    evaluate: int = 200
    save: int = 100
    stop_after: float | None = None


WHOLE = "rulegen_whole"  # the name of _whole_attention in transformers


class Run:
    """A model in training, in ``folder``: its checkpoints (``latest.pt``; ``plateau.pt``, the last one before the
    learning rate falls, from which a longer run goes on) and ``log.jsonl``. ``base`` tells what a checkpoint leaves
    out, the weights that stay as they are: what was learnt beside others is worth nothing."""

    def __init__(
        self, model: Any, schedule: Schedule, folder: Path, pad: int, *, half: bool, device: str, base: str = ""
    ) -> None:
        import torch

        self._base = base
        self.model, self.schedule, self.folder, self.device = model.to(device), schedule, folder, device
        self._pad, self._half, self._torch = pad, half, torch
        if half and device == "cpu":
            _attend_whole(model)
        trained = [one for _, one in self._trained()]
        matrices = [one for one in trained if one.ndim > 1]
        rest = [one for one in trained if one.ndim <= 1]
        self._optimizer = torch.optim.AdamW(
            [{"params": matrices, "weight_decay": schedule.decay}, {"params": rest, "weight_decay": 0.0}],
            lr=schedule.rate,
            betas=(0.9, 0.95),
        )
        self.place = Place()

    def train(
        self, epochs: Epochs, rhythm: Rhythm, evaluate: Evaluate, say: Say, now: Callable[[], float] = time.monotonic
    ) -> bool:
        """Goes on from ``place`` to the schedule's end; False where ``rhythm`` stopped it before."""
        began, first = now(), self.place
        losses: list[float] = []
        for epoch, position, batch in epochs.starting(first.epoch, first.position):
            step = self.place.step
            if step >= self.schedule.steps:
                break
            if step == self.schedule.falling and step > first.step:
                self.save(PLATEAU)
            losses.append(self._step(batch))
            cells = len(batch) * max(row.length for row in batch)
            self.place = replace(
                self.place, step=step + 1, epoch=epoch, position=position + 1, tokens=self.place.tokens + cells
            )
            done, spent = step + 1 - first.step, now() - began
            if (step + 1) % rhythm.report == 0:
                left = format_duration(round(spent / done * (self.schedule.steps - step - 1)) * SECOND)
                speed = (self.place.tokens - first.tokens) / max(spent, 1e-9)
                loss = sum(losses) / len(losses)
                losses.clear()
                say(
                    f"step {step + 1} of {self.schedule.steps}, epoch {epoch}, loss {loss:.4f}, {speed:.0f} "
                    f"tokens/s, {left} left"
                )
                self._log({"loss": round(loss, 5), "rate": self.schedule.rate_at(step)})
            last = step + 1 == self.schedule.steps
            if last or (step + 1) % rhythm.evaluate == 0:
                figures = evaluate()
                told = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
                say(f"  on what it has not seen: {told or 'nothing is held out'}")
                self._log(figures)
            stop = rhythm.stop_after is not None and now() - began > rhythm.stop_after
            if last or stop or (step + 1) % rhythm.save == 0:
                self.save(LATEST)
            if stop and not last:
                return False
        return True

    def _step(self, batch: list[Row]) -> float:
        for group in self._optimizer.param_groups:
            group["lr"] = self.schedule.rate_at(self.place.step)
        self.model.train()
        loss = answer_loss(self.model, batch, self._pad, half=self._half, device=self.device)
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.schedule.clip)
        self._optimizer.step()
        return float(loss.detach())

    def save(self, name: str) -> None:
        """Writes the checkpoint ``name``, whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        state = {
            "model": {name: one.detach() for name, one in self._trained()},
            "optimizer": self._optimizer.state_dict(),
            "place": asdict(self.place),
            "schedule": asdict(self.schedule),
            "base": self._base,
        }
        unfinished = self.folder / f".{name}.part"
        self._torch.save(state, unfinished)
        unfinished.replace(self.folder / name)

    def resume(self, say: Say) -> None:
        """Goes back to where the folder's checkpoint stands, if there is one.

        A run that was finished, or whose learning rate has begun to fall, goes on from its plateau when more steps
        are wanted now. Raises InputError for a checkpoint of another model.
        """
        name = LATEST
        if not (self.folder / name).exists():
            return
        state = load_state(self.folder / name)
        if state["schedule"]["steps"] < self.schedule.steps and (self.folder / PLATEAU).exists():
            old = Schedule(**state["schedule"])
            if state["place"]["step"] > old.falling:
                name, state = PLATEAU, load_state(self.folder / PLATEAU)
        try:
            if set(state["model"]) != {name for name, _ in self._trained()}:
                raise ValueError("its weights have other names")
            if state.get("base", self._base) != self._base:
                raise ValueError("it was learnt beside the weights of another base; give another --out")
            self.model.load_state_dict(state["model"], strict=False)
            self._optimizer.load_state_dict(state["optimizer"])
        except (RuntimeError, ValueError) as error:
            raise InputError(
                f"{self.folder / name}: a checkpoint of another model: {str(error).splitlines()[0]}"
            ) from None
        self.place = Place(**state["place"])
        self._forget()
        say(f"goes on from step {self.place.step} ({self.folder / name})")

    def _trained(self) -> list[tuple[str, torch.nn.Parameter]]:
        """What is learnt, by name; the rest, where a large base stays as it is, needs no checkpoint."""
        return [(name, one) for name, one in self.model.named_parameters() if one.requires_grad]

    def reads(self, data: str, say: Say) -> None:
        """Says which data (a SHA-256) are read from now on; other data than before begin a new epoch."""
        if self.place.data not in ("", data):
            say("the data are not those of the checkpoint: a new epoch begins")
            self.place = replace(self.place, epoch=self.place.epoch + 1, position=0)
        self.place = replace(self.place, data=data)

    def _forget(self) -> None:
        """Takes out of the log what was noted after the place to which the run went back."""
        path = self.folder / LOG
        if path.exists():
            lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
            kept = [line for line in lines if json.loads(line)["step"] <= self.place.step]
            path.write_text("".join(kept), encoding="utf-8")

    def _log(self, figures: dict[str, float]) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        record = {"step": self.place.step, "tokens": self.place.tokens, **figures}
        with (self.folder / LOG).open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")


def answer_loss(model: Any, batch: Iterable[Row], pad: int, *, half: bool, device: str) -> torch.Tensor:
    """The mean of −log p over the tokens of the answers in ``batch``, as each counts, given its prompt and what
    stands before it in its answer."""
    import torch

    rows = list(batch)
    found = padded(rows, pad)
    ids, at, row, before, weight = (
        torch.from_numpy(one).to(device) for one in (found.ids, found.at, found.row, found.before, found.weight)
    )
    # What is padded stands at the right, where a causal model never looks: with one answer each, no mask is needed.
    apart = _apart(found, device) if any(len(one.answers) > 1 for one in rows) else {}
    with torch.autocast(device, dtype=torch.bfloat16, enabled=half):
        hidden = model.get_base_model().model if hasattr(model, "get_base_model") else model.model
        states = hidden(input_ids=ids, use_cache=False, **apart).last_hidden_state  # [rows, longest, width]
        # Only where an answer's token comes next are all the vocabulary's logits worked out.
        logits = model.get_output_embeddings()(states[row, before])  # [answer tokens, vocabulary]
    losses = torch.nn.functional.cross_entropy(logits.float(), ids[row, at], reduction="none")
    return (losses * weight).sum() / weight.sum()


def _apart(found: Padded, device: str) -> dict[str, torch.Tensor]:
    """What lets several answers to one prompt stand in one row without seeing each other: positions, and a mask
    [rows, 1, longest, longest] that is true where a token sees another."""
    import torch

    branch = torch.from_numpy(found.branch).to(device)
    same = branch[:, :, None] == branch[:, None, :]
    seen = torch.tril(same | (branch == 0)[:, None, :])
    return {"attention_mask": seen[:, None], "position_ids": torch.from_numpy(found.positions).to(device)}


def _attend_whole(model: Any) -> None:
    """Lets attention be worked out in 32 bit where the rest is in bf16: on a processor that is a fifth faster."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(WHOLE, _whole_attention)
    AttentionMaskInterface.register(WHOLE, sdpa_mask)
    model.set_attn_implementation(WHOLE)


def _whole_attention(module: Any, query: Any, key: Any, value: Any, attention_mask: Any, **options: Any) -> Any:
    import torch
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    with torch.autocast(query.device.type, enabled=False):
        return sdpa_attention_forward(module, query.float(), key.float(), value.float(), attention_mask, **options)


def load_state(path: Path) -> dict[str, Any]:
    """The checkpoint at ``path``. Raises InputError where it is none; nothing in it is run as code."""
    import torch

    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a torn or strange file fails in torch, in pickle or in zipfile
        raise InputError(f"{path}: no checkpoint: {f'{type(error).__name__}: {error}'.splitlines()[0]}") from None
    if not isinstance(state, dict) or not {"model", "optimizer", "place", "schedule"} <= set(state):
        raise InputError(f"{path}: no checkpoint of a training run")
    return state


def settle(seed: int, threads: int, device: str = "cpu") -> None:
    """Makes what torch draws and adds up the same in every run on the same machine with the same ``threads``.

    Raises InputError for a device that is not there.
    """
    import torch
    from transformers.utils import logging

    logging.disable_progress_bar()
    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise InputError(f"--device {device}: torch has no such device here; cpu is always there")
    if threads < 1:
        raise InputError(f"--threads: want at least 1, not {threads}")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    torch.use_deterministic_algorithms(True, warn_only=True)
