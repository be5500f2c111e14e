"""A slow, obvious reference for what rulegen.promql does in kernels.

A range is a window for each series, folded layer by layer in NumPy; within ``evaluator.plainly()`` the evaluator uses
these functions in the places of the kernels.
"""
