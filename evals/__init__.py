"""Measures. Each module prints one table; run them with ``python -m evals.NAME``. Tests assert, evals measure."""
