"""Training a small language model on labelled clusters, and turning it (or a larger one) into a GGUF file.

Everything here needs the extra ``train`` (``pip install 'rulegen[train]'``) and is imported only by those who train.
"""
