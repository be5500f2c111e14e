"""A proposal as the answer that a model would have had to give for it: the inverse of reading one."""

from __future__ import annotations

import json
from collections.abc import Sequence

from rulegen.core.candidate import Proposal, Slot, SlotValue
from rulegen.propose.offer import Offer


def write_answer(proposal: Proposal, offers: Sequence[Offer]) -> str:
    """The text that :func:`rulegen.propose.answer.read_answer` reads as ``proposal``, in the grammar's one form.

    Raises ValueError when no offer has its template, or a slot has no choice of its value.
    """
    offer = next((one for one in offers if one.template.name == proposal.template), None)
    if offer is None:
        raise ValueError(f"{proposal.template!r} is not offered")
    slots = {slot.name: _tokens(slot, proposal.slots[slot.name]) for slot in offer.slots}
    return json.dumps({"template": proposal.template, "slots": slots}, separators=(",", ":"))


def _tokens(slot: Slot, value: SlotValue) -> str | list[str]:
    if slot.most > 1:
        if not isinstance(value, tuple):
            raise ValueError(f"slot {slot.name} wants several picks, not {value!r}")
        return [_token(slot, one) for one in value]
    return _token(slot, value)


def _token(slot: Slot, value: SlotValue) -> str:
    for choice in slot.choices:
        if choice.value == value and type(choice.value) is type(value):
            return choice.token
    raise ValueError(f"slot {slot.name} has no choice of {value!r}")
