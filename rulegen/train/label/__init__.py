"""Labelled clusters: for each noisy rule of many random worlds, what search over the templates found to be best.

``python -m rulegen.train.label --seeds 0..1000 --out DIR`` writes one shard for every 20 seeds, named
``shard-NNNNN.jsonl.gz``, one cluster a line. The same seeds give the same bytes, a shard that exists is not made
again, and one that is not finished does not exist. What makes worlds does not know how they are judged; this does.
"""
