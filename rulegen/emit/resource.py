"""Plain rule files as PrometheusRule resources of the Prometheus Operator (monitoring.coreos.com/v1)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from rulegen.emit import scalar
from rulegen.errors import InputError

_ODD = re.compile(r"[^a-z0-9.-]+")
_LONGEST = 253  # characters of an RFC 1123 subdomain
_MARKER = re.compile(r"(?:---|\.\.\.)(?:\s|$)|%")  # what ends or begins a document, which stands alone here


@dataclass(frozen=True, slots=True)
class Resource:
    """``namespace`` "": none is written, and the resource lands where it is applied."""

    namespace: str = ""

    def of(self, texts: Sequence[tuple[str, str]]) -> dict[str, str]:
        """Each of ``texts`` [(place below ``rules/``, content)] as a resource; what is one already stays as it is.

        Raises InputError for a file that can't become one, with all reasons.
        """
        names = resource_names([place for place, _ in texts])
        found, wrong = {}, []
        for place, text in texts:
            try:
                found[place] = self.wrapped(text, names[place])
            except ValueError as error:
                wrong.append(f"{place}: cannot be written as a PrometheusRule: {error}")
        if wrong:
            raise InputError(*wrong)
        return found

    def wrapped(self, text: str, name: str) -> str:
        """The rule file ``text`` below ``spec``, its comments and layout kept. Raises ValueError."""
        newline = "\r\n" if "\r\n" in text else "\n"
        document = _loaded(text)
        if document is None or "kind" in document:
            return text
        if extra := sorted(str(key) for key in document if key != "groups"):
            raise ValueError(f"a spec has groups only, not {', '.join(extra)}")
        _grouped(document)
        lines = text.removeprefix("\ufeff").split(newline)
        kept = [line for line in lines if not _MARKER.match(line)]
        head = [
            "apiVersion: monitoring.coreos.com/v1",
            "kind: PrometheusRule",
            "metadata:",
            f"  name: {scalar.double(name)}",
        ]
        head += [f"  namespace: {scalar.double(self.namespace)}"] * bool(self.namespace)
        body = [f"  {line}" if line.strip() else line for line in kept]
        made = newline.join([*head, "spec:", *body])
        try:
            same = _loaded(made) == {**_meta(name, self.namespace), "spec": document}
        except ValueError:
            same = False
        if not same:
            raise ValueError("its text does not keep its meaning two columns further to the right; write it plainly")
        return made


def resource_names(places: Sequence[str]) -> dict[str, str]:
    """Each place below ``rules/`` → a ``metadata.name``: an RFC 1123 subdomain made of it, no two alike."""
    found: dict[str, str] = {}
    taken: set[str] = set()
    for place in places:
        stem = re.sub(r"\.ya?ml$", "", place.lower())
        parts = _ODD.sub("-", stem)[: _LONGEST - 8].split(".")
        base = ".".join(part for each in parts if (part := each.strip("-"))) or "rules"
        name, number = base, 1
        while name in taken:
            number += 1
            name = f"{base}-{number}"
        taken.add(name)
        found[place] = name
    return found


def _meta(name: str, namespace: str) -> dict[str, object]:
    metadata = {"name": name} | ({"namespace": namespace} if namespace else {})
    return {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata}


def _loaded(text: str) -> Mapping[str, object] | None:
    """The only document of ``text``. Raises ValueError."""
    try:
        documents = [one for one in YAML(typ="safe", pure=True).load_all(text) if one is not None]
    except (YAMLError, RecursionError) as error:
        raise ValueError(f"not YAML: {type(error).__name__}") from None
    if len(documents) > 1 and all(isinstance(one, dict) and "kind" in one for one in documents):
        return None  # several resources
    if len(documents) != 1 or not isinstance(documents[0], dict):
        raise ValueError(f"{len(documents)} documents in one file; split it")
    return documents[0]


def _grouped(document: Mapping[str, object]) -> None:
    """What the CRD wants beyond what Prometheus does: groups keyed by name. Raises ValueError."""
    groups = document.get("groups")
    names = [group.get("name") for group in groups if isinstance(group, dict)] if isinstance(groups, list) else []
    if twice := next((name for name in names if names.count(name) > 1), None):
        raise ValueError(f"two groups are called {twice}")
