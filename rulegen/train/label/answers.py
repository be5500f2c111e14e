"""A proposal as the answer that a model would have had to give for it."""

from __future__ import annotations

from rulegen.propose.answer import write_answer

__all__ = ["write_answer"]
