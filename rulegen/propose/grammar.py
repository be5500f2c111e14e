"""The grammar of the answers that are legal for one cluster, in llama.cpp's GBNF.

An answer is one JSON object without spaces, ``{"template":"retune","slots":{"threshold":"t2","for":"5m"}}``: slots in
the template's order, a slot that takes several picks as a list in the order of its choices, so that no pick can come
twice. Metrics, labels and values appear by number only; what they are called never enters the grammar, but where an
expression may be written (:mod:`rulegen.propose.expression`), and there in plain letters alone.

GBNF as llama.cpp reads it (its ``grammars/README.md``): rules ``name ::= body`` that start at ``root``; names are of
letters, digits and dashes; text stands in double quotes with ``\\`` and ``"`` escaped.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rulegen.core.candidate import Slot
from rulegen.propose.expression import MOST_CHARACTERS, ROOT, expression
from rulegen.propose.offer import Offer


def grammar(offers: Sequence[Offer]) -> str:
    """GBNF whose language is exactly the answers that fill one of ``offers``. Raises ValueError without offers."""
    if not offers:
        raise ValueError("no template fits, so there is nothing to answer")
    names = [f"template-{number}" for number in range(len(offers))]
    rules = [("root", " | ".join(names))]
    for name, offer in zip(names, offers, strict=True):
        rules += _template(name, offer)
    written = [slot.vocabulary for offer in offers for slot in offer.slots if slot.vocabulary is not None]
    if written:
        rules += expression(written[0])  # the cluster's, whichever template asks for it
    return "".join(f"{name} ::= {body}\n" for name, body in rules)


def longest(offers: Sequence[Offer]) -> int:
    """The length of the longest legal answer in characters, and so the most tokens an answer can take."""
    return max(
        len('{"template":"","slots":{}}')
        + len(offer.template.name)
        + sum(len(f'"{slot.name}":[],') + _longest_pick(slot) for slot in offer.slots)
        for offer in offers
    )


def _template(name: str, offer: Offer) -> Iterator[tuple[str, str]]:
    """The rule of one template, then those of its slots, as (name, body)."""
    body = [_text(f'{{"template":"{offer.template.name}","slots":{{')]
    for number, slot in enumerate(offer.slots):
        body += [_text(f'{"," if number else ""}"{slot.name}":'), f"{name}-slot-{number}"]
    yield name, " ".join([*body, _text("}}")])
    for number, slot in enumerate(offer.slots):
        yield from _one(f"{name}-slot-{number}", slot) if slot.most == 1 else _several(f"{name}-slot-{number}", slot)


def _one(name: str, slot: Slot) -> Iterator[tuple[str, str]]:
    if slot.vocabulary is not None:
        yield name, " ".join((_text('"'), ROOT, _text('"')))
        return
    yield name, " | ".join(_text(f'"{choice.token}"') for choice in slot.choices)


def _several(name: str, slot: Slot) -> Iterator[tuple[str, str]]:
    """A list of up to ``slot.most`` rising picks: rule ``i-n`` picks from the i-th choice on, n picks being left."""
    count, most = len(slot.choices), min(slot.most, len(slot.choices))
    yield name, f"{_text('[')} {name}-0-{most} {_text(']')}"
    for left in range(most, 0, -1):
        for at in range(most - left, count):
            body = _text(f'"{slot.choices[at].token}"')
            if at + 1 < count:
                if left > 1:
                    body += f" ({_text(',')} {name}-{at + 1}-{left - 1})?"
                body += f" | {name}-{at + 1}-{left}"
            yield f"{name}-{at}-{left}", body


def _longest_pick(slot: Slot) -> int:
    if slot.vocabulary is not None:
        return MOST_CHARACTERS + len('"",')
    lengths = sorted((len(f'"{choice.token}",') for choice in slot.choices), reverse=True)
    return sum(lengths[: slot.most])


def _text(literal: str) -> str:
    escaped = literal.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
