"""One run from start to end: checks, the training loop, what happens between two evaluations, the export.

Imports all rooms but `vertex`, `page` and `evaluation`.
"""
