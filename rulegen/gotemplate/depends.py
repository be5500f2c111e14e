"""What the text of an expanded template can depend on, beside the labels of the series."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from rulegen.gotemplate.tree import Action, Branch, Call, Node, Operand, Pipeline, Template

Dependence = Literal["labels", "value", "time"]


def dependence(template: Template) -> Dependence:
    """ "labels": one text for each series. "value": another one for another value. "time": it asks a query.

    Careful: a template that hands ``.`` around may be said to depend on the value though it does not.
    """
    bodies = (template.nodes[4:], *template.defined.values())  # after the preamble's four declarations
    words = [word for nodes in bodies for word in _words(nodes)]
    if any(word.kind == "function" and word.name == "query" for word in words):
        return "time"
    return "value" if any(map(_shows_value, words)) else "labels"


def _shows_value(word: Operand) -> bool:
    if word.kind == "variable" and word.name == "$value":
        return True
    whole = word.kind == "dot" or (word.kind == "variable" and word.name == "$")
    return whole and (not word.fields or word.fields[0] == "Value")


def _words(nodes: tuple[Node, ...]) -> Iterator[Operand]:
    for node in nodes:
        if isinstance(node, Action | Branch) or (isinstance(node, Call) and node.pipe is not None):
            assert node.pipe is not None
            yield from _of_pipe(node.pipe)
        if isinstance(node, Branch):
            yield from _words(node.body)
            yield from _words(node.other)


def _of_pipe(pipe: Pipeline) -> Iterator[Operand]:
    for command in pipe.commands:
        for word in command:
            yield word
            if word.pipe is not None:
                yield from _of_pipe(word.pipe)
