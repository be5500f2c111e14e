"""The answers that are legal for one cluster as a JSON schema, for servers that take no GBNF.

It says what :mod:`rulegen.propose.grammar` says, but that a list may hold a pick twice: schemas that servers turn
into grammars know no ``uniqueItems``.
"""

from __future__ import annotations

from collections.abc import Sequence

from rulegen.core.candidate import Slot
from rulegen.propose.expression import MOST_CHARACTERS
from rulegen.propose.offer import Offer

Schema = dict[str, object]


def schema(offers: Sequence[Offer]) -> Schema:
    """A schema (draft 2020-12) of the answers that fill one of ``offers``. Raises ValueError without offers."""
    if not offers:
        raise ValueError("no template fits, so there is nothing to answer")
    return {"anyOf": [_template(offer) for offer in offers]}


def _template(offer: Offer) -> Schema:
    slots = _object({slot.name: _slot(slot) for slot in offer.slots})
    return _object({"template": {"type": "string", "enum": [offer.template.name]}, "slots": slots})


def _slot(slot: Slot) -> Schema:
    if slot.vocabulary is not None:
        return {"type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS}
    pick: Schema = {"type": "string", "enum": [choice.token for choice in slot.choices]}
    if slot.most == 1:
        return pick
    return {"type": "array", "items": pick, "minItems": 1, "maxItems": min(slot.most, len(slot.choices))}


def _object(properties: Schema) -> Schema:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }
