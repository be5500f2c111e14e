"""What people would change about a noisy rule, from the rule alone: a model beside simple ways to guess it.

``python -m evals.tuned [FILE] [--models DIR] [--exam FILE] [--samples N]`` reads changes that people made (default:
human-tunings/tunings.jsonl beside the repository) and prints one table: how often the change that was made is the
first one named, and among the first three. *Kind*: hold, threshold, retire and so on, each named at most once. *Kind
and numbers*: also the value that was set, where the kind takes one (``for``, window, threshold, factor, severity, to
the digit); what is excluded or narrowed to is not asked. Of several changes made at once, each is right.

Everybody learns on four folds of the repositories and is tested on the fifth: no repository is on both sides. 95%
intervals are percentiles over resampled repositories; *each repository alike* is the mean of the repositories' own
shares. ``--models DIR`` has ``fold-0.gguf`` … ``fold-4.gguf``, each trained without that fold's repositories. With
``--exam FILE`` all learn on the whole first file and are tested on that one (the model: ``DIR/all.gguf``).
"""

from __future__ import annotations

import argparse
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import promql_parser as pp
from numpy.typing import NDArray

from evals.placeholders import readable
from evals.resampled import interval
from rulegen.core.durations import SECOND, format_duration, parse_duration
from rulegen.core.rule import Rule
from rulegen.promql.tree import nodes
from rulegen.propose.llama import LanguageModel, load
from rulegen.propose.refused import Refused
from rulegen.propose.tune import MOST_TOKENS, PLAIN, Tuned, plain, read_tuned, tune_grammar, tune_prompt
from rulegen.train.tunings import FOLDS, Tuning, folds, read_tunings

Weights = dict[Tuned, float]
"""What may have been changed, and how likely each is taken to be; only the order counts."""
Guesser = Callable[[Sequence[Tuning]], Callable[[Sequence[Tuning]], list[Weights]]]
"""Learns from some changes and then guesses those of others, of which it reads the rule alone."""
Hits = NDArray[np.float64]  # [tunings, 4] right by kind among the first and first three; with numbers, likewise

COLUMNS = ("kind: first", "kind: first three", "kind and numbers: first", "kind and numbers: first three")
NEIGHBOURS, RARE = 5, 3
_WORD = re.compile(r"[a-z]+|[A-Z][a-z]*|\d+|[^\w\s]")


def main() -> None:
    options = _options()
    learned = read_tunings(options.file)
    guessers: dict[str, Guesser] = {
        "majority": majority,
        "nearest neighbours": neighbours,
        "boosted trees": boosted,
    }
    tested, parts = learned, [(f"fold-{fold}", fold) for fold in range(FOLDS)]
    if options.exam:
        tested, parts = read_tunings(options.exam), [("all", 0)]
    fold_of = folds(learned)
    hits: dict[str, Hits] = {name: np.zeros((len(tested), 4)) for name in guessers}
    if options.models:
        hits["the model"] = np.zeros((len(tested), 4))
    for name, fold in parts:
        inside = [n for n, one in enumerate(tested) if options.exam or fold_of[one.repository] == fold]
        known = learned if options.exam else [one for one in learned if fold_of[one.repository] != fold]
        asked = [tested[n] for n in inside]
        some = dict(guessers)
        if options.models:
            model = load(options.models / f"{name}.gguf", threads=2, context=1024)
            some["the model"] = asking(model, options.samples)
        for guesser, learn in some.items():
            guesses = learn(known)(asked)
            for n, weights in zip(inside, guesses, strict=True):
                hits[guesser][n] = right(weights, tested[n].changes)
    _print(hits, [one.repository for one in tested])


def right(weights: Weights, made: Sequence[Tuned]) -> tuple[bool, bool, bool, bool]:
    """Whether a change that was ``made`` is first, and among the first three: by kind, then with numbers."""
    kinds: dict[str, float] = defaultdict(float)
    for tuned, weight in weights.items():
        kinds[tuned.kind] += weight
    by_kind = [kind for kind, _ in sorted(kinds.items(), key=lambda one: (-one[1], one[0]))]
    exact = [tuned for tuned, _ in sorted(weights.items(), key=lambda one: (-one[1], one[0]))]
    meant = {one.kind for one in made}
    return (
        not meant.isdisjoint(by_kind[:1]),
        not meant.isdisjoint(by_kind[:3]),
        not set(made).isdisjoint(exact[:1]),
        not set(made).isdisjoint(exact[:3]),
    )


def majority(known: Sequence[Tuning]) -> Callable[[Sequence[Tuning]], list[Weights]]:
    """The kinds as often as they were made, with the values that were usual from where the rule stands."""
    kinds, values = _counted(known), Values(known)
    return lambda asked: [values.spread(kinds, one.rule) for one in asked]


def neighbours(known: Sequence[Tuning]) -> Callable[[Sequence[Tuning]], list[Weights]]:
    """What was done to the rules whose text is nearest (cosine of tf-idf of words and punctuation)."""
    from sklearn.feature_extraction.text import TfidfVectorizer  # of the extra ``compare``

    reading = TfidfVectorizer(tokenizer=_words, token_pattern=None, lowercase=False, sublinear_tf=True)
    seen, values, usual = reading.fit_transform(map(_text, known)), Values(known), _counted(known)

    def guess(asked: Sequence[Tuning]) -> list[Weights]:
        found = []
        for row, one in zip((reading.transform(map(_text, asked)) @ seen.T).toarray(), asked, strict=True):
            kinds = {kind: 1e-6 * count for kind, count in usual.items()}
            for near in np.argsort(-row, kind="stable")[:NEIGHBOURS]:
                for change in known[near].changes:
                    share = (row[near] + 1e-3) / len(known[near].changes)
                    kinds[change.kind] = kinds.get(change.kind, 0.0) + share
            found.append(values.spread(kinds, one.rule))
        return found

    return guess


def boosted(known: Sequence[Tuning]) -> Callable[[Sequence[Tuning]], list[Weights]]:
    """Gradient-boosted trees on figures and words of the rule say the kind; values as usual. A repository weighs as
    the root of its size."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # of the extra ``compare``

    names = _frequent(known)
    sizes = Counter(one.repository for one in known)
    rows = [
        (features(one.rule, names), change.kind, 1 / len(one.changes) / math.sqrt(sizes[one.repository]))
        for one in known
        for change in one.changes
    ]
    counts = Counter(kind for _, kind, _ in rows)
    rows = [row for row in rows if counts[row[1]] >= RARE]
    trees = HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, min_samples_leaf=8, random_state=0)
    trees.fit(np.array([row for row, _, _ in rows]), [kind for _, kind, _ in rows], [share for _, _, share in rows])
    values = Values(known)

    def guess(asked: Sequence[Tuning]) -> list[Weights]:
        shares = trees.predict_proba(np.array([features(one.rule, names) for one in asked]))
        return [
            values.spread(dict(zip(trees.classes_, map(float, row), strict=True)), one.rule)
            for row, one in zip(shares, asked, strict=True)
        ]

    return guess


def asking(model: LanguageModel, samples: int) -> Guesser:
    """A model that has learned already."""
    return lambda _: lambda asked: [sampled(model, one.rule, samples) for one in asked]


def sampled(model: LanguageModel, rule: Rule, samples: int) -> Weights:
    """How often the model says what: its likeliest answer, which counts half a sample more, and ``samples`` draws."""
    found: Weights = defaultdict(float)
    for seed in range(samples + 1):
        temperature = 1.0 if seed else 0.0
        text = model.complete(
            tune_prompt(rule),
            tune_grammar(),
            max_tokens=MOST_TOKENS,
            temperature=temperature,
            seed=seed,
            deadline=None,
        )
        answer = read_tuned(text)
        if not isinstance(answer, Refused):
            found[answer] += 1.0 if seed else 1.5
    return found


class Values:
    """Which values were set in the changes of one kind, by where the rule stood; the same for all but the model.

    Waits and severities are counted by the old value, with all changes of that kind behind; thresholds as factors by
    direction of the comparison, from 0 as they are.
    """

    def __init__(self, known: Iterable[Tuning]) -> None:
        self._counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for tuning in known:
            for change in tuning.changes:
                if change.to:
                    at = _stand(change.kind, tuning.rule)
                    value = _relative(change, tuning.rule)
                    self._counts[change.kind, at][value] += 1
                    self._counts[change.kind, ""][value] += 1

    def spread(self, kinds: Mapping[str, float], rule: Rule) -> Weights:
        """The weight of each kind, spread over its values."""
        found: Weights = defaultdict(float)
        for kind, weight in kinds.items():
            if kind in PLAIN:
                found[Tuned(kind)] += weight
                continue
            near, all_ = self._counts[kind, _stand(kind, rule)], self._counts[kind, ""]
            shares = Counter({value: count + 0.05 * all_[value] for value, count in near.items()})
            shares.update({value: 0.05 * count for value, count in all_.items() if value not in near})
            able = {tuned: share for value, share in shares.items() if (tuned := _absolute(kind, value, rule))}
            for tuned, share in able.items():
                found[tuned] += weight * share / sum(able.values())
        return found


def features(rule: Rule, names: Sequence[str]) -> list[float]:
    """The figures of a rule that trees may split on; ``names`` are words that occur often enough to ask for."""
    found = _pieces(rule)
    limit = _limit(rule)
    windows = _windows(rule)
    words = Counter(_words(_text(Tuning("", rule, ()))))
    return [
        math.log1p(rule.hold / SECOND),
        float(rule.keep_firing_for > 0),
        float(len(rule.labels)),
        math.nan if limit is None else math.copysign(math.log1p(abs(limit[1])), limit[1]),
        float(limit is not None and limit[1] == 0),
        math.nan if limit is None else float((">", ">=", "<", "<=", "==", "!=").index(limit[0])),
        math.log1p(max(windows, default=0) / SECOND),
        math.log1p(len(rule.expr)),
        *(float(found[kind]) for kind in ("AggregateExpr", "Call", "BinaryExpr", "VectorSelector", "MatrixSelector")),
        *(float(words[name]) for name in names),
    ]


def _print(hits: Mapping[str, Hits], repositories: Sequence[str]) -> None:
    names = sorted(set(repositories))
    print(f"{len(repositories)} changes of {len(names)} repositories; 95% intervals: repositories resampled\n")
    print("| right | " + " | ".join(COLUMNS) + " |")
    print("|---|" + "---|" * len(COLUMNS))
    for name, found in hits.items():
        ranges = [interval(found[:, column], repositories) for column in range(len(COLUMNS))]
        shares = zip(found.mean(axis=0), ranges, strict=True)
        cells = [f"{share:.1%} ({low:.0%} to {high:.0%})" for share, (low, high) in shares]
        print(f"| {name} | " + " | ".join(cells) + " |")
    for name, found in hits.items():
        alike = np.mean([found[[one == each for one in repositories]].mean(axis=0) for each in names], axis=0)
        print(f"| {name}, each repository alike | " + " | ".join(f"{share:.1%}" for share in alike) + " |")


def _counted(known: Sequence[Tuning]) -> dict[str, float]:
    """How often each kind was made; every repository counts alike, else the largest would be all there is."""
    kinds: dict[str, float] = defaultdict(float)
    sizes = Counter(one.repository for one in known)
    for one in known:
        for change in one.changes:
            kinds[change.kind] += 1 / len(one.changes) / sizes[one.repository]
    return kinds


def _stand(kind: str, rule: Rule) -> str:
    """Where a rule stands, as far as it matters to the value of a change of that kind."""
    if kind in ("hold", "keep"):
        return format_duration(rule.hold)
    if kind == "window":
        return format_duration(max(_windows(rule), default=0))
    limit = _limit(rule)
    if kind == "threshold":
        return "none" if limit is None else f"{limit[0][0]} {'0' if limit[1] == 0 else 'n'}"
    return rule.labels.get("severity", "none")


def _relative(change: Tuned, rule: Rule) -> str:
    limit = _limit(rule)
    if change.kind != "threshold" or limit is None or limit[1] == 0:
        return change.to
    return f"x{float(change.to) / limit[1]:.6g}"


def _absolute(kind: str, value: str, rule: Rule) -> Tuned | None:
    """The change that a counted value makes of this rule; None where it makes none."""
    limit = _limit(rule)
    try:
        if value.startswith("x"):
            return None if limit is None or limit[1] == 0 else Tuned(kind, plain(limit[1] * float(value[1:])))
        if kind == "hold" and parse_duration(value) <= rule.hold:
            return None
        if kind == "threshold" and limit is not None and limit[1] != 0:
            return None
        return None if kind == "severity" and value == rule.labels.get("severity") else Tuned(kind, value)
    except ValueError:
        return None  # more digits than a change may have


def _tree(rule: Rule) -> list[Any]:
    try:
        return [node for node, _ in nodes(pp.parse(readable(rule.expr)))]
    except ValueError:
        return []


def _pieces(rule: Rule) -> Counter[str]:
    return Counter(type(node).__name__ for node in _tree(rule))


def _limit(rule: Rule) -> tuple[str, float] | None:
    """The last comparison with a number in the text of the rule, which need not parse."""
    found = re.findall(r"(>=|<=|==|!=|>|<)\s*(?:bool\s*)?(-?\d+(?:\.\d+)?(?:e-?\d+)?)", rule.expr)
    return (found[-1][0], float(found[-1][1])) if found else None


def _windows(rule: Rule) -> list[int]:
    return [parse_duration(text) for text in re.findall(r"\[(\d+[smhdw])\s*[\]:]", rule.expr)]


def _text(tuning: Tuning) -> str:
    rule = tuning.rule
    labels = " ".join(f"{name}={value}" for name, value in rule.labels.pairs)
    return f"{rule.name} for={format_duration(rule.hold)} {labels} {rule.expr}"


def _words(text: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(text)]


def _frequent(known: Iterable[Tuning], most: int = 80) -> list[str]:
    """The words in most rules."""
    counts = Counter(word for one in known for word in set(_words(_text(one))))
    return [word for word, _ in sorted(counts.items(), key=lambda one: (-one[1], one[0]))[:most]]


def _options() -> Any:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    default = Path(__file__).parents[2] / "shared/data/human-tunings/tunings.jsonl"
    parser.add_argument("file", type=Path, nargs="?", default=default)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--exam", type=Path)
    parser.add_argument("--samples", type=int, default=24)
    return parser.parse_args()


if __name__ == "__main__":
    main()
