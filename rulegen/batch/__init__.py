"""The nightly batch: what it remembers, what it writes, and what became of what it once claimed."""
