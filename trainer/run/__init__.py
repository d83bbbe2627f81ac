"""One run from start to end: checks, the training loop, evaluations in between, the export.

Imports all packages of the trainer except `vertex`, `page` and `evaluation`.
"""
