"""What was proved, written down: rule files, evidence, the terminal. Last stage of the pipeline."""
