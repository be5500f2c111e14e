"""What a model costs: ``python -m evals.bench_model MODEL.gguf [--threads 2] [--samples 8]``.

Asks about each noisy rule of the demo history as ``suggest --proposer model`` does (the terse wording, or the
explained one with ``--explained``), under its grammar: one likeliest answer, then ``--samples`` drawn ones, which
share the evaluated prompt. Prints seconds a rule, tokens a second of prompts and of answers, the share of legal
answers, load time, peak memory beside that before the model was loaded, size, and how long ``rulegen suggest --help``
takes.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from rulegen.cli.history import read
from rulegen.cli.sources import Sources
from rulegen.core.candidate import Proposal, Provenance
from rulegen.core.cluster import Cluster
from rulegen.core.durations import MINUTE
from rulegen.core.settings import Settings
from rulegen.desk import Desk
from rulegen.propose.answer import read_answer
from rulegen.propose.grammar import grammar, longest
from rulegen.propose.llama import LanguageModel, load
from rulegen.propose.offer import offers_for
from rulegen.propose.prompt import build_prompt
from rulegen.score.parts import split
from rulegen.shipped import shipped
from rulegen.templates import TEMPLATES

_STARTS = 5


@dataclass(frozen=True, slots=True)
class Timed:
    """One rule: tokens of its prompt; seconds to read it and write one token, and for all answers; tokens of those,
    and how many were legal."""

    prompt: int
    first: float
    answers: float
    written: int
    legal: int


def clusters() -> Sequence[Cluster]:
    home = shipped("datasets/demo")
    sources = Sources(metrics=home / "metrics.om.gz", rules=(home / "rules.yml",), incidents=home / "incidents.csv")
    history = read(sources, lambda *_: None).history
    desk = Desk.of(history, Settings(), lambda _: [], MINUTE, lambda *_: None)
    return desk.select(split(desk.judge)).clusters


def ask(
    model: LanguageModel, count: Callable[[str], int], cluster: Cluster, samples: int, *, explained: bool
) -> Timed:
    """``count`` gives the number of tokens of a text."""
    offers = offers_for(cluster, TEMPLATES)
    prompt, rules, most = build_prompt(cluster, offers, explained=explained), grammar(offers), longest(offers)

    def answer(seed: int, temperature: float, most: int) -> str:
        return model.complete(prompt, rules, max_tokens=most, temperature=temperature, seed=seed, deadline=None)

    start = time.perf_counter()
    answer(0, 0.0, 1)
    first = time.perf_counter() - start
    start = time.perf_counter()
    texts = [answer(0, 0.0, most), *(answer(seed, 0.8, most) for seed in range(1, samples + 1))]
    answers = time.perf_counter() - start
    legal = sum(isinstance(read_answer(text, offers, Provenance("model")), Proposal) for text in texts)
    return Timed(count(prompt), first, answers, sum(map(count, texts)), legal)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m evals.bench_model", description=__doc__)
    parser.add_argument("model", type=Path)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--samples", type=int, default=8)
    parser.add_argument("--context", type=int, default=4_096)
    parser.add_argument("--explained", action="store_true")
    given = parser.parse_args(arguments)
    asked = clusters()
    before = _peak()
    start = time.perf_counter()
    model = load(given.model, threads=given.threads, context=given.context)
    cold = time.perf_counter() - start
    start = time.perf_counter()
    load(given.model, threads=given.threads, context=given.context)
    loading = time.perf_counter() - start
    from llama_cpp import Llama

    words = Llama(str(given.model), vocab_only=True, n_ctx=8, verbose=False)

    def count(text: str) -> int:
        return len(words.tokenize(text.encode(), special=False))

    timed = [ask(model, count, one, given.samples, explained=given.explained) for one in asked]
    answers = len(timed) * (given.samples + 1)
    print(
        f"{given.model.name}: {given.model.stat().st_size / 1e6:.1f} MB, {given.threads} threads, {len(timed)} rules"
    )
    print(f"load                 {loading * 1e3:8.0f} ms ({cold:.2f} s with the import of llama.cpp)")
    print(f"prompt               {median(one.prompt for one in timed):8.0f} tokens (median)")
    single = median(one.first + one.answers / (given.samples + 1) for one in timed)
    print(f"a rule, 1 answer     {single:8.3f} s (median)")
    print(f"a rule, {given.samples} answers    {median(one.first + one.answers for one in timed):8.3f} s (median)")
    print(f"reading prompts      {sum(one.prompt for one in timed) / sum(one.first for one in timed):8.0f} tokens/s")
    print(
        f"writing answers      {sum(one.written for one in timed) / sum(one.answers for one in timed):8.0f} tokens/s"
    )
    print(f"legal answers        {sum(one.legal for one in timed) / answers:8.1%} of {answers}")
    print(f"memory of the model  {_peak() - before:8.0f} MiB (peak {_peak():.0f} MiB)")
    start_up, processor = _start_up()
    print(
        f"suggest --help       {start_up * 1e3:8.0f} ms (median of {_STARTS}), {processor * 1e3:.0f} of the processor"
    )


def _peak() -> float:
    """The largest resident memory of this process so far, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _start_up() -> tuple[float, float]:
    """Seconds until ``suggest --help`` has answered (median), and seconds of the processor (mean)."""

    def once() -> float:
        start = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "rulegen.cli.main", "suggest", "--help"], capture_output=True, check=True
        )
        return time.perf_counter() - start

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    passed = median(once() for _ in range(_STARTS))
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return passed, (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime) / _STARTS


if __name__ == "__main__":
    main(sys.argv[1:])
