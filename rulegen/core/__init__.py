"""The nouns. Frozen dataclasses, NumPy arrays and the standard library only; nothing here does I/O."""
