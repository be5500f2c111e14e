"""Answers, read and written. Whatever a model wrote, it is legal filled slots or a reason, never an exception."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rulegen.core.candidate import Choice, Proposal, Provenance, Slot, SlotValue
from rulegen.propose.expression import MOST_CHARACTERS as MOST_WRITTEN
from rulegen.propose.offer import Offer
from rulegen.propose.refused import Refused

MOST_CHARACTERS = 4_096


def read_answer(text: str, offers: Sequence[Offer], provenance: Provenance) -> Proposal | Refused:
    """The proposal that ``text`` makes out of ``offers``: one JSON object of the form that the grammar writes.

    Spaces, and the order of keys and picks, are free; a missing, unknown or repeated key or pick is refused.
    """
    if len(text) > MOST_CHARACTERS:
        return Refused(f"the answer is longer than {MOST_CHARACTERS} characters")
    if not text.strip():
        return Refused("the answer is empty: a model that thinks first has no tokens left, switch its thinking off")
    try:
        answer = json.loads(text, object_pairs_hook=_object)
    except (ValueError, RecursionError):
        return Refused(f"the answer is not JSON: {_start(text)}")
    if not isinstance(answer, dict) or set(answer) != {"template", "slots"}:
        return Refused("the answer is not an object of template and slots")
    name, slots = answer["template"], answer["slots"]
    offer = next((one for one in offers if one.template.name == name), None)
    if offer is None:
        return Refused(f"the answer names a template that is not offered: {_start(text)}")
    if not isinstance(slots, dict) or set(slots) != {slot.name for slot in offer.slots}:
        return Refused(f"the answer does not fill exactly the slots of {offer.template.name}")
    picks = []
    for slot in offer.slots:
        pick = _pick(slot, slots[slot.name])
        if isinstance(pick, Refused):
            return pick
        picks.append(pick)
    return Proposal(offer.template.name, offer.filled(picks), provenance)


def write_answer(proposal: Proposal, offers: Sequence[Offer]) -> str:
    """The text that :func:`read_answer` reads as ``proposal``, in the grammar's one form.

    Raises ValueError when no offer has its template, or a slot has no choice of its value.
    """
    offer = next((one for one in offers if one.template.name == proposal.template), None)
    if offer is None:
        raise ValueError(f"{proposal.template!r} is not offered")
    slots = {slot.name: _tokens(slot, proposal.slots[slot.name]) for slot in offer.slots}
    return json.dumps({"template": proposal.template, "slots": slots}, separators=(",", ":"))


def _pick(slot: Slot, answer: object) -> tuple[Choice, ...] | Refused:
    """The choices that ``answer`` names, in the order of the slot's choices."""
    if slot.vocabulary is not None:
        if not isinstance(answer, str) or not 0 < len(answer) <= MOST_WRITTEN or not _written(answer):
            return Refused(
                f"slot {slot.name} takes an expression of at most {MOST_WRITTEN} printable ASCII characters"
            )
        return (Choice(answer, answer),)
    tokens = answer if slot.most > 1 else [answer]
    if not isinstance(tokens, list) or not 1 <= len(tokens) <= slot.most:
        return Refused(f"slot {slot.name} takes a list of 1 to {slot.most} picks")
    pick = tuple(choice for choice in slot.choices if choice.token in tokens)
    if len(pick) != len(tokens):
        return Refused(f"slot {slot.name} is given a pick that it does not have, or one twice")
    return pick


def _tokens(slot: Slot, value: SlotValue) -> str | list[str]:
    if slot.most > 1:
        if not isinstance(value, tuple):
            raise ValueError(f"slot {slot.name} wants several picks, not {value!r}")
        return [_token(slot, one) for one in value]
    return _token(slot, value)


def _token(slot: Slot, value: SlotValue) -> str:
    if slot.vocabulary is not None:
        return str(value)
    for choice in slot.choices:
        if choice.value == value and type(choice.value) is type(value):
            return choice.token
    raise ValueError(f"slot {slot.name} has no choice of {value!r}")


def _written(text: str) -> bool:
    return text.isascii() and text.isprintable()


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key is given twice")
    return found


def _start(text: str) -> str:
    """The first words of a text that nobody vouches for, fit to print."""
    return ascii(text if len(text) <= 60 else text[:60] + "…")
